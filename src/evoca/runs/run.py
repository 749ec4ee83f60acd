"""A run that is read: its description, its predictions and its scores."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evoca.errors import DataError, EvocaError, first_line
from evoca.images import printable_name
from evoca.metrics.result import SCHEMA_VERSION, Figure, Report
from evoca.runs.directory import RUN_VERSION, find_runs, read_json
from evoca.runs.predictions import Predictions, read_predictions
from evoca.runs.result import Result
from evoca.runs.robustness import ROBUSTNESS_FILE, RobustnessResult, read_robustness
from evoca.runs.schema import Description, Metrics, Scores, require

__all__ = ["Run", "finished_run", "read_run", "read_runs"]

_TABLE_SUFFIXES = {".csv", ".parquet", ".jsonl", ".json"}
_LONGEST = 1e9  # minutes of an epoch
_TABLES = ("predictions.parquet", "predictions.csv")


@dataclass(frozen=True)
class Run:
    """A run directory; its tables are read when they are first used.

    Attributes:
        path: the directory.
        description: the content of ``run.json``.
    """

    path: Path
    description: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The directory's own name, printable."""
        return printable_name(self.path.resolve().name)

    @property
    def recipe(self) -> str:
        """Name of the recipe, or of the model that was evaluated; empty if not recorded."""
        recipe = self.description.get("recipe")
        if isinstance(recipe, Mapping):
            return str(recipe.get("name", ""))
        return str(self.description.get("model", ""))

    @cached_property
    def predictions(self) -> Predictions:
        """The predictions.

        Raises:
            DataError: missing, or not a table of predictions.
        """
        for table in _TABLES:
            if (self.path / table).is_file():
                labels = self.description.get("labels")
                return read_predictions(self.path / table, labels)
        raise DataError(f"{printable_name(self.path)}: no {' or '.join(_TABLES)}")

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """The content of ``metrics.json``, of any version, under the current keys.

        Raises:
            EvocaError: missing, not JSON, of a newer version, or not figures.
        """
        file = self.path / "metrics.json"
        found = read_json(file)
        version = found.get("schema_version", SCHEMA_VERSION)
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise DataError(
                f"{printable_name(file)}: schema_version {version!r}; this Evoca reads up to "
                f"{SCHEMA_VERSION}: install a newer one"
            )
        require(Metrics, found, file, "the figures of a run")
        return Scores.completed(found)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its figures must know; shown wherever they are.

        Raises:
            EvocaError: ``metrics.json`` is damaged.
        """
        there = (self.path / "metrics.json").is_file()
        measured = self.metrics.get("notes") if there else None
        notes = measured if isinstance(measured, list) else self.description.get("notes")
        return tuple(map(str, notes)) if isinstance(notes, list) else ()

    @cached_property
    def report(self) -> Report:
        """The figures.

        Raises:
            EvocaError: missing or not the figures of a run.
        """
        metrics = self.metrics
        with self._complete():
            return Report.from_dict(metrics)

    @cached_property
    def result(self) -> Result:
        """All scores, and the predictions they are of.

        Raises:
            EvocaError: missing or not the scores of a run.
        """
        metrics, predictions = self.metrics, self.predictions
        with self._complete():
            return Result.from_dict(metrics, predictions)

    @contextmanager
    def _complete(self) -> Iterator[None]:
        """Say in words what content lacks, which has the types that it should have."""
        try:
            yield
        except KeyError as error:
            reason = f"{error.args[0]} is missing"
        except (TypeError, ValueError, AttributeError) as error:
            reason = first_line(error)
        else:
            return
        file = printable_name(self.path / "metrics.json")
        raise DataError(f"{file}: not the figures of a run: {reason}")

    @cached_property
    def validation(self) -> Mapping[str, Figure]:
        """Figures of the images that stopped the training and chose; empty if not recorded.

        Raises:
            EvocaError: ``metrics.json`` is missing or damaged.
        """
        split = self.description.get("split")
        if isinstance(split, Mapping) and split.get("name") == "val":
            return self.report.figures  # evaluated on them
        found = self.metrics.get("validation")
        try:
            return {
                name: Figure.from_dict(entry)
                for name, entry in (found.items() if isinstance(found, Mapping) else ())
                if isinstance(entry, Mapping) and "ci95" in entry
            }
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{printable_name(self.path / 'metrics.json')}: validation: not figures ({error})"
            ) from error

    @property
    def chosen_c(self) -> tuple[float, ...]:
        """Each C that was chosen, smallest first; empty where no head has one."""
        chosen = self.description.get("chosen")
        folds = self.description.get("chosen_in_folds")
        # The figures of a cross-validation are of the heads of its folds, even if a last one
        # is fitted on all images.
        choices = folds if isinstance(folds, list) and folds else [chosen]
        found = {c.get("c") for c in choices if isinstance(c, Mapping)}
        return tuple(sorted(float(c) for c in found if isinstance(c, int | float)))

    @cached_property
    def robustness(self) -> RobustnessResult | None:
        """The robustness test of its model; ``None`` without one.

        Raises:
            DataError: ``probe.json`` is not the result of a robustness test.
        """
        file = self.path / ROBUSTNESS_FILE
        return read_robustness(file) if file.is_file() else None

    @cached_property
    def history(self) -> tuple[Mapping[str, str], ...]:
        """The rows of ``history.csv``, one per epoch; empty where the run has none.

        Raises:
            DataError: not a table of epochs.
        """
        file = self.path / "history.csv"
        if not file.is_file():
            return ()
        try:
            with file.open(encoding="utf-8", newline="") as stream:
                rows = tuple(csv.DictReader(stream))
            for row in rows:
                if None in row:
                    raise ValueError("a row has more cells than the header")
                if not 0 <= float(row.get("minutes") or 0) < _LONGEST:
                    raise ValueError(f"minutes: {row['minutes']}")
        except (OSError, ValueError, csv.Error) as error:
            raise DataError(f"{printable_name(file)}: not a table of epochs: {error}") from error
        return rows


def read_run(path: Path | str) -> Run:
    """Return the run in a directory.

    Raises:
        EvocaError: no such directory, no ``run.json`` in it, or one of a newer version.
    """
    path = Path(path)
    if path.is_file() and path.suffix.lower() in _TABLE_SUFFIXES:
        raise DataError(
            f"{printable_name(path)}: a table, not a run directory: make one of its predictions "
            "with evoca evaluate TABLE --data DATA --out RUN"
        )
    if (path / "model.json").is_file() and not (path / "run.json").is_file():
        raise DataError(
            f"{printable_name(path)}: a model bundle, not a run directory: make one of its "
            "predictions with evoca evaluate BUNDLE --data DATA --out RUN"
        )
    if not path.is_dir():
        raise DataError(f"{printable_name(path)}: no such run directory")
    description = read_json(path / "run.json")
    version = description.get("run_version")
    if not isinstance(version, int) or version > RUN_VERSION:
        raise DataError(
            f"{printable_name(path / 'run.json')}: run_version {version!r}; this Evoca reads up "
            f"to {RUN_VERSION}: install a newer one"
        )
    require(Description, description, path / "run.json", "the description of a run")
    return Run(path, description)


def read_runs(places: Iterable[Path | str]) -> tuple[list[Run], list[EvocaError]]:
    """Return the runs of some folders, each once, and an error for each damaged one.

    Args:
        places: run directories, and folders of them.

    Raises:
        DataError: a place is no folder.
    """
    runs: list[Run] = []
    damaged: list[EvocaError] = []
    for path in dict.fromkeys(run for place in places for run in find_runs(place)):
        try:
            run = read_run(path)
            _ = run.report
        except EvocaError as error:
            damaged.append(error)
        else:
            runs.append(run)
    return runs, damaged


def finished_run(path: Path | str) -> Run | None:
    """Return the finished run of a directory; ``None`` where there is none.

    Raises:
        EvocaError: its ``run.json`` cannot be read, or is of a newer version.
    """
    return read_run(path) if (Path(path) / "run.json").is_file() else None
