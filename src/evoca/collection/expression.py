"""Expressions such as ``awe > 0.5 and fear < 0.1``, translated to a condition in SQL.

The grammar is closed: comparisons of columns with numbers and texts, ``in``, ``contains``,
``and``, ``or``, ``not`` and parentheses. Names of columns are looked up in the table, and every
number and text becomes a parameter, so that no other SQL can get through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from evoca.data.manifest.duckdb import sql_name
from evoca.emotions import Polarity
from evoca.errors import EvocaError, did_you_mean, single_line

__all__ = ["Condition", "ExpressionError", "Kind", "parse"]

Kind = Literal["number", "text"]
"""What a column holds."""

_MOST_CHARACTERS = 10_000
_MOST_DEPTH = 50  # of parentheses and nots, far from Python's own limit
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)
    | (?P<text>'(?:[^']|'')*' | "(?:[^"]|"")*")
    | \[(?P<bracket>[^\]]+)\]
    | (?P<name>[^\W\d][\w.-]*)
    | (?P<sign><=|>=|==|!=|<>|[<>=(),])""",
    re.VERBOSE,
)
_COMPARISONS = {"==": "=", "<>": "!=", **{sign: sign for sign in ("<", "<=", ">", ">=", "=", "!=")}}
_WORDS = frozenset({"and", "or", "not", "in", "contains"})


class ExpressionError(EvocaError, ValueError):
    """An expression that cannot be read: what is wrong, and at which character."""


@dataclass(frozen=True)
class Condition:
    """A condition on the rows of a table.

    Attributes:
        sql: the condition, with a ``?`` in the place of each number and text.
        parameters: these numbers and texts, in order.
        columns: the columns that it names.
    """

    sql: str = "true"
    parameters: tuple[float | str, ...] = ()
    columns: frozenset[str] = frozenset()


def parse(text: str, columns: Mapping[str, Kind], labels: Sequence[str] = ()) -> Condition:
    """Return an expression as a condition.

    Args:
        text: the expression; a blank one is true for every row.
        columns: name to kind of every column of the table.
        labels: emotions, whose bare names stand for their columns ``p_<emotion>``.

    Raises:
        ExpressionError: it cannot be read, names a column that is not there, or compares a
            column with what it cannot hold.

    >>> kinds = {"p_awe": "number", "p_fear": "number", "emotion": "text"}
    >>> parse("awe > 0.5 and not fear >= 0.1", kinds, ["awe", "fear"]).sql
    '("p_awe" > ? AND NOT ("p_fear" >= ?))'
    >>> parse("emotion in ('awe', 'fear')", kinds, ["awe", "fear"]).parameters
    ('awe', 'fear')
    >>> parse("aww > 0.5", kinds, ["awe", "fear"])
    Traceback (most recent call last):
    ...
    evoca.collection.expression.ExpressionError: at character 1: no column 'aww'; did you mean awe?
    """
    if len(text) > _MOST_CHARACTERS:
        raise ExpressionError(f"longer than {_MOST_CHARACTERS:,} characters")
    parser = _Parser(text, columns, labels)
    return parser.whole() if text.strip() else Condition()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int  # counted from 1

    def is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.text in signs

    def is_word(self, *words: str) -> bool:
        return self.kind == "name" and self.text.lower() in words


@dataclass(frozen=True)
class _Operand:
    """A column, a number or a text, as SQL with its parameters."""

    sql: str
    kind: Kind
    token: _Token
    parameters: tuple[float | str, ...] = ()
    column: str = ""


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            _refuse_character(text, place)
        kind = match.lastgroup or "space"
        if kind != "space":
            content = match[kind]
            if kind == "text":  # a doubled quote stands for one
                content = content[1:-1].replace(content[0] * 2, content[0])
            found.append(_Token(kind, content, place + 1))
        place = match.end()
    return [*found, _Token("end", "", len(text) + 1)]


def _refuse_character(text: str, place: int) -> NoReturn:
    character = text[place]
    if character in "'\"":
        _fail(place + 1, f"the quote {character} is never closed")
    if character == "[":
        _fail(place + 1, "the bracket [ is never closed")
    _fail(place + 1, f"{single_line(character)!r} has no meaning here")


def _fail(place: int, cause: str) -> NoReturn:
    raise ExpressionError(f"at character {place}: {cause}")


class _Parser:
    """Recursive descent, a method for each rule of the grammar, loosest binding first."""

    def __init__(self, text: str, columns: Mapping[str, Kind], labels: Sequence[str]) -> None:
        self._left = _tokens(text)
        self._columns, self._labels = columns, labels
        self._depth = 0

    def whole(self) -> Condition:
        found = self._any_of()
        if self._next.kind != "end":
            self._unexpected("and, or, or the end")
        return found

    @property
    def _next(self) -> _Token:
        return self._left[0]

    def _take(self) -> _Token:
        return self._left.pop(0)

    def _unexpected(self, wanted: str) -> NoReturn:
        token = self._next
        if token.kind == "end":
            _fail(token.place, f"it ends where {wanted} should come")
        _fail(token.place, f"{single_line(token.text)!r} where {wanted} should come")

    def _any_of(self) -> Condition:
        return self._joined("or", self._all_of)

    def _all_of(self) -> Condition:
        return self._joined("and", self._one)

    def _joined(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._next.is_word(word):
            self._take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else _all(parts, word.upper())

    def _one(self) -> Condition:
        if self._next.is_word("not"):
            self._take()
            return _negated(self._inside(self._one))
        if self._next.is_sign("("):
            self._take()
            found = self._inside(self._any_of)
            if not self._next.is_sign(")"):
                self._unexpected(")")
            self._take()
            return found
        return self._comparison()

    def _inside(self, rule: Callable[[], Condition]) -> Condition:
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            _fail(self._next.place, f"more than {_MOST_DEPTH} parentheses and nots in each other")
        found = rule()
        self._depth -= 1
        return found

    def _comparison(self) -> Condition:
        left = self._operand()
        negated = self._next.is_word("not")
        if negated:
            self._take()
        if self._next.is_word("in", "contains"):
            rule = self._membership if self._take().text.lower() == "in" else self._containing
            found = rule(left)
            return _negated(found) if negated else found
        if negated:
            self._unexpected("in or contains")
        return self._chain(left)

    def _chain(self, left: _Operand) -> Condition:
        """Return comparisons in a row, such as ``0.2 < awe < 0.5``, as all of them."""
        parts = []
        while self._next.kind == "sign" and self._next.text in _COMPARISONS:
            sign = self._take()
            right = self._operand()
            parts.append(self._compared(left, sign, right))
            left = right
        if not parts:
            self._unexpected("a comparison (<, <=, >, >=, =, !=, in, contains)")
        return parts[0] if len(parts) == 1 else _all(parts, "AND")

    def _compared(self, left: _Operand, sign: _Token, right: _Operand) -> Condition:
        column, other = (left, right) if left.column else (right, left)
        if not column.column:
            _fail(left.token.place, "neither side of the comparison is a column")
        self._check_value(column, other)
        operator = _COMPARISONS[sign.text]
        if column.kind == "text" and operator not in ("=", "!="):
            _fail(sign.place, f"{column.column} holds texts: compare with =, !=, in or contains")
        return Condition(
            f"{left.sql} {operator} {right.sql}",
            left.parameters + right.parameters,
            frozenset({left.column, right.column} - {""}),
        )

    def _membership(self, column: _Operand) -> Condition:
        self._require_column(column)
        if not self._next.is_sign("("):
            self._unexpected("( and a list")
        self._take()
        values = [self._operand()]
        while self._next.is_sign(","):
            self._take()
            values.append(self._operand())
        if not self._next.is_sign(")"):
            self._unexpected(", or )")
        self._take()
        for value in values:
            self._check_value(column, value, literal=True)
        marks = ", ".join(value.sql for value in values)
        parameters = tuple(one for value in values for one in value.parameters)
        return Condition(f"{column.sql} IN ({marks})", parameters, frozenset({column.column}))

    def _containing(self, column: _Operand) -> Condition:
        self._require_column(column)
        value = self._operand()
        if column.kind != "text":
            _fail(column.token.place, f"{column.column} holds numbers, which contain nothing")
        self._check_value(column, value, literal=True)
        text = str(value.parameters[0])
        if column.column == "prediction_set":
            # A JSON list: a whole label stands in quotes.
            sql, text = f"contains({column.sql}, ?)", json.dumps(text, ensure_ascii=False)
        else:
            sql = f"contains(lower({column.sql}), lower(?))"
        return Condition(sql, (text,), frozenset({column.column}))

    def _require_column(self, operand: _Operand) -> None:
        if not operand.column:
            _fail(operand.token.place, "a column should come before in and contains")

    def _operand(self) -> _Operand:
        token = self._next
        if token.kind == "number":
            return _Operand("?", "number", self._take(), (float(token.text),))
        if token.kind == "text":
            return _Operand("?", "text", self._take(), (token.text,))
        if token.kind == "bracket" or (token.kind == "name" and not token.is_word(*_WORDS)):
            return self._column(self._take())
        return self._unexpected("a column, a number or a text in quotes")

    def _column(self, token: _Token) -> _Operand:
        name = token.text
        found = f"p_{name}" if name in self._labels and f"p_{name}" in self._columns else name
        kind = self._columns.get(found)
        if kind is None:
            own = {f"p_{label}" for label in self._labels}
            full = name.startswith("p_")  # else the bare names say enough
            known = [*self._labels, *(one for one in self._columns if full or one not in own)]
            cause = f"no column {single_line(name)!r}{did_you_mean(name, known)}"
            if self._next.is_sign("("):
                cause = f"there are no functions, such as {single_line(name)}(...)"
            _fail(token.place, cause)
        # An empty cell of a table is a missing value, and equals ''.
        sql = sql_name(found) if kind == "number" else f"coalesce({sql_name(found)}, '')"
        return _Operand(sql, kind, token, column=found)

    def _check_value(self, column: _Operand, value: _Operand, *, literal: bool = False) -> None:
        """Refuse a value that the column can never hold."""
        if literal and value.column:
            _fail(value.token.place, f"{value.token.text}: a number or a text in quotes, no column")
        if column.kind != value.kind:
            shown = single_line(value.token.text)
            if value.column:
                hint = f"{shown} is a column; in quotes it is a text: '{shown}'"
            elif column.kind == "number":
                hint = f"compare it with a number, not with '{shown}'"
            else:
                hint = f"compare it with a text in quotes, not with {shown}"
            _fail(value.token.place, f"{column.column} holds {column.kind}s: {hint}")
        known = self._values_of(column.column)
        if known and not value.column and (text := value.token.text) and text not in known:
            _fail(
                value.token.place,
                f"{column.column} is never {single_line(text)!r}{did_you_mean(text, known)}",
            )

    def _values_of(self, column: str) -> Sequence[str]:
        if column in ("emotion", "prediction_set"):
            return self._labels
        return [str(one) for one in Polarity] if column == "polarity" else ()


def _all(parts: Sequence[Condition], word: str) -> Condition:
    return Condition(
        f"({f' {word} '.join(part.sql for part in parts)})",
        tuple(value for part in parts for value in part.parameters),
        frozenset().union(*(part.columns for part in parts)),
    )


def _negated(found: Condition) -> Condition:
    return Condition(f"NOT ({found.sql})", found.parameters, found.columns)
