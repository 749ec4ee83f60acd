"""The rules for a row of a manifest: one table of rules, run by DuckDB and by NumPy.

Each rule refuses rows and states why; of several that refuse a row, the first one counts.
DuckDB runs them over millions of rows (``evoca data``), NumPy over what is trained or
evaluated on, where DuckDB need not be installed. Text cells are cleaned first, alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.columns import Columns, texts
from evoca.data.manifest.duckdb import sql_name, sql_string
from evoca.data.manifest.schema import (
    AFFECT_COLUMNS,
    DISAGREE,
    DISTRIBUTION_TOLERANCE,
    PROBABILITY,
    SPLITS,
    VOTES,
    emotion_columns,
)
from evoca.data.taxonomies import TAXONOMIES, all_labels

__all__ = [
    "LOWER_CASE",
    "SPACES",
    "Cells",
    "Rule",
    "cause_expression",
    "clean_expression",
    "first_refused",
    "possible_labels",
    "rules_of",
    "typed_expression",
]

# What str.strip() removes, so that a table means the same to DuckDB and to NumPy: spaces
# that do not break, as spreadsheets leave them, among it.
SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

LOWER_CASE = frozenset({"emotion", "split", "sha256"})
"""Columns whose text is read in lower case."""

_COUNTS = ("valence_n", "arousal_n")
_SIZES = ("width", "height")
_SIGNED = frozenset({"valence", "arousal"})
_BELOW_INT32 = 2147483648
_NUMERIC = "biuf"  # kinds of NumPy types whose cells are numbers already


class Cells:
    """The cells of a table in memory, cleaned for the rules."""

    def __init__(self, columns: Columns) -> None:
        """Clean nothing yet: each column is cleaned when a rule first reads it.

        Attributes:
            columns: as they were read.
            names: of the columns, in their order.
            count: n, the number of rows.
        """
        self.columns = columns
        self.names = tuple(columns.values)
        self.count = len(columns.rows)
        self._texts: dict[str, NDArray[np.object_]] = {}
        self._numbers: dict[str, NDArray[np.float64]] = {}

    def text(self, name: str) -> NDArray[np.object_]:
        """Return a column as text, object (n,): trimmed, empty where there is no cell."""
        if name not in self._texts:
            cells = texts(self.columns, name, "")
            if name in LOWER_CASE:
                cells = np.fromiter((c.lower() for c in cells), dtype=object, count=len(cells))
            self._texts[name] = cells
        return self._texts[name]

    def given(self, name: str) -> NDArray[np.bool_]:
        """Return which cells hold something, bool (n,)."""
        values = self.columns.values[name]
        if values.dtype.kind in _NUMERIC:
            return np.asarray(~np.ma.getmaskarray(np.ma.asarray(values)))
        return np.asarray(self.text(name) != "")

    def number(self, name: str) -> NDArray[np.float64]:
        """Return a column as float64 (n,): NaN where it is absent, a cell empty or no number."""
        if name not in self.columns.values:
            return np.full(self.count, np.nan)
        if name not in self._numbers:
            values = self.columns.values[name]
            if values.dtype.kind in _NUMERIC:
                found = np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
            else:
                cells = self.text(name)
                found = np.fromiter(map(_number, cells), dtype=np.float64, count=len(cells))
            self._numbers[name] = np.asarray(found)
        return self._numbers[name]


def _number(cell: str) -> float:
    # DuckDB reads no digits but those of ASCII.
    if not cell.isascii():
        return np.nan
    try:
        return float(cell)
    except ValueError:
        return np.nan


class Rule(Protocol):
    """A condition under which a row is refused, and why."""

    def sql(self) -> str:
        """Return the condition and the cause as ``WHEN ... THEN ...``."""

    def refused(self, cells: Cells) -> NDArray[np.bool_]:
        """Return which rows are refused, bool (n,)."""

    def cause(self, cells: Cells, row: int) -> str:
        """Return why a refused row is."""


class _AboutCell(Protocol):
    """A rule whose cause quotes a cell: ``{}`` in the text stands for it."""

    @property
    def column(self) -> str: ...

    @property
    def text(self) -> str: ...


class _CellQuoted:
    """What the rules about one cell share."""

    def cause(self: _AboutCell, cells: Cells, row: int) -> str:
        return self.text.format(cells.text(self.column)[row])


@dataclass(frozen=True)
class _Present:
    """A cell that must be there."""

    column: str
    text: str

    def sql(self) -> str:
        return f"WHEN {sql_name(self.column)} IS NULL THEN {sql_string(self.text)}"

    def refused(self, cells: Cells) -> NDArray[np.bool_]:
        return np.asarray(cells.text(self.column) == "")

    def cause(self, cells: Cells, row: int) -> str:
        del cells, row
        return self.text


@dataclass(frozen=True)
class _OneOf(_CellQuoted):
    """A text out of a list; of the rows of one taxonomy alone, where one is named.

    Attributes:
        column: which cell.
        allowed: what it may hold.
        text: the cause, ``{}`` in it for the cell's text.
        taxonomy: of the rows that the rule is for; empty for all.
        default: taxonomy of the rows that do not name theirs.
    """

    column: str
    allowed: tuple[str, ...]
    text: str
    taxonomy: str = ""
    default: str = ""

    def sql(self) -> str:
        name = sql_name(self.column)
        condition = f"{name} NOT IN ({', '.join(map(sql_string, self.allowed))})"
        if self.taxonomy:
            own = f"coalesce(taxonomy, {sql_string(self.default)})"
            condition = f"{own} = {sql_string(self.taxonomy)} AND {condition}"
        return _when(condition, self.text, name)

    def refused(self, cells: Cells) -> NDArray[np.bool_]:
        found = cells.text(self.column)
        allowed = {*self.allowed, ""}
        known = np.fromiter((cell in allowed for cell in found), dtype=np.bool_, count=len(found))
        if not self.taxonomy:
            return np.asarray(~known)
        taxonomies = cells.text("taxonomy")
        own = np.where(taxonomies == "", self.default, taxonomies) == self.taxonomy
        return np.asarray(own & ~known)


@dataclass(frozen=True)
class _Digits(_CellQuoted):
    """A SHA-256 in hexadecimal digits."""

    column: str

    @property
    def text(self) -> str:
        return f"{self.column} is '{{}}', not 64 hexadecimal digits"

    def sql(self) -> str:
        name = sql_name(self.column)
        return _when(f"NOT regexp_full_match({name}, '[0-9a-f]{{64}}')", self.text, name)

    def refused(self, cells: Cells) -> NDArray[np.bool_]:
        found = cells.text(self.column)
        right = (not cell or re.fullmatch("[0-9a-f]{64}", cell) is not None for cell in found)
        return ~np.fromiter(right, dtype=np.bool_, count=len(found))


@dataclass(frozen=True)
class _IsNumber(_CellQuoted):
    """A cell that holds a finite number, or a whole one that 32 bits hold."""

    column: str
    whole: bool = False

    @property
    def text(self) -> str:
        return f"{self.column} is '{{}}', not a {'whole' if self.whole else 'finite'} number"

    def sql(self) -> str:
        name = sql_name(self.column)
        number = f"TRY_CAST({name} AS DOUBLE)"
        right = f"isfinite({number})"
        if self.whole:
            right += f" AND {number} = floor({number}) AND {number} < {_BELOW_INT32}"
        condition = f"{name} IS NOT NULL AND NOT coalesce({right}, false)"
        return _when(condition, self.text, f"{name}::VARCHAR")

    def refused(self, cells: Cells) -> NDArray[np.bool_]:
        number = cells.number(self.column)
        right = np.isfinite(number)
        if self.whole:
            right = right & (number == np.floor(number)) & (number < _BELOW_INT32)
        return np.asarray(cells.given(self.column) & ~right)


@dataclass(frozen=True)
class _AtLeast(_CellQuoted):
    """A number that is not too small."""

    column: str
    least: int

    @property
    def text(self) -> str:
        return f"{self.column} is {{}}, below {self.least or 'zero'}"

    def sql(self) -> str:
        name = sql_name(self.column)
        return _when(f"TRY_CAST({name} AS DOUBLE) < {self.least}", self.text, f"{name}::VARCHAR")

    def refused(self, cells: Cells) -> NDArray[np.bool_]:
        return np.asarray(cells.number(self.column) < self.least)


@dataclass(frozen=True)
class _SumsToOne:
    """A distribution; cells that are empty beside others are 0."""

    columns: tuple[str, ...]

    text = "the distribution sums to {:.4g}, not 1"

    def sql(self) -> str:
        names = [sql_name(column) for column in self.columns]
        parts = (f"coalesce(TRY_CAST({name} AS DOUBLE), 0)" for name in names)
        total = " + ".join(("0::DOUBLE", *parts))
        given = f"coalesce({', '.join(f'{name}::VARCHAR' for name in names)}) IS NOT NULL"
        condition = f"{given} AND abs({total} - 1) > {DISTRIBUTION_TOLERANCE}"
        return _when(condition, self.text, total)

    def refused(self, cells: Cells) -> NDArray[np.bool_]:
        given = np.logical_or.reduce([cells.given(column) for column in self.columns])
        return np.asarray(given & (np.abs(self._total(cells) - 1) > DISTRIBUTION_TOLERANCE))

    def cause(self, cells: Cells, row: int) -> str:
        return self.text.format(self._total(cells)[row])

    def _total(self, cells: Cells) -> NDArray[np.float64]:
        total = np.zeros(cells.count)
        for column in self.columns:  # in this order, as DuckDB adds
            total += np.nan_to_num(cells.number(column), nan=0.0, posinf=np.inf, neginf=-np.inf)
        return total


def possible_labels(taxonomy: str, *, by_row: bool) -> tuple[str, ...]:
    """Return every label that some row may use.

    Args:
        taxonomy: of rows that do not name theirs.
        by_row: whether rows may name their taxonomy.

    Raises:
        DataError: no such taxonomy.
    """
    return all_labels(tuple(TAXONOMIES) if by_row else (taxonomy,))


def rules_of(columns: Sequence[str], labels: Sequence[str], taxonomy: str) -> list[Rule]:
    """Return the rules of a table, in the order in which they count.

    Args:
        columns: the columns of the table; rules about others are left out.
        labels: every label that some row of the table may use.
        taxonomy: of the rows that do not name theirs.
    """
    have = frozenset(columns)
    rules: list[Rule] = [_Present("image", "no image in this row")]
    if "taxonomy" in have:
        text = f"unknown taxonomy '{{}}'; use {', '.join(TAXONOMIES)}"
        rules.append(_OneOf("taxonomy", tuple(TAXONOMIES), text))
    if "emotion" in have:
        rules += _emotions("taxonomy" in have, labels, taxonomy)
    if "split" in have:
        text = f"unknown split '{{}}'; use {', '.join(SPLITS)} or leave it empty"
        rules.append(_OneOf("split", SPLITS, text))
    if "sha256" in have:
        rules.append(_Digits("sha256"))
    counts = (*emotion_columns(VOTES, labels), *emotion_columns(DISAGREE, labels), *_COUNTS)
    for column in (*counts, *_SIZES):
        if column in have:
            least = 1 if column in _SIZES else 0
            rules += [_IsNumber(column, whole=True), _AtLeast(column, least)]
    shares = emotion_columns(PROBABILITY, labels)
    for column in (*shares, *AFFECT_COLUMNS):
        if column in have and column not in _COUNTS:
            rules.append(_IsNumber(column))
            rules += [] if column in _SIGNED else [_AtLeast(column, 0)]
    if stated := tuple(column for column in shares if column in have):
        rules.append(_SumsToOne(stated))
    return rules


def _emotions(by_row: bool, labels: Sequence[str], default: str) -> list[Rule]:
    taxonomies = [name for name, own in TAXONOMIES.items() if set(own) <= set(labels)]
    rules: list[Rule] = []
    for name in taxonomies if by_row else [default]:
        own = TAXONOMIES[name]
        text = f"unknown emotion '{{}}'; the taxonomy has {', '.join(own)}"
        rules.append(_OneOf("emotion", own, text, name if by_row else "", default))
    return rules


def first_refused(rules: Iterable[Rule], cells: Cells) -> tuple[int, str, int] | None:
    """Return the first refused row, why, and how many rows are refused; ``None`` if none is."""
    rules = list(rules)
    broken = np.full(cells.count, len(rules))
    for number in reversed(range(len(rules))):
        broken[rules[number].refused(cells)] = number
    rows = np.flatnonzero(broken < len(rules))
    if not len(rows):
        return None
    row = int(rows[0])
    return row, rules[int(broken[row])].cause(cells, row), len(rows)


def cause_expression(columns: Sequence[str], labels: Sequence[str], taxonomy: str) -> str:
    """Return SQL for why a cleaned row is refused, or NULL where it is valid.

    Args:
        columns: as for :func:`rules_of`.
        labels: as for :func:`rules_of`.
        taxonomy: as for :func:`rules_of`.
    """
    rules = rules_of(columns, labels, taxonomy)
    return f"CASE {' '.join(rule.sql() for rule in rules)} END"


def clean_expression(column: str, sql_type: str) -> str:
    """Return SQL that trims a text cell and turns an empty one into NULL."""
    name = sql_name(column)
    if sql_type != "VARCHAR":
        return name
    # A check first is twice as fast as always trimming.
    padded = f"regexp_matches({name}, '^[{SPACES}]|[{SPACES}]$')"
    trimmed = f"CASE WHEN {padded} THEN trim({name}, '{SPACES}') ELSE {name} END"
    clean = f"nullif({trimmed}, '')"
    return f"lower({clean})" if column in LOWER_CASE else clean


def typed_expression(column: str, labels: Iterable[str]) -> str:
    """Return SQL that casts a valid, cleaned cell to the column's type."""
    labels = tuple(labels)
    name = sql_name(column)
    counts = {*emotion_columns(VOTES, labels), *emotion_columns(DISAGREE, labels)}
    if column in counts | {*_COUNTS, *_SIZES}:
        return f"CAST(CAST({name} AS DOUBLE) AS INTEGER)"
    if column in {*emotion_columns(PROBABILITY, labels), *AFFECT_COLUMNS}:
        return f"CAST({name} AS DOUBLE)"
    return name


def _when(condition: str, text: str, value: str) -> str:
    """Return one rule as SQL; ``{}`` in the text stands for the value, which is SQL."""
    return f"WHEN {condition} THEN format({sql_string(text)}, {value})"
