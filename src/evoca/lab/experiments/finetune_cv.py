"""Cross-validate a recipe, each fold trained anew; an interrupted run can be resumed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evoca.data.manifest.labelled import LabelledImages
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.finetune_fold import Build, Fold, Seen, Tune, validation_figures
from evoca.lab.experiments.foldable import require_cuts
from evoca.lab.experiments.holdout import strata
from evoca.lab.experiments.nested_cv import folds_of
from evoca.lab.experiments.operating_point import affect_in
from evoca.lab.experiments.preparation import prepare
from evoca.lab.experiments.results import HeldOut, result_of
from evoca.lab.experiments.run_files import (
    choice_in_fold,
    require_fresh,
    run_description,
    write_result,
)
from evoca.lab.training import RunOptions
from evoca.progress import Advance, Announce
from evoca.runs.result import Result
from evoca.softmax import softmax

__all__ = ["crossval_steps"]


def crossval_steps(
    recipe: Recipe,
    build: Build,
    data: LabelledImages,
    out: Path | None,
    options: RunOptions,
    *,
    resume: bool = False,
    tune: Tune | None = None,
) -> Result:
    """Cross-validate a recipe: each fold trains anew, and chooses inside its training part.

    Args:
        recipe: with steps; its protocol states folds, repeats and seed.
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
    require = partial(require_cuts, recipe=recipe, searched=tune is not None)
    prepared = prepare(data, recipe, require=require)
    for note in prepared.notes:
        options.say(f"evoca: {note}")
    seen = prepared.images
    protocol = recipe.protocol
    shape = (protocol.repeats, len(seen))
    probabilities = np.empty((*shape, len(seen.labels)))
    thresholds, temperatures = np.empty(shape), np.empty(shape)
    folds, affect = np.empty(shape, dtype=np.int64), np.full((*shape, 2), np.nan)
    labels = len(seen.labels)
    choices: list[dict[str, Any]] = []
    on_validation: list[Seen] = []
    with _folder(out, resume=resume) as folder:
        for repeat in range(protocol.repeats):
            folds[repeat] = folds_of(
                strata(seen), seen.groups, protocol.folds, protocol.seed + repeat
            )
            for number in range(protocol.folds):
                held_out = folds[repeat] == number
                name = f"repeat {repeat + 1}, " if protocol.repeats > 1 else ""
                fold = Fold(
                    recipe,
                    build,
                    seen,
                    held_out,
                    protocol.seed + repeat,
                    folder / "folds" / f"r{repeat}f{number}",
                    division=prepared.division["group_sha256"],
                    options=_named(options, f"{name}fold {number + 1}/{protocol.folds}: "),
                    tune=tune,
                )
                trained = fold.run()
                found, chosen = trained.predictions, trained.chosen
                choices.append(choice_in_fold(repeat, number, chosen))
                on_validation.append(trained.seen)
                probabilities[repeat, held_out] = softmax(found[:, :labels], chosen.temperature)
                if (own := affect_in(found, labels)) is not None:
                    affect[repeat, held_out] = own
                thresholds[repeat, held_out] = chosen.threshold
                temperatures[repeat, held_out] = chosen.temperature
        predictions = HeldOut(
            probabilities,
            folds,
            thresholds,
            temperatures,
            None if np.isnan(affect).any() else affect,
        )
        result = replace(
            result_of(seen, predictions, protocol.coverage, notes=prepared.notes),
            chosen_in_folds=tuple(choices),
            validation=validation_figures(on_validation, seen.labels),
        )
        description = run_description("cross-validation", recipe, prepared)
        description["chosen_in_folds"] = choices
        write_result(folder, description, result)
        _gather_histories(folder)
        shutil.rmtree(folder / "folds")
    return result


@contextmanager
def _folder(out: Path | None, *, resume: bool) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="evoca-") as folder:
            yield Path(folder)
        return
    require_fresh(out, resume=resume)
    yield out


def _named(options: RunOptions, prefix: str) -> RunOptions:
    def announce(name: str, total: int) -> Advance:
        return shown(prefix + name, total)

    shown: Announce = options.announce
    say = options.say
    return replace(options, announce=announce, say=lambda line: say(prefix + line))


def _gather_histories(folder: Path) -> None:
    """Join the folds' histories into one, with a column that names the fold."""
    lines: list[str] = []
    for file in sorted((folder / "folds").glob("*/history.csv")):
        header, *rows = file.read_text(encoding="utf-8").splitlines()
        lines = lines or [f"fold,{header}"]
        lines += [f"{file.parent.name},{row}" for row in rows]
    (folder / "history.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
