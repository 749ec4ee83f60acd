"""Search in tables of predictions: which images, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evoca.collection.expression import Condition, parse
from evoca.collection.tags import Tags
from evoca.data.manifest.duckdb import sql_name
from evoca.data.manifest.schema import PROBABILITY
from evoca.errors import EvocaError, did_you_mean

__all__ = [
    "ENTROPY",
    "SIMILARITY",
    "Found",
    "Order",
    "UnknownOrderError",
    "find",
    "most",
    "most_divided",
    "most_similar",
]

ENTROPY, SIMILARITY = "entropy", "similarity"
"""Columns that an order adds: how divided viewers are, in nats, and how similar images are."""

_BY_NAME = {"polarity": "polarity_positive", "valence": "valence", "arousal": "arousal"}


class UnknownOrderError(EvocaError, ValueError):
    """An order by what is no emotion, nor polarity, valence or arousal."""


@dataclass(frozen=True)
class Order:
    """An order of rows: the largest value first.

    Attributes:
        value: in SQL, with a ``?`` for each parameter; rows without a value are last.
        parameters: what the marks stand for.
        name: of the column that holds the value; empty where a column of the table does.
        joined: table to join, in SQL; empty for none.
        rows: condition on the rows that are in the order.
    """

    value: str
    parameters: tuple[float, ...] = ()
    name: str = ""
    joined: str = ""
    rows: Condition = field(default_factory=Condition)


def most(tags: Tags, what: str) -> Order:
    """Return the order by an emotion, ``polarity`` (the most positive first), or affect.

    Args:
        tags: the table.
        what: an emotion, ``polarity``, ``valence`` or ``arousal``.

    Raises:
        UnknownOrderError: none of these.
    """
    if what in tags.labels:
        return Order(sql_name(PROBABILITY + what))
    if what in _BY_NAME:
        return Order(sql_name(_BY_NAME[what]))
    known = [*tags.labels, *_BY_NAME]
    hint = did_you_mean(what, known)
    raise UnknownOrderError(f"{what!r}: one of {', '.join(known)}{hint if 'mean' in hint else ''}")


def most_divided(tags: Tags) -> Order:
    """Return the order by the entropy of the distribution, in nats, 0..log K."""
    parts = (sql_name(PROBABILITY + label) for label in tags.labels)
    value = " + ".join(f"CASE WHEN {p} > 0 THEN -{p} * ln({p}) ELSE 0 END" for p in parts)
    return Order(value, (), ENTROPY)


def most_similar(distribution: Mapping[str, float]) -> Order:
    """Return the order by shared probability, 0..1, with a distribution over the emotions.

    It is :func:`evoca.metrics.functional.intersection`, in SQL: 1 where two distributions are
    equal, and 1 less the share of viewers who would have to choose another emotion.
    """
    parts = (f"least({sql_name(PROBABILITY + label)}, ?)" for label in distribution)
    return Order(" + ".join(parts), tuple(distribution.values()), SIMILARITY)


@dataclass(frozen=True, eq=False)
class Found:
    """The images that were found.

    Attributes:
        tags: where they were looked for.
        condition: that is true for them.
        order: of the rows; that of the table if ``None``.
        limit: the largest number of rows; all if ``None``.
        offset: rows that are left out before the first one.
    """

    tags: Tags
    condition: Condition
    order: Order | None = None
    limit: int | None = None
    offset: int = 0

    def __len__(self) -> int:
        """The number of images for which the expression is true, whatever the limit."""
        query = f"SELECT count(*) FROM {self._source()} WHERE {self._where()}"
        return self.tags.number(query, self._parameters())

    @property
    def columns(self) -> list[str]:
        """The columns of each row: the table's, then the order's own."""
        own = [self.order.name] if self.order is not None and self.order.name else []
        return [*self.tags.kinds, *own]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield each row as column to value, in order, a few thousand in memory at a time."""
        return self._rows(self.columns)

    def paths(self) -> Iterator[str]:
        """Yield the path of each image, in order."""
        return (row["path"] or "" for row in self._rows(["path"]))

    def longest_path(self) -> int:
        """Return the number of characters of the longest path among the first ``limit`` rows."""
        return max((len(path) for path in self.paths()), default=0)

    def _rows(self, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        parameters: list[object] = []
        cells = [sql_name(name) for name in columns if name in self.tags.kinds]
        order = self.order
        if order is not None and order.name in columns:
            cells.append(f"{order.value} AS {sql_name(order.name)}")
            parameters += order.parameters
        query = f"SELECT {', '.join(cells)} FROM {self._source()} WHERE {self._where()}"
        parameters += self._parameters()
        if order is not None:
            # Of equal values the order of the paths decides, so that it never varies.
            query += f" ORDER BY {order.value} DESC NULLS LAST, path"
            parameters += order.parameters
        if self.limit is not None:
            query += f" LIMIT {int(self.limit)}"
        if self.offset:
            query += f" OFFSET {int(self.offset)}"
        return self.tags.rows(query, parameters)

    def _source(self) -> str:
        joined = "" if self.order is None else self.order.joined
        return f"{{tags}} {joined}".rstrip()

    def _where(self) -> str:
        # Images that could not be read have no emotion; only an expression on errors means them.
        unread = "true" if "error" in self.condition.columns else self.tags.predicted
        rows = Condition() if self.order is None else self.order.rows
        return f"{unread} AND {self.condition.sql} AND {rows.sql}"

    def _parameters(self) -> list[object]:
        rows = Condition() if self.order is None else self.order.rows
        return [*self.condition.parameters, *rows.parameters]


def find(
    tags: Tags, expression: str = "", *, order: Order | None = None, limit: int | None = None
) -> Found:
    """Return the images for which an expression is true.

    Args:
        tags: the table.
        expression: as :func:`evoca.collection.expression.parse` takes it; all images if blank.
        order: of the rows, such as :func:`most` returns; that of the table if omitted.
        limit: the largest number of rows.

    Raises:
        ExpressionError: the expression cannot be read, or names no column of the table.
    """
    return Found(tags, parse(expression, tags.kinds, tags.labels), order, limit)
