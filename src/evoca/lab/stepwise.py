"""Train and cross-validate recipes that list their steps."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evoca.data.grouping import with_groups
from evoca.data.labelled import LabelledImages
from evoca.errors import EvocaError, MissingExtraError
from evoca.lab.crossval import folds_of
from evoca.lab.fitting import RunOptions, Task, fit
from evoca.lab.fitting.fit import is_main
from evoca.lab.fitting.options import Announce
from evoca.lab.fitting.state import CheckpointError, Identity
from evoca.lab.freezing import System
from evoca.lab.holdout import cut_validation, hold_out
from evoca.lab.outcome import Chosen, Outcome, choose, outcome_of, predict_answers
from evoca.lab.prepare import prepare
from evoca.lab.recipe import Recipe
from evoca.lab.run import run_description
from evoca.lab.usable import strata, usable
from evoca.runs import write_json, write_predictions
from evoca.runs.provenance import describe_data, describe_run
from evoca.softmax import softmax

__all__ = ["Build", "Tune", "crossval_steps", "identity_of", "train_steps"]

# What may differ between two trainings that are the same.
_NAMES = {"name", "summary", "search", "profile"}

Build: TypeAlias = Callable[[Recipe, Sequence[str], int], System]
"""Builds a recipe's system for some labels, its new layers drawn with a seed."""

Tune: TypeAlias = Callable[[LabelledImages, Path], Recipe]
"""Chooses a recipe on training images; works, and resumes, in a folder."""


def train_steps(
    recipe: Recipe,
    build: Build,
    data: LabelledImages,
    out: Path,
    options: RunOptions,
    *,
    resume: bool = False,
    data_name: str | None = None,
) -> Outcome | None:
    """Train a recipe through its steps and write the run directory.

    Figures are of the test images where the data name some, else of the validation
    images, which have chosen: then they flatter.

    Args:
        recipe: with steps.
        build: makes its system.
        data: labelled images, all splits.
        out: the run directory; holds a checkpoint while the training runs, and
            ``run.json`` once it is complete.
        options: how to run.
        resume: go on with an unfinished run; on a fresh ``out`` simply start.
        data_name: what to call the data; the folder's or file's own name if omitted.

    Returns:
        The figures; ``None`` in all but the first of several processes.

    Raises:
        EvocaError: the data, the recipe or the folder cannot be used.
        KeyboardInterrupt: stopped on request, after saving.
    """
    seed = recipe.protocol.seed
    grouped = with_groups(usable(data, recipe))
    if not grouped.near:
        raise MissingExtraError("keeping near-duplicates together", "train", "imagehash")
    data = grouped.images
    parts = hold_out(data, recipe.protocol.validation, seed, recipe)
    task = Task(
        recipe.steps,
        recipe.preprocessing,
        parts.train,
        parts.validation,
        seed,
        identity_of(recipe, parts.train, parts.validation),
    )
    if is_main():
        _require_fresh(out, resume=resume)
    system = build(recipe, data.labels, seed)
    fitted = fit(system, task, out, options, resume=resume)
    if not is_main():
        return None

    last, labels = recipe.steps[-1], len(data.labels)

    def answers(images: LabelledImages) -> NDArray[np.float32]:
        return predict_answers(fitted.system, last, images, recipe.preprocessing, options)

    chosen = choose(
        answers(parts.validation)[:, :labels], parts.validation, last, recipe.protocol.coverage
    )
    measured = parts.validation if parts.test is None else parts.test
    found = answers(measured)
    outcome = outcome_of(
        measured,
        softmax(found[:, :labels], chosen.temperature)[None],
        np.full((1, len(measured)), chosen.threshold),
        np.full((1, len(measured)), -1, dtype=np.int64),
        _felt(found[None], labels),
    )
    split = {
        "kind": "the test split"
        if parts.test is not None
        else "validation images, which chose: the figures flatter",
        "groups": grouped.basis,
        "train": len(parts.train),
        "validation": len(parts.validation),
        "test": 0 if parts.test is None else len(parts.test),
        "validation_cut_from_train": parts.cut,
    }
    description = describe_run(
        "training",
        data=describe_data(data, data_name),
        split=split,
        system={"recipe": recipe.model_dump(mode="json")},
        seeds=[seed],
        labels=data.labels,
        protocol=(
            f"trained once on {len(parts.train)} images; {len(parts.validation)} validation "
            "images stop it and choose temperature and set threshold; figures of "
            f"{split['kind']}; intervals from 1,000 bootstrap draws over groups "
            f"({grouped.basis})"
        ),
    ) | {
        "chosen": {"temperature": chosen.temperature, "set_threshold": chosen.threshold},
        "training_images": sorted({digest[:16] for digest in parts.train.file_hashes()}),
    }
    _write(out, description, outcome)
    (out / "checkpoints" / "resume.pt").unlink(missing_ok=True)
    return outcome


def crossval_steps(
    recipe: Recipe,
    build: Build,
    data: LabelledImages,
    out: Path | None,
    options: RunOptions,
    *,
    resume: bool = False,
    tune: Tune | None = None,
) -> Outcome:
    """Cross-validate a recipe: each fold trains anew, and chooses inside its training part.

    Args:
        recipe: with steps; its protocol says folds, repeats and seed.
        build: makes its system.
        data: labelled images; those of the split ``test`` stay unseen.
        out: the run directory; holds the finished folds while others run. A temporary
            one if omitted.
        options: how to run, on one device.
        resume: keep the folds that are finished, and go on with the one that is not.
        tune: chooses a fold's recipe from its training part alone, such as a search.

    Raises:
        EvocaError: the data, the recipe or the folder cannot be used.
        KeyboardInterrupt: stopped on request, after saving.
    """
    prepared = prepare(data, recipe)
    for note in prepared.notes:
        options.say(f"evoca: {note}")
    seen = prepared.images
    protocol = recipe.protocol
    shape = (protocol.repeats, len(seen))
    labels = len(seen.labels)
    probabilities, felt = np.empty((*shape, labels)), np.full((*shape, 2), np.nan)
    thresholds, folds = np.empty(shape), np.empty(shape, dtype=np.int64)
    with _folder(out, resume=resume) as folder:
        for repeat in range(protocol.repeats):
            folds[repeat] = folds_of(
                strata(seen), seen.groups, protocol.folds, protocol.seed + repeat
            )
            for number in range(protocol.folds):
                held_out = folds[repeat] == number
                name = f"repeat {repeat + 1}, " if protocol.repeats > 1 else ""
                fold = _Fold(
                    recipe,
                    build,
                    seen,
                    held_out,
                    protocol.seed + repeat,
                    folder / "folds" / f"r{repeat}f{number}",
                    options=_named(options, f"{name}fold {number + 1}/{protocol.folds}: "),
                    tune=tune,
                )
                answers, chosen = fold.run()
                probabilities[repeat, held_out] = softmax(answers[:, :labels], chosen.temperature)
                if answers.shape[1] > labels:
                    felt[repeat, held_out] = answers[:, labels:]
                thresholds[repeat, held_out] = chosen.threshold
        outcome = outcome_of(
            seen, probabilities, thresholds, folds, None if np.isnan(felt).any() else felt
        )
        description = run_description("cross-validation", recipe, prepared)
        _write(folder, description, outcome)
        _gather_histories(folder)
        shutil.rmtree(folder / "folds")
    return outcome


@dataclass(frozen=True)
class _Fold:
    """One fold of a cross-validation; finished, it is a file of a few numbers."""

    recipe: Recipe
    build: Build
    data: LabelledImages
    held_out: NDArray[np.bool_]
    seed: int
    folder: Path
    options: RunOptions
    tune: Tune | None

    def run(self) -> tuple[NDArray[np.float32], Chosen]:
        """Return the answers to the held-out images, and what the fold chose."""
        inside = self.data.take(~self.held_out)
        recipe = self.recipe if self.tune is None else self.tune(inside, self.folder / "search")
        train, validation = cut_validation(inside, recipe.protocol.validation, self.seed)
        identity = identity_of(recipe, train, validation)
        done = self.folder / "fold.npz"
        if done.is_file():
            return _read_fold(done, identity)
        task = Task(recipe.steps, recipe.preprocessing, train, validation, self.seed, identity)
        system = self.build(recipe, self.data.labels, self.seed)
        fit(system, task, self.folder, self.options, resume=True)

        last, labels = recipe.steps[-1], len(self.data.labels)

        def answers_to(images: LabelledImages) -> NDArray[np.float32]:
            return predict_answers(system, last, images, recipe.preprocessing, self.options)

        chosen = choose(
            answers_to(validation)[:, :labels], validation, last, recipe.protocol.coverage
        )
        answers = answers_to(self.data.take(self.held_out))
        _write_fold(done, answers, chosen, identity)
        shutil.rmtree(self.folder / "checkpoints")
        return answers, chosen


def _write_fold(
    file: Path, answers: NDArray[np.float32], chosen: Chosen, identity: Identity
) -> None:
    draft = file.with_name(".fold.npz")
    about = json.dumps({"identity": asdict(identity), "chosen": asdict(chosen)})
    np.savez(draft, answers=answers, about=np.frombuffer(about.encode(), dtype=np.uint8))
    draft.replace(file)


def _read_fold(file: Path, identity: Identity) -> tuple[NDArray[np.float32], Chosen]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            answers, about = arrays["answers"], json.loads(arrays["about"].tobytes())
        found, chosen = Identity(**about["identity"]), Chosen(**about["chosen"])
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{file}: damaged: remove it, and the fold is trained anew"
        ) from error
    if found != identity:
        raise CheckpointError(
            f"{file}: the fold of another recipe, other images or another version of Evoca: "
            "go on with the same, or start anew elsewhere"
        )
    return answers, chosen


def _felt(answers: NDArray[np.float32], labels: int) -> NDArray[np.float64] | None:
    """Return valence and arousal (R, n, 2) of answers (R, n, K or K + 2)."""
    felt = answers[..., labels:].astype(np.float64)
    return felt if felt.shape[-1] else None


@contextmanager
def _folder(out: Path | None, *, resume: bool) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="evoca-") as folder:
            yield Path(folder)
        return
    _require_fresh(out, resume=resume)
    yield out


def _require_fresh(out: Path, *, resume: bool) -> None:
    if (out / "run.json").is_file():
        raise EvocaError(f"{out}: a finished run: nothing is left to do; name another")
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EvocaError(f"{out}: exists already; add --resume to go on with it, or name another")


def _named(options: RunOptions, prefix: str) -> RunOptions:
    def announce(name: str, total: int) -> Callable[[int], None]:
        return shown(prefix + name, total)

    shown: Announce = options.announce
    say = options.say
    return replace(options, announce=announce, say=lambda line: say(prefix + line))


def identity_of(recipe: Recipe, *images: LabelledImages) -> Identity:
    """Fingerprint what decides the weights: the recipe, and the images in their order."""
    content = recipe.model_dump(mode="json")
    deciding = {key: content[key] for key in sorted(content) if key not in _NAMES}
    digest = hashlib.sha256()
    for part in images:
        digest.update(part.fingerprint().encode())
        digest.update("\0".join(part.names).encode())
    recipe_digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
    return Identity(recipe_digest, digest.hexdigest())


def _write(folder: Path, description: dict[str, Any], outcome: Outcome) -> None:
    """Write the run; ``run.json`` comes last, since it says that the run is complete."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(folder / "predictions.csv", outcome.predictions)
        write_json(folder / "metrics.json", outcome.figures())
        draft = folder / ".run.json"
        write_json(draft, description)
        draft.replace(folder / "run.json")
    except OSError as error:
        raise EvocaError(f"{folder}: cannot be written: {error.strerror}") from error


def _gather_histories(folder: Path) -> None:
    """Join the folds' histories into one, with a column that names the fold."""
    lines: list[str] = []
    for file in sorted((folder / "folds").glob("*/history.csv")):
        header, *rows = file.read_text(encoding="utf-8").splitlines()
        lines = lines or [f"fold,{header}"]
        lines += [f"{file.parent.name},{row}" for row in rows]
    (folder / "history.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
