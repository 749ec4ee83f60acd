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
from evoca.lab.experiments.finetune_fold import (
    Build,
    Fold,
    Found,
    Seen,
    Tune,
    validation_figures,
)
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
    """Return the scores of a cross-validation: each fold trains, and chooses, inside its part.

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
    found = _HeldOut(seen, _places(seen, recipe, leave_out))
    with _folder(out, resume=resume) as folder:
        for repeat, number in found.folds():
            name = found.name_of(repeat, number)
            fold = Fold(
                recipe,
                build,
                seen,
                found.places[repeat] == number,
                recipe.protocol.seed + repeat,
                folder / "folds" / f"r{repeat}f{number}",
                division=prepared.division["group_sha256"],
                options=_named(options, f"{name}: "),
                tune=tune,
            )
            found.add(repeat, number, fold.run())
        result = found.result(recipe, prepared.notes)
        description = run_description("cross-validation", recipe, prepared, leave_out=leave_out)
        description["chosen_in_folds"] = found.choices
        if seen.teaching is not None:
            result = found.with_sources(result, leave_out, options.say)
        write_result(folder, description, result)
        _gather_histories(folder)
        shutil.rmtree(folder / "folds")
    return result


class _HeldOut:
    """What the folds predict of the images that each holds out.

    Attributes:
        places: int (R, n), the fold of each image in each repeat; -1 where it is never held out.
        choices: what each fold chose, in order.
    """

    def __init__(self, seen: LabelledImages, places: NDArray[np.int64]) -> None:
        self.places = places
        self.choices: list[dict[str, Any]] = []
        self._seen = seen
        self._on_validation: list[Seen] = []
        shape = places.shape
        self._probabilities = np.full((*shape, len(seen.labels)), np.nan)
        self._thresholds, self._temperatures = np.full(shape, np.nan), np.full(shape, np.nan)
        self._affect, self._widths = np.full((*shape, 2), np.nan), np.full((*shape, 2), np.nan)
        self._known = places[0] >= 0

    def folds(self) -> Iterator[tuple[int, int]]:
        """Yield the repeat and the number of every fold."""
        for repeat, folds in enumerate(self.places):
            for number in range(int(folds.max()) + 1):
                yield repeat, number

    def name_of(self, repeat: int, number: int) -> str:
        """Return a fold in words, for lines on progress."""
        of = int(self.places[repeat].max()) + 1
        before = f"repeat {repeat + 1}, " if len(self.places) > 1 else ""
        return f"{before}fold {number + 1}/{of}"

    def add(self, repeat: int, number: int, trained: Found) -> None:
        """Take in what a fold computed."""
        labels, held_out = len(self._seen.labels), self.places[repeat] == number
        found, chosen = trained.predictions, trained.chosen
        self.choices.append(choice_in_fold(repeat, number, chosen))
        self._on_validation.append(trained.seen)
        probabilities = softmax(found[:, :labels], chosen.temperature)
        self._probabilities[repeat, held_out] = probabilities
        if (own := affect_in(found, labels)) is not None:
            self._affect[repeat, held_out] = own
            if chosen.affect_errors is not None:
                self._widths[repeat, held_out] = chosen.affect_errors
        self._thresholds[repeat, held_out] = chosen.threshold
        self._temperatures[repeat, held_out] = chosen.temperature

    def result(self, recipe: Recipe, notes: tuple[str, ...]) -> Result:
        """Return what all folds score."""
        known, rated = self._known, self._rated
        predictions = RepeatedPredictions(
            self._probabilities[:, known],
            self.places[:, known],
            self._thresholds[:, known],
            self._temperatures[:, known],
            None if rated is None else rated[:, known],
        )
        seen, coverage = self._seen.take(known), recipe.protocol.coverage
        return replace(
            result_of(seen, predictions, coverage, notes=notes),
            chosen_in_folds=tuple(self.choices),
            validation=validation_figures(self._on_validation, self._seen.labels),
        )

    def with_sources(
        self, result: Result, leave_out: str | None, say: Callable[[str], None]
    ) -> Result:
        """Return a result with the figures of each of several sources."""
        unknown = np.isnan(self._widths[:, self._known]).any()
        return with_figures_by_source(
            result,
            self._seen,
            self._probabilities,
            self._rated,
            None if unknown else self._widths,
            left_out=leave_out,
            say=say,
        )

    @property
    def _rated(self) -> NDArray[np.float64] | None:
        """The predicted valence and arousal, (R, n, 2); ``None`` where a fold predicts none."""
        return None if np.isnan(self._affect[:, self._known]).any() else self._affect


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
