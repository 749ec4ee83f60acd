"""Train a recipe once through its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from evoca.data.duplicates.groups import Grouped, with_groups
from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import MissingExtraError
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.copies import hashes_of
from evoca.lab.experiments.deletion import DELETION_IMAGES, ExplainedSystem, deletion_test
from evoca.lab.experiments.finetune_fold import Build, Seen, validation_figures
from evoca.lab.experiments.holdout import (
    Holdout,
    hold_out,
    require_parts,
    require_ratings,
    require_two_groups,
    usable,
)
from evoca.lab.experiments.operating_point import OperatingPoint, affect_in, choose
from evoca.lab.experiments.results import RepeatedPredictions, result_of
from evoca.lab.experiments.run_files import (
    choice,
    class_frequencies,
    describe_sources,
    require_fresh,
    write_calibration,
    write_head,
    write_result,
)
from evoca.lab.experiments.scorer import MachineScorer, Scorer, scorer_of
from evoca.lab.experiments.several_sources import figures_by_source
from evoca.lab.training import RunOptions, Task, fit
from evoca.lab.training.checkpoint import identity_of
from evoca.lab.training.freezing import System
from evoca.lab.training.lightning_trainer import is_main
from evoca.metrics.by_source import SourceFigures
from evoca.runs.evaluated_on import EvaluatedOn
from evoca.runs.provenance import describe_data, describe_division, describe_run
from evoca.runs.result import Counts, Result
from evoca.runtime.card import DeletionTest
from evoca.softmax import softmax
from evoca.words import by_number, counted

__all__ = ["train_steps"]


def train_steps(
    recipe: Recipe,
    build: Build,
    data: LabelledImages,
    out: Path,
    options: RunOptions,
    *,
    resume: bool = False,
    data_name: str | None = None,
    without_copies: bool = False,
) -> Result | None:
    """Return the scores of a recipe trained through its steps, and write the run directory.

    Figures are of the test images where the data name some, else of the validation
    images. These have chosen settings, so that the figures are too good.

    Args:
        recipe: with steps.
        build: makes its system.
        data: labelled images, all splits.
        out: the run directory; holds a checkpoint while the training runs, and
            ``run.json`` once it is complete.
        options: how to run.
        resume: go on with an unfinished run; start where ``out`` is fresh.
        data_name: what to call the data; the folder's or file's own name if omitted.
        without_copies: leave out the evaluated images that have a copy among the images
            that are trained on or choose.

    Returns:
        The figures; ``None`` in all but the first of several processes.

    Raises:
        EvocaError: the data, the recipe or the folder cannot be used.
        KeyboardInterrupt: stopped on request, after saving.
    """
    seed = recipe.protocol.seed
    known = usable(data.in_order(), recipe)
    require_ratings(data, known, recipe)
    require_parts(known, recipe.protocol.validation)
    grouped = with_groups(known)
    if not grouped.near:
        raise MissingExtraError("keeping near-duplicates together", "train", "imagehash")
    parts = hold_out(grouped.images, recipe.protocol.validation, seed, recipe)
    kept = parts.without_copies() if without_copies else parts
    require_two_groups(kept)
    division = describe_division(known)
    identity = identity_of(recipe, parts.train, parts.validation, division=division["group_sha256"])
    task = Task.of(recipe, parts.train, parts.validation, seed, identity)
    if is_main():
        require_fresh(out, resume=resume)
    fitted = fit(build(recipe, parts.train.labels, seed), task, out, options, resume=resume)
    if not is_main():
        return None
    scorer = scorer_of(recipe, fitted.system, parts.train, parts.validation, options)
    chosen, result = _evaluate(recipe, scorer, parts, kept)
    for note in result.notes:
        options.say(f"evoca: {note}")
    deletion = None
    if isinstance(scorer, MachineScorer):
        write_head(out / "checkpoints" / "last", scorer.machine)
    else:
        system, evaluated = fitted.system, kept.evaluated
        deletion = _deletion_test(recipe, system, evaluated, chosen.temperature, options)
    description = _description(recipe, grouped, division, parts, chosen, data_name)
    description |= result.copies
    if grouped.images.teaching is not None:
        describe_sources(description, grouped.images)
    if without_copies:
        description["split"] |= _left_out(parts, kept)
    write_calibration(out, chosen)
    write_result(out, description, result, deletion)
    (out / "checkpoints" / "resume.pt").unlink(missing_ok=True)
    return result


def _left_out(parts: Holdout, kept: Holdout) -> dict[str, Any]:
    """Return how many copies are not evaluated."""
    return {"without_copies": True, "copies_left_out": len(parts.evaluated) - len(kept.evaluated)}


def _evaluate(
    recipe: Recipe, scorer: Scorer, parts: Holdout, kept: Holdout
) -> tuple[OperatingPoint, Result]:
    """Choose the operating point on validation images, then score the evaluated images."""
    coverage, chose = recipe.protocol.coverage, parts.test is None
    step, labels = recipe.steps[-1], len(parts.evaluated.labels)
    copies, own = kept.copied(), scorer.logits(parts.validation)
    chosen = replace(choose(own, parts.validation, step, coverage), c=scorer.c)
    found = scorer.logits(kept.evaluated)
    predictions = RepeatedPredictions.once(
        softmax(found[:, :labels], chosen.temperature),
        threshold=chosen.threshold,
        temperature=chosen.temperature,
        affect=affect_in(found, labels),
    )
    notes = copies.notes()
    notes += () if chose else parts.chosen_by_copies()
    if chose:
        notes += ("the figures are of validation images, which chose: they flatter",)
    lost = len(parts.evaluated) - len(kept.evaluated)
    if lost:
        notes += (
            f"{counted(lost, 'copy')} of images that were learnt from or chose "
            f"{by_number(lost, 'is', 'are')} left out",
        )
    result = result_of(kept.evaluated, predictions, coverage, notes=notes, chose=chose)
    by_source: tuple[SourceFigures, ...] = ()
    if kept.evaluated.teaching is not None:
        widths = None
        if chosen.affect_errors is not None and predictions.affect is not None:
            widths = np.broadcast_to(chosen.affect_errors, predictions.affect.shape)
        by_source = figures_by_source(
            kept.evaluated,
            predictions.probabilities,
            predictions.affect,
            widths,
            report=result.report,
        )
    on_validation = validation_figures([Seen.of(own, parts.validation)], parts.validation.labels)
    return chosen, replace(
        result,
        by_source=by_source,
        chosen=choice(chosen),
        validation=on_validation,
        counts=Counts(copies_left_out=lost, **copies.counts()),
    )


def _deletion_test(
    recipe: Recipe,
    system: System,
    images: LabelledImages,
    temperature: float,
    options: RunOptions,
) -> DeletionTest | None:
    """Return the deletion test on images not trained on; ``None`` without an evidence map."""
    if not options.deletion_test or getattr(system, "evidence_kind", None) is None:
        return None
    device = torch.device("cuda" if options.on_gpu else "cpu")
    module = cast("nn.Module", system).eval().to(device)
    model = ExplainedSystem(module, temperature, device)
    found = deletion_test(
        lambda _: model,
        images.paths,
        recipe.preprocessing,
        images.labels,
        advance=options.announce("deletion test", min(DELETION_IMAGES, len(images))),
    )
    module.to("cpu")
    return found


def _description(
    recipe: Recipe,
    grouped: Grouped,
    division: Mapping[str, str],
    parts: Holdout,
    chosen: OperatingPoint,
    data_name: str | None,
) -> dict[str, Any]:
    """Return the content of ``run.json``."""
    data = grouped.images
    prints = grouped.by_path
    kind = EvaluatedOn.VALIDATION if parts.test is None else EvaluatedOn.TEST
    split = {
        "kind": kind,
        "groups": grouped.basis,
        "train": len(parts.train),
        "validation": len(parts.validation),
        "test": 0 if parts.test is None else len(parts.test),
        "validation_cut_from_train": parts.cut,
        **division,
    }
    shared = describe_run(
        "training",
        data=describe_data(data, data_name),
        split=split,
        system={"recipe": recipe.model_dump(mode="json")},
        seeds=[recipe.protocol.seed],
        labels=data.labels,
        protocol=(
            f"trained once on {len(parts.train)} images; {len(parts.validation)} validation "
            f"images {_what_they_choose(recipe)}; figures of "
            f"{kind}; intervals from 1,000 bootstrap draws over groups ({grouped.basis})"
        ),
    )
    return shared | {
        "chosen": choice(chosen),
        "training_frequencies": class_frequencies(parts.train, recipe),
        **hashes_of(parts.train, "training", prints),
        **hashes_of(parts.validation, "validation", prints),
    }


def _what_they_choose(recipe: Recipe) -> str:
    """Return what a training's validation images decide, in words."""
    stop = "stop it and " if any(step.stop is not None for step in recipe.steps) else ""
    penalty = "penalty, " if recipe.head is not None else ""
    return f"{stop}choose {penalty}temperature and set threshold"
