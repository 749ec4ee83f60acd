"""Cross-validate a recipe, each fold trained anew; an interrupted run can be resumed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.labelled import LabelledImages
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.finetune_fold import Build, Fold, Seen, Tune, validation_figures
from evoca.lab.experiments.foldable import require_cuts
from evoca.lab.experiments.holdout import in_source, of_first_source, strata
from evoca.lab.experiments.nested_cv import folds_of
from evoca.lab.experiments.operating_point import affect_in
from evoca.lab.experiments.preparation import prepare
from evoca.lab.experiments.results import RepeatedPredictions, result_of
from evoca.lab.experiments.run_files import (
    choice_in_fold,
    require_fresh,
    run_description,
    write_result,
)
from evoca.lab.experiments.several_sources import with_figures_by_source
from evoca.lab.experiments.source_folds import source_folds
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
    leave_out: str | None = None,
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
        leave_out: name of one of several sources, to be predicted once in place of folds.

    Raises:
        EvocaError: the data, the recipe or the folder cannot be used.
        KeyboardInterrupt: stopped on request, after saving.
    """
    require: Callable[[LabelledImages, bool], None]
    require = partial(require_cuts, recipe=recipe, searched=tune is not None)
    if data.teaching is not None:
        require = of_first_source(partial(require_cuts, recipe=recipe), data, leave_out)
    prepared = prepare(data, recipe, require=require)
    for note in prepared.notes:
        options.say(f"evoca: {note}")
    seen = prepared.images
    protocol = recipe.protocol
    places = _places(seen, recipe, leave_out)
    shape = places.shape
    probabilities = np.full((*shape, len(seen.labels)), np.nan)
    thresholds, temperatures = np.full(shape, np.nan), np.full(shape, np.nan)
    affect, widths = np.full((*shape, 2), np.nan), np.full((*shape, 2), np.nan)
    labels = len(seen.labels)
    choices: list[dict[str, Any]] = []
    on_validation: list[Seen] = []
    with _folder(out, resume=resume) as folder:
        for repeat, folds in enumerate(places):
            for number in range(int(folds.max()) + 1):
                held_out = folds == number
                name = f"repeat {repeat + 1}, " if len(places) > 1 else ""
                fold = Fold(
                    recipe,
                    build,
                    seen,
                    held_out,
                    protocol.seed + repeat,
                    folder / "folds" / f"r{repeat}f{number}",
                    division=prepared.division["group_sha256"],
                    options=_named(options, f"{name}fold {number + 1}/{int(folds.max()) + 1}: "),
                    tune=tune,
                )
                trained = fold.run()
                found, chosen = trained.predictions, trained.chosen
                choices.append(choice_in_fold(repeat, number, chosen))
                on_validation.append(trained.seen)
                probabilities[repeat, held_out] = softmax(found[:, :labels], chosen.temperature)
                if (own := affect_in(found, labels)) is not None:
                    affect[repeat, held_out] = own
                    if chosen.affect_errors is not None:
                        widths[repeat, held_out] = chosen.affect_errors
                thresholds[repeat, held_out] = chosen.threshold
                temperatures[repeat, held_out] = chosen.temperature
        known = places[0] >= 0
        rated = None if np.isnan(affect[:, known]).any() else affect
        predictions = RepeatedPredictions(
            probabilities[:, known],
            places[:, known],
            thresholds[:, known],
            temperatures[:, known],
            None if rated is None else rated[:, known],
        )
        result = replace(
            result_of(seen.take(known), predictions, protocol.coverage, notes=prepared.notes),
            chosen_in_folds=tuple(choices),
            validation=validation_figures(on_validation, seen.labels),
        )
        description = run_description("cross-validation", recipe, prepared, leave_out=leave_out)
        description["chosen_in_folds"] = choices
        if seen.teaching is not None:
            result = with_figures_by_source(
                result,
                seen,
                probabilities,
                rated,
                None if np.isnan(widths[:, known]).any() else widths,
                left_out=leave_out,
                say=options.say,
            )
        write_result(folder, description, result)
        _gather_histories(folder)
        shutil.rmtree(folder / "folds")
    return result


def _places(seen: LabelledImages, recipe: Recipe, leave_out: str | None) -> NDArray[np.int64]:
    """Return the fold of each image in each repeat, (R, n); -1 where it is never held out."""
    protocol = recipe.protocol
    if leave_out is not None:
        return np.where(in_source(seen, leave_out), 0, -1)[None]
    seeds = [protocol.seed + repeat for repeat in range(protocol.repeats)]
    if seen.teaching is not None:
        return np.stack([source_folds(seen, protocol.folds, seed) for seed in seeds])
    kinds = strata(seen)
    return np.stack([folds_of(kinds, seen.groups, protocol.folds, seed) for seed in seeds])


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
