"""Outcomes of tagged images, such as clicks on advertisements, joined with their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.collection.tags import Tags
from evoca.data.manifest.columns import Columns, numbers, read_columns, texts
from evoca.data.manifest.duckdb import sql_name
from evoca.data.manifest.schema import PROBABILITY
from evoca.errors import DataError, did_you_mean
from evoca.images import printable_name
from evoca.metrics.checks import FloatArray, IntArray

__all__ = ["MEASURES", "Joined", "join_outcomes"]

MEASURES = {"polarity": "polarity_positive", "valence": "valence", "arousal": "arousal"}
"""What is related to an outcome beside the emotions, and its column."""


@dataclass(frozen=True, eq=False)
class Joined:
    """Images with a prediction and an outcome.

    Attributes:
        paths: object (n,), as the tables of predictions name them.
        measures: name to float (n,): each emotion, then polarity, valence and arousal.
        outcome: float (n,).
        groups: object (n,), names; ``None`` where none were asked for.
        others: name to float (n,), further columns of the outcomes.
        by_name: how many were joined by the file's name, not by the whole path.
        unmatched: how many outcomes have no prediction.
        without_outcome: how many predictions have no outcome.
        empty: how many outcomes have an empty cell where a number is needed.
    """

    paths: NDArray[np.object_]
    measures: dict[str, FloatArray]
    outcome: FloatArray
    groups: NDArray[np.object_] | None
    others: dict[str, FloatArray]
    by_name: int
    unmatched: int
    without_outcome: int
    empty: int

    def __len__(self) -> int:
        return len(self.outcome)


def join_outcomes(
    tags: Tags, file: Path, column: str, *, group: str | None = None, others: Sequence[str] = ()
) -> Joined:
    """Return the images that have a prediction and an outcome.

    Rows are joined by path. An outcome whose path is no image's is joined by the file's name,
    where that name is there only once on both sides.

    Args:
        tags: the predictions.
        file: outcomes, CSV or Parquet, with a column ``path`` (or ``image``).
        column: of the outcome; numbers.
        group: a column of texts, of the outcomes or else of the predictions.
        others: further columns of numbers.

    Raises:
        DataError: no such file or column, a cell that is no number, or an image that is there
            twice.
    """
    where = printable_name(file)
    read = read_columns(file)
    for name in (column, *others):
        _require(read, name, where)
    if group is not None and group not in read and group not in tags.kinds:
        _require(read, group, where)
    paths = texts(read, "image", where, required=True)
    _refuse_twice(paths, where)
    rows, places, by_name = _matched(tags, paths)
    values = {name: numbers(read, name, where)[rows] for name in (column, *others)}
    full = ~np.isnan(np.stack(list(values.values()))).any(axis=0)
    held = _held(tags, places, group if group is not None and group not in read else None)
    groups = texts(read, group, where)[rows] if group is not None and group in read else None
    if group is not None and groups is None:
        groups = held.pop("group")
    found: dict[str, NDArray[Any]] = {name: cells[full] for name, cells in held.items()}
    return Joined(
        paths=found.pop("path"),
        measures={name: cells for name, cells in found.items() if not np.isnan(cells).any()},
        outcome=values.pop(column)[full],
        groups=None if groups is None else groups[full],
        others={name: cells[full] for name, cells in values.items()},
        by_name=int(by_name[full].sum()),
        unmatched=len(paths) - len(rows),
        without_outcome=_predicted(tags) - len(rows),
        empty=int((~full).sum()),
    )


def _require(read: Columns, name: str, where: str) -> None:
    if name not in read:
        raise DataError(f"{where}: no column {name!r}{did_you_mean(name, read.values)}")


def _refuse_twice(paths: NDArray[np.object_], where: str) -> None:
    names, counts = np.unique(paths.astype(np.str_), return_counts=True)
    if (counts > 1).any():
        raise DataError(
            f"{where}: {names[counts.argmax()]} is there {counts.max()} times: give one outcome "
            "an image, such as the mean"
        )


def _predicted(tags: Tags) -> int:
    return tags.number(f"SELECT count(*) FROM {{tags}} WHERE {tags.predicted}")


def _matched(
    tags: Tags, paths: NDArray[np.object_]
) -> tuple[IntArray, NDArray[np.object_], NDArray[np.bool_]]:
    """Return rows of the outcomes, the paths of their predictions, and which are by name."""
    columns = {"path": paths, "row": np.arange(len(paths))}
    query = """
        WITH predicted AS (SELECT path FROM {tags} WHERE {predicted}),
        exact AS (SELECT o.row, p.path FROM outcomes o JOIN predicted p ON p.path = o.path),
        left_over AS (SELECT row, path FROM outcomes WHERE row NOT IN (SELECT row FROM exact)),
        names AS (SELECT parse_filename(path) AS name, any_value(path) AS path FROM predicted
                  GROUP BY 1 HAVING count(*) = 1),
        given AS (SELECT parse_filename(path) AS name FROM outcomes
                  GROUP BY 1 HAVING count(*) = 1),
        by_name AS (SELECT l.row, n.path FROM left_over l
                    JOIN given g ON g.name = parse_filename(l.path) JOIN names n USING (name))
        SELECT row, path, false AS named FROM exact
        UNION ALL SELECT row, path, true FROM by_name WHERE path NOT IN (SELECT path FROM exact)
        ORDER BY row
    """
    with tags.connection.arrays("outcomes", columns):
        found = tags.arrays(query.replace("{predicted}", tags.predicted))
    rows = np.asarray(found["row"], dtype=np.int64)
    if len(np.unique(rows)) < len(rows):
        twice = int(np.bincount(rows).argmax())
        raise DataError(f"{tags.source}: {paths[twice]} is predicted twice: give each image once")
    return rows, np.asarray(found["path"], dtype=object), np.asarray(found["named"], dtype=np.bool_)


def _held(
    tags: Tags, places: NDArray[np.object_], group: str | None
) -> dict[str, NDArray[np.object_]]:
    """Return the path, the measures and the group of some predictions, in the order of paths."""
    cells = [f"{sql_name(PROBABILITY + label)} AS {sql_name(label)}" for label in tags.labels]
    cells += [f"{sql_name(column)} AS {sql_name(name)}" for name, column in MEASURES.items()]
    cells += [] if group is None else [f"coalesce({sql_name(group)}::VARCHAR, '') AS \"group\""]
    columns = {"path": places, "place": np.arange(len(places))}
    query = (
        f"SELECT path, {', '.join(cells)} FROM {{tags}} JOIN wanted USING (path) "
        f"WHERE {tags.predicted} ORDER BY place"
    )
    with tags.connection.arrays("wanted", columns):
        found = tags.arrays(query)
    return {
        name: np.asarray(cells, dtype=object)
        if name in ("path", "group")
        else np.asarray(np.ma.filled(cells, np.nan), dtype=np.float64)
        for name, cells in found.items()
    }
