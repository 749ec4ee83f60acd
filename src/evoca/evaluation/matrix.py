"""Every system evaluated on every data set.

``fill_matrix`` is the door. Its rows are models (:func:`model_rows`), or recipes trained on
each data set (:func:`evoca.lab.trained_rows`); its columns are data sets (:func:`named_data`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evoca.data.duplicates.groups import group_copies
from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.errors import DataError, EvocaError
from evoca.evaluation.evaluate import evaluate_system, write_evaluation
from evoca.evaluation.selection import Options
from evoca.evaluation.systems import System, open_system
from evoca.images import printable_name
from evoca.metrics import Figure
from evoca.progress import Announce, silent
from evoca.runs import new_run, read_run, write_json
from evoca.runs.provenance import code_version, describe_division

__all__ = [
    "Cell",
    "Matrix",
    "Row",
    "fill_matrix",
    "model_rows",
    "named_data",
    "without_copies",
]

_SCHEMA_VERSION = 1


@dataclass(frozen=True, eq=False)
class Row:
    """A system to evaluate on every data set.

    Attributes:
        name: where several rows have the same one, the matrix numbers them.
        system: what is evaluated.
        learnt_from: the images it was trained on; their copies elsewhere are left out.
        measured: column to the figures that are already known, those of the data it was
            trained on.
        protocol: of these: ``cross-validated``, ``tested`` on held-out images, or
            ``validation`` where they are of images that chose the settings.
    """

    name: str
    system: System
    learnt_from: LabelledImages | None = None
    measured: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    protocol: str = "cross-validated"


@dataclass(frozen=True)
class Cell:
    """One system on one data set.

    Attributes:
        row: name of the system.
        column: name of the data set.
        protocol: ``evaluated``, ``cross-validated``, ``tested`` or ``validation``.
        figures: as ``evaluate --format json`` prints them.
        copies: images left out since the system learnt from a copy.
    """

    row: str
    column: str
    protocol: str
    figures: Mapping[str, Any]
    copies: int = 0

    def figure(self, metric: str) -> Figure | None:
        """Return one figure; ``None`` where the labels do not define it."""
        entry = self.figures.get(metric)
        return Figure.from_dict(entry) if isinstance(entry, Mapping) and "ci95" in entry else None

    @property
    def seen(self) -> int:
        """The number of images that the system has learnt from."""
        return int(self.figures.get("training_images") or 0)

    @property
    def seen_copies(self) -> int:
        """The number of other images that are copies of training or validation images."""
        keys = "copies_of_training_images", "copies_of_validation_images"
        return sum(int(self.figures.get(key) or 0) for key in keys)


@dataclass(frozen=True)
class Matrix:
    """All cells of the matrix, row by row."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[Cell, ...]

    def require_figure(self, metric: str) -> None:
        """Refuse a figure that no cell has.

        Raises:
            DataError: none has it; the message names those that are there.
        """
        if not any(cell.figure(metric) for cell in self.cells):
            have = sorted({k for cell in self.cells for k in cell.figures if cell.figure(k)})
            raise DataError(f"no figure {metric!r} here; there are: {', '.join(have)}")

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``matrix --format json`` prints."""
        return {
            "schema_version": _SCHEMA_VERSION,
            "rows": list(self.rows),
            "columns": list(self.columns),
            "cells": [asdict(cell) for cell in self.cells],
        }


def named_data(data: Sequence[str | Path]) -> dict[str, LabelledImages]:
    """Return the labelled images of each data set, by the name of its file or folder.

    Args:
        data: manifests, or folders of class folders; images may be missing.

    Raises:
        DataError: one cannot be read, or two have the same name.
    """
    columns: dict[str, LabelledImages] = {}
    for path in map(Path, data):
        name = path.resolve().stem or str(path)
        if name in columns:
            name = f"{path.resolve().parent.name}/{name}"
        if name in columns:
            raise DataError(f"{path}: given twice, or named like another data set")
        columns[name] = load_labelled(path, require_files=False)
    return columns


def model_rows(models: Sequence[str | Path]) -> list[Row]:
    """Return a row for each model.

    Args:
        models: bundled models by name, bundle directories, or tables of predictions.

    Raises:
        EvocaError: one cannot be opened.
    """
    return [Row(system.name, system) for system in map(open_system, models)]


def fill_matrix(
    rows: Sequence[Row],
    columns: Mapping[str, LabelledImages],
    options: Options | None = None,
    out: str | Path | None = None,
    announce: Announce = silent,
) -> Matrix:
    """Return the matrix of every row evaluated on every column.

    An example that runs stands in ``docs/recipes.md`` under "Searching settings".

    Args:
        rows: the systems, see :func:`model_rows` and :func:`evoca.lab.trained_rows`.
        columns: name to labelled images, see :func:`named_data`.
        options: of every evaluation.
        out: folder for one run directory per evaluation; those that exist are not
            computed again.
        announce: shows the progress of each cell.

    Raises:
        EvocaError: a cell cannot be evaluated, or ``out`` has another one in its place.
    """
    options, rows = options or Options(), _named_apart(rows)
    cells = []
    for row in rows:
        for name, data in columns.items():
            if name in row.measured:
                cells.append(Cell(row.name, name, row.protocol, row.measured[name]))
                continue
            images, copies = without_copies(data, row.learnt_from)
            called = _called(announce, f"{row.name} on {name}")
            place = None if out is None else Path(out) / f"{_safe(row.name)}--{_safe(name)}"
            figures = _evaluated(row.system, images, options, place, called)
            cells.append(Cell(row.name, name, "evaluated", figures, copies))
    return Matrix(tuple(row.name for row in rows), tuple(columns), tuple(cells))


def _named_apart(rows: Sequence[Row]) -> list[Row]:
    """Return the rows, those that share a name numbered, such as two bundles of one recipe."""
    counts: dict[str, int] = {}
    named = []
    for row in rows:
        counts[row.name] = counts.get(row.name, 0) + 1
        number = counts[row.name]
        name = row.name if number == 1 else f"{row.name} ({number})"
        named.append(replace(row, name=name))
    return named


def _called(announce: Announce, cell: str) -> Announce:
    """Return the callback that calls the work on a cell by the cell's name."""
    return lambda _, total: announce(cell, total)


def without_copies(
    data: LabelledImages, learnt_from: LabelledImages | None
) -> tuple[LabelledImages, int]:
    """Return the images without copies of training images, and how many were left out.

    Raises:
        DataError: none is left.
    """
    if learnt_from is None:
        return data, 0
    groups, _ = group_copies(
        (*learnt_from.paths, *data.paths), (*learnt_from.recorded_hashes, *data.recorded_hashes)
    )
    known = np.isin(groups[len(learnt_from) :], groups[: len(learnt_from)])
    if known.all():
        raise DataError(
            f"every image of {data.source} is a copy of one of {learnt_from.source}: nothing is "
            "left to evaluate on"
        )
    return data.take(~known), int(known.sum())


def _evaluated(
    system: System,
    images: LabelledImages,
    options: Options,
    place: Path | None,
    announce: Announce,
) -> Mapping[str, Any]:
    """Return the figures of an evaluation, or read those of an earlier call."""
    if place is None:
        return evaluate_system(system, images, options, announce).result.to_dict()
    key = _key(system, images, options)
    if (place / "run.json").is_file():
        run = read_run(place)
        if run.description.get("cell") != key:
            raise EvocaError(
                f"{printable_name(place)}: holds an evaluation of another model, data, setting "
                "or version of Evoca; remove it or name another --out"
            )
        return run.metrics
    with new_run(place) as folder:
        evaluation = evaluate_system(system, images, options, announce)
        write_evaluation(folder, evaluation)
        write_json(folder / "run.json", {**evaluation.description, "cell": key})
    return evaluation.result.to_dict()


def _key(system: System, images: LabelledImages, options: Options) -> str:
    """Return a key that is unique to a cell, without reading an image."""
    rows = []
    for i, path in enumerate(images.paths):
        try:
            state = path.stat()
            stamp = f"{state.st_size} {state.st_mtime_ns}"
        except OSError:
            stamp = "unreadable"
        rows.append(f"{images.names[i]}\0{images.truth[i]}\0{images.split[i]}\0{stamp}")
    parts = {
        "system": system.identity,
        "options": asdict(replace(options, record=False)),
        "code": code_version()["sha256"],
        "labels": images.labels,
        "images": sorted(rows),
        **describe_division(images, splits=False),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _safe(name: str) -> str:
    """Return a name that every file system accepts."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:100]
