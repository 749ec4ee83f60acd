"""Search a recipe's settings on validation images, with Optuna; a search can be resumed.

``search`` and ``cross_validate_search`` are the doors; what they do is in ``Searcher``.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from evoca.data.duplicates.groups import with_groups
from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError, EvocaError, MissingExtraError
from evoca.lab.config.base import as_settings
from evoca.lab.config.recipe import Recipe, load_recipe
from evoca.lab.config.search import Choice, Range, Search, short, short_names
from evoca.lab.config.step import Step
from evoca.lab.experiments.finetune_fold import Build
from evoca.lab.experiments.holdout import hold_out, require_parts, usable
from evoca.lab.experiments.labelled import Data, labelled_images
from evoca.lab.experiments.optuna_study import CAUSE, draw, finished, open_study, possible, requeue
from evoca.lab.experiments.run import build, cross_validate
from evoca.lab.training import RunOptions, Task, fit
from evoca.lab.training.checkpoint import HistoryRow, identity_of
from evoca.lab.training.machine import require_available
from evoca.lab.training.step_context import TrainingError
from evoca.runs.provenance import describe_division
from evoca.runs.result import Result

__all__ = ["Found", "Searcher", "Trial", "cross_validate_search", "in_words", "search"]

Variant: TypeAlias = Callable[[list[str]], Recipe]
"""Returns the recipe with some settings, each ``KEY=VALUE``."""


@dataclass(frozen=True)
class Trial:
    """One set of settings that was tried.

    Attributes:
        settings: dotted key to value.
        value: of the metric, on validation images; ``None`` where training failed.
    """

    settings: dict[str, Any]
    value: float | None


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        recipe: with the best settings.
        best: the trial they come from.
        trials: all that are finished, best first, failed ones last.
    """

    recipe: Recipe
    best: Trial
    trials: tuple[Trial, ...]


def search(
    recipe: str | Path,
    data: Data,
    out: str | Path,
    *,
    space: Search | str | Path | None = None,
    trials: int = 20,
    settings: str | Sequence[str] = (),
    profile: str | Path | None = None,
    options: RunOptions | None = None,
    resume: bool = False,
) -> Found:
    """Return the best settings of a recipe on validation images, and every trial.

    Images of the split ``test`` are never read; see :meth:`Searcher.search` for what is written.

    An example that runs stands in ``docs/recipes.md`` under "Searching settings".

    Args:
        recipe: a packaged recipe's name or a file, with steps and no machine after them.
        data: as for :func:`evoca.lab.train`.
        out: folder of the search.
        space: what to try, or a file of it; the recipe's own if omitted.
        trials: how many to finish, counting those of earlier runs in ``out``.
        settings: ``KEY=VALUE`` of the recipe, one or several, the same in all trials.
        profile: packaged changes for a smaller machine.
        options: where and how to run.
        resume: go on with an unfinished search; start where ``out`` is fresh.

    Raises:
        EvocaError: the recipe, the space, the data or the folder cannot be used, or no trial
            could be trained.
        MissingExtraError: imagehash is not installed, so that copies could be on both sides.
        KeyboardInterrupt: stopped on request; the trial goes on where it was.
    """
    options = options or RunOptions()
    chosen = load_recipe(recipe, settings, profile)
    variant = _variant(recipe, settings, profile)
    searcher = Searcher(variant, chosen.search_space(space), build, options, trials)
    return searcher.search(labelled_images(data, options.say, chosen), out, resume=resume)


def cross_validate_search(
    recipe: str | Path,
    data: Data,
    out: str | Path | None = None,
    *,
    space: Search | str | Path | None = None,
    trials: int = 20,
    settings: str | Sequence[str] = (),
    profile: str | Path | None = None,
    options: RunOptions | None = None,
    resume: bool = False,
) -> Result:
    """Return what a search scores: a cross-validation with one search inside each fold.

    An example stands beside that of :func:`search`, in docs/recipes.md.

    Args:
        recipe: as for :func:`search`; its protocol states folds, repeats and seed.
        data: as for :func:`search`.
        out: the run directory; nothing is stored if omitted.
        space: as for :func:`search`.
        trials: how many to finish in each fold.
        settings: as for :func:`search`.
        profile: as for :func:`search`.
        options: where and how to run.
        resume: go on with an unfinished run.

    Raises:
        EvocaError: the recipe, the space, the data or the folder cannot be used, or no trial of
            a fold could be trained.
        KeyboardInterrupt: stopped on request, after saving.
    """
    options = options or RunOptions()
    chosen = load_recipe(recipe, settings, profile)
    variant = _variant(recipe, settings, profile)
    searcher = Searcher(variant, chosen.search_space(space), build, options, trials)
    return cross_validate(chosen, data, out, options=options, resume=resume, tune=searcher.tune)


def _variant(
    recipe: str | Path, settings: str | Sequence[str], profile: str | Path | None
) -> Variant:
    own = as_settings(settings)
    return lambda tried: load_recipe(recipe, [*own, *tried], profile)


@dataclass(frozen=True)
class Searcher:
    """Tries settings, each trained and scored on the same validation images.

    Attributes:
        variant: returns the recipe with some settings.
        space: what to try.
        build: makes the system of a recipe.
        options: how to run.
        trials: how many to finish, counting those of earlier runs.
    """

    variant: Variant
    space: Search
    build: Build
    options: RunOptions
    trials: int

    def tune(self, data: LabelledImages, folder: Path) -> Recipe:
        """Return the recipe chosen inside a fold, whose images are in groups already.

        See :data:`evoca.lab.experiments.finetune_fold.Tune`.
        """
        self._require(folder, resume=True)
        return self._search(data, folder).recipe

    def search(self, data: LabelledImages, out: str | Path, *, resume: bool = False) -> Found:
        """Return what a search in a folder found.

        Images of the split ``test`` are never read. Near copies stay together where
        validation images are cut off; where the data names them, copies between them and
        training images are counted and reported. Writes ``study.db`` (Optuna's, in SQLite),
        ``trials.csv`` and ``best.yaml``, a recipe.

        Args:
            data: labelled images.
            out: folder of the search.
            resume: go on with an unfinished search; start where ``out`` is fresh.

        Raises:
            EvocaError: a setting does not fit the recipe, the folder holds something
                else, or no trial could be trained.
            MissingExtraError: imagehash is not installed, so that copies could be on both sides.
            KeyboardInterrupt: stopped on request; the trial goes on where it was.
        """
        out = Path(out)
        self._require(out, resume=resume)
        plain = self.variant([])
        seen = usable(data.take(data.split != "test").in_order(), plain)
        _require_labels(plain, self.space, seen)
        require_parts(seen, plain.protocol.validation)
        grouped = with_groups(seen)
        if not grouped.near:
            raise MissingExtraError("keeping near-duplicates together", "train", "imagehash")
        parts = hold_out(grouped.images, plain.protocol.validation, plain.protocol.seed, plain)
        for note in parts.chosen_by_copies():
            self.options.say(f"evoca: {note}")
        return self._search(grouped.images, out)

    def _require(self, out: Path, *, resume: bool) -> None:
        """Refuse a folder in use, and settings that do not fit, before anything takes long."""
        require_available(self.options)
        if not resume and out.exists() and any(out.iterdir()):
            raise EvocaError(
                f"{out}: exists already; add --resume to go on with it, or name another"
            )
        for settings in _examples(self.space):
            self.variant(_overrides(settings))

    def _search(self, data: LabelledImages, out: Path) -> Found:
        """Return what a search on images in groups found."""
        seen = data.take(data.split != "test").in_order()
        plain = self.variant([])
        _require_labels(plain, self.space, seen)
        hold_out(seen, plain.protocol.validation, plain.protocol.seed, plain)
        out.mkdir(parents=True, exist_ok=True)
        division = describe_division(usable(seen, plain))
        about = _fingerprint(plain, self.space, seen)
        study = open_study(out, self.space, about, division, plain.protocol.seed)
        requeue(study)
        count = min(self.trials, possible(self.space))
        while (done := len(finished(study))) < count:
            trial = study.ask()
            self._try(study, trial, seen, out / "trials")
            ended = _trial(study.get_trials()[trial.number], self.space)
            self.options.say(f"trial {done + 1}/{count}: {in_words(ended, self.space)}")
        return _conclude(study, self.variant, self.space, out)

    def _try(
        self, study: optuna.Study, trial: optuna.Trial, data: LabelledImages, folder: Path
    ) -> None:
        settings = draw(trial, self.space)
        recipe = self.variant(_overrides(settings))
        # Named by its settings, so that an interrupted trial is resumed.
        name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
        try:
            value = _train(recipe, self.space, self.build, data, folder / name, self.options)
        except TrainingError as error:  # such as a rate too high, which is a finding
            trial.set_user_attr(CAUSE, str(error))
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, value)


def _train(
    recipe: Recipe,
    space: Search,
    build: Build,
    data: LabelledImages,
    folder: Path,
    options: RunOptions,
) -> float:
    """Train one trial, or go on with it, and return its value on the validation images."""
    seed = recipe.protocol.seed
    parts = hold_out(data, recipe.protocol.validation, seed, recipe)
    identity = identity_of(recipe, parts.train, parts.validation)
    task = Task.of(recipe, parts.train, parts.validation, seed, identity)
    fitted = fit(build(recipe, parts.train.labels, seed), task, folder, options, resume=True)
    shutil.rmtree(folder / "checkpoints")
    return _best_value(fitted.history, recipe.steps[-1], space.metric)


def _best_value(history: list[HistoryRow], step: Step, metric: str) -> float:
    """Return the metric of the epoch whose weights the last step returns."""
    rows = [row for row in history if row["step"] == step.name]
    if step.stop is None or step.stop.keep == "last":
        return float(rows[-1][f"val_{metric}"])
    stop_metric = step.stop.metric
    sign = -1 if stop_metric == "loss" else 1
    best = max(rows, key=lambda row: sign * float(row[f"val_{stop_metric}"]))
    return float(best[f"val_{metric}"])


def _trial(trial: FrozenTrial, space: Search) -> Trial:
    settings = {
        key: json.loads(value) if isinstance(space.settings[key], Choice) else value
        for key, value in trial.params.items()
    }
    return Trial(settings, trial.value if trial.state == TrialState.COMPLETE else None)


def in_words(trial: Trial, space: Search) -> str:
    """Return a trial as one line of text."""
    names = short_names(list(trial.settings))
    values = map(short, trial.settings.values())
    settings = ", ".join(f"{n}={value}" for n, value in zip(names, values, strict=True))
    if trial.value is None:
        return f"failed  {settings}"
    return f"validation {space.metric} {trial.value:.4f}  {settings}"


def _conclude(study: optuna.Study, variant: Variant, space: Search, out: Path) -> Found:
    sign = 1 if space.metric == "loss" else -1
    trials = [_trial(trial, space) for trial in finished(study)]
    trials.sort(key=lambda trial: math.inf if trial.value is None else sign * trial.value)
    best = trials[0]
    if best.value is None:
        raise EvocaError(f"{out}: no trial could be trained: give smaller rates")
    recipe = variant(_overrides(best.settings))
    _write_trials(out / "trials.csv", trials, space)
    content = recipe.model_dump(mode="json", exclude={"search"})
    (out / "best.yaml").write_text(
        yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    return Found(recipe, best, tuple(trials))


def _write_trials(file: Path, trials: Sequence[Trial], space: Search) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([f"val_{space.metric}", *space.settings])
        for trial in trials:
            value = "" if trial.value is None else f"{trial.value:.6g}"
            writer.writerow([value, *(json.dumps(trial.settings[key]) for key in space.settings)])


def _examples(space: Search) -> Iterator[dict[str, Any]]:
    """Yield settings that cover every value of every choice, and both ends of every range."""
    values = {key: _ends(what) for key, what in space.settings.items()}
    for number in range(max(map(len, values.values()))):
        yield {key: own[number % len(own)] for key, own in values.items()}


def _ends(what: Choice | Range) -> Sequence[Any]:
    if isinstance(what, Choice):
        return what.values
    return [round(end) if what.whole else end for end in (what.low, what.high)]


def _require_labels(recipe: Recipe, space: Search, data: LabelledImages) -> None:
    if space.metric != "loss" and not (usable(data, recipe).truth >= 0).any():
        raise DataError(
            f"{recipe.name}: nothing it learns from has an emotion, so there is no "
            f"{space.metric} to search by: set metric: loss in the search's file"
        )


def _overrides(settings: Mapping[str, Any]) -> list[str]:
    return [f"{key}={json.dumps(value)}" for key, value in settings.items()]


def _fingerprint(recipe: Recipe, space: Search, data: LabelledImages) -> str:
    identity = identity_of(recipe, data)
    about = [identity.recipe, identity.data, space.model_dump_json()]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()
