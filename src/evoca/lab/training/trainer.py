"""A system through all steps of a recipe, from the start or from where it stopped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import torch
from torch import nn

from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError
from evoca.images.preprocess import Preprocessing
from evoca.lab.config.recipe import Recipe, Sources
from evoca.lab.config.step import Step
from evoca.lab.training.checkpoint import (
    HistoryRow,
    Identity,
    TrainingState,
    load_state,
    save_state,
    save_weights,
    weights_of,
)
from evoca.lab.training.data import Examples, PixelExamples, StepLoader
from evoca.lab.training.freezing import System, freeze, parameter_groups, trainable_parameters
from evoca.lab.training.frozen_cache import cache_frozen
from evoca.lab.training.inference import plain_batches
from evoca.lab.training.interrupts import Interrupts, interrupts_noted
from evoca.lab.training.lessons import Lessons, lessons_of
from evoca.lab.training.lightning_trainer import is_main, require_machine, run_job
from evoca.lab.training.machine import RunOptions, keep_freed_memory
from evoca.lab.training.sampling import Position
from evoca.lab.training.step_context import Job, Validation
from evoca.words import by_number

__all__ = ["Fitted", "Task", "fit"]


@dataclass(frozen=True)
class Task:
    """What is learnt, independent of the machine.

    Attributes:
        steps: in order.
        preprocessing: how pictures become input.
        train: images to learn from.
        validation: images that may choose; ``None`` where nothing is chosen.
        seed: of every draw.
        identity: what a checkpoint must agree with.
        sources: how several sources are learnt from together.
    """

    steps: tuple[Step, ...]
    preprocessing: Preprocessing
    train: LabelledImages
    validation: LabelledImages | None
    seed: int
    identity: Identity
    sources: Sources = field(default_factory=Sources)

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        train: LabelledImages,
        validation: LabelledImages | None,
        seed: int,
        identity: Identity,
    ) -> Task:
        """Return the task of a recipe with steps; see the class."""
        return cls(
            recipe.steps, recipe.preprocessing, train, validation, seed, identity, recipe.sources
        )


@dataclass(frozen=True)
class Fitted:
    """A trained system.

    Attributes:
        system: the one that was given, now trained, on the CPU, in evaluation mode.
        history: one row per epoch.
    """

    system: System
    history: list[HistoryRow]


def fit(
    system: System,
    task: Task,
    folder: Path,
    options: RunOptions | None = None,
    *,
    resume: bool = False,
) -> Fitted:
    """Return a system, trained in place, with its history.

    Writes ``history.csv``, ``checkpoints/resume.pt`` while it runs and
    ``checkpoints/last/weights.safetensors`` at its end.

    Args:
        system: with its initial weights.
        task: what to learn.
        folder: of the run; need not exist.
        options: how to run.
        resume: go on from the folder's checkpoint; starts anew where there is none.

    Raises:
        DataError: no images, test images among those that choose, an image without
            label.
        EvocaError: a step does not fit the system, the machine does not fit the options,
            the loss is no number, a checkpoint is of another training or cannot be written.
        ImageError: an image cannot be read.
        KeyboardInterrupt: stopped on request, after saving.
    """
    options = options or RunOptions()
    _check(system, task)
    require_machine(options)
    keep_freed_memory()
    module = cast("nn.Module", system)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoints" / "resume.pt"
    state = TrainingState(Position(), weights_of(module))
    if resume and checkpoint.is_file():
        state = load_state(checkpoint, task.identity)
        module.load_state_dict(state.weights)
    with interrupts_noted() as interrupts:
        for number in range(state.position.step, len(task.steps)):
            _run_step(system, task, number, state, folder, options, interrupts)
            state = TrainingState(
                Position(step=number + 1), weights_of(module), history=state.history
            )
            if is_main():
                save_state(checkpoint, state, task.identity)
            if interrupts.asked and number + 1 < len(task.steps):
                raise KeyboardInterrupt
    module.eval()
    if is_main():
        save_weights(folder / "checkpoints" / "last" / "weights.safetensors", state.weights)
    return Fitted(system, state.history)


def _check(system: System, task: Task) -> None:
    if not task.steps:
        raise DataError("a recipe without steps trains nothing")
    if not len(task.train):
        raise DataError(f"{task.train.source}: no images to train on")
    for name, images in (("training", task.train), ("validation", task.validation)):
        tested = 0 if images is None else int((images.split == "test").sum())
        if tested:
            raise DataError(
                f"{tested} of the {name} images {by_number(tested, 'is', 'are')} of the split "
                "test: test images are to "
                "evaluate a finished model on; they are not learnt from, and they choose nothing"
            )
    chooses = [step.name for step in task.steps if step.stop is not None]
    if chooses and not (task.validation is not None and len(task.validation)):
        raise DataError(f"step {chooses[0]} stops early, but there are no validation images")
    blind = task.validation is not None and not (task.validation.truth >= 0).any()
    for step in task.steps:
        if blind and step.stop is not None and step.stop.metric != "loss":
            raise DataError(
                f"step {step.name} stops by {step.stop.metric}, but no validation image has a "
                "label: stop by loss"
            )
    for step in task.steps:  # a fault in the last step should not show after hours
        parameter_groups(system, step)
        lessons = lessons_of(task.train, step, task.sources)
        lessons.targets(task.train)
        lessons.criterion()


def _run_step(
    system: System,
    task: Task,
    number: int,
    state: TrainingState,
    folder: Path,
    options: RunOptions,
    interrupts: Interrupts,
) -> None:
    """Train one step from its state to its end, in place."""
    step = task.steps[number]
    module = cast("nn.Module", system)
    freeze(system, trainable_parameters(system, step))
    if options.channels_last:
        module.to(memory_format=torch.channels_last)
    job = _job(system, task, step, state, folder, options, interrupts)
    over = step.stop is not None and state.progress.is_over(step.stop)
    if state.position.epoch < step.epochs and not over:
        run_job(job, state)
    if state.best:
        module.load_state_dict(state.best)


def _job(
    system: System,
    task: Task,
    step: Step,
    state: TrainingState,
    folder: Path,
    options: RunOptions,
    interrupts: Interrupts,
) -> Job:
    workers = options.loader_workers
    examples: Examples = PixelExamples(task.train, task.preprocessing, step.augmentation, task.seed)
    network = cast("nn.Module", system)
    measured: Examples | None = None
    if task.validation is not None:
        measured = PixelExamples(task.validation, task.preprocessing, (), task.seed)
    heeding = replace(options, announce=interrupts.heeded(options.announce))
    kept = cache_frozen(
        system, step, (task.train, task.validation), task.preprocessing, task.seed, heeding
    )
    if kept is not None:
        examples, measured, network, workers = kept.train, kept.validation, kept.network, 0
    lessons = lessons_of(task.train, step, task.sources)
    targets = lessons.targets(task.train)
    loader = StepLoader(
        examples,
        targets,
        step,
        task.seed,
        state.position,
        workers=workers,
        pin_memory=options.on_gpu,
    )
    advance = options.announce(step.name, loader.in_epoch * step.epochs)
    advance(loader.in_epoch * state.position.epoch + state.position.batch)
    labels = task.train.labels
    return Job(
        system=system,
        network=network,
        step=step,
        seed=task.seed,
        loader=loader,
        validation=_validation(task, step, lessons, measured, workers),
        criterion=lessons.criterion(),
        labels=len(labels),
        folder=folder,
        identity=task.identity,
        options=options,
        interrupts=interrupts,
        advance=advance,
    )


def _validation(
    task: Task, step: Step, lessons: Lessons, examples: Examples | None, workers: int
) -> Validation | None:
    if task.validation is None or examples is None or not len(task.validation):
        return None
    targets = torch.from_numpy(lessons.targets(task.validation))
    return Validation(
        lambda: plain_batches(examples, len(targets), step.batch_size, workers), targets
    )
