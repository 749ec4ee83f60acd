"""What a row of a manifest must hold, as SQL over a whole table at once.

Each rule is a condition under which a row is refused and the cause to report; the first
rule that applies wins. The same rules serve text tables, whose cells are all text, and
Parquet, whose cells have types.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evoca.data.duck import sql_name, sql_string
from evoca.data.schema import (
    AFFECT_COLUMNS,
    DISAGREE,
    DISTRIBUTION_TOLERANCE,
    PROBABILITY,
    SPLITS,
    VOTES,
    emotion_columns,
)
from evoca.data.taxonomies import TAXONOMIES

__all__ = ["SPACES", "cause_expression", "clean_expression", "typed_expression"]

# What str.strip() removes, so that a table means the same to DuckDB and to the lab: spaces
# that do not break, as spreadsheets leave them, among it.
SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

_COUNTS = ("valence_n", "arousal_n")
_SIZES = ("width", "height")


def clean_expression(column: str, sql_type: str) -> str:
    """Return SQL that trims a text cell and turns an empty one into NULL."""
    name = sql_name(column)
    if sql_type != "VARCHAR":
        return name
    # Looking first is twice as quick as always trimming.
    padded = f"regexp_matches({name}, '^[{SPACES}]|[{SPACES}]$')"
    trimmed = f"CASE WHEN {padded} THEN trim({name}, '{SPACES}') ELSE {name} END"
    clean = f"nullif({trimmed}, '')"
    return f"lower({clean})" if column in {"emotion", "split", "sha256"} else clean


def typed_expression(column: str, labels: Iterable[str]) -> str:
    """Return SQL that gives a valid, cleaned cell the column's type."""
    name = sql_name(column)
    counts = {*_all(VOTES, labels), *_all(DISAGREE, labels), *_COUNTS, *_SIZES}
    if column in counts:
        return f"CAST(CAST({name} AS DOUBLE) AS INTEGER)"
    if column in _all(PROBABILITY, labels) or column in AFFECT_COLUMNS:
        return f"CAST({name} AS DOUBLE)"
    return name


def cause_expression(columns: Sequence[str], labels: Sequence[str], taxonomy: str) -> str:
    """Return SQL that gives why a cleaned row is refused, or NULL where it is fine.

    Args:
        columns: the columns of the table; rules about others are left out.
        labels: every label that some row of the table may use.
        taxonomy: of the rows that do not name theirs.
    """
    have = frozenset(columns)
    rules = ["WHEN image IS NULL THEN 'no image in this row'"]
    if "taxonomy" in have:
        rules.append(_one_of("taxonomy", tuple(TAXONOMIES)))
    if "emotion" in have:
        rules += _emotion_rules("taxonomy" in have, labels, taxonomy)
    if "split" in have:
        rules.append(_one_of("split", SPLITS))
    if "sha256" in have:
        digits = "NOT regexp_full_match(sha256, '[0-9a-f]{64}')"
        rules.append(_when(digits, "sha256 is '{}', not 64 hexadecimal digits", "sha256"))
    for column in (*_all(VOTES, labels), *_all(DISAGREE, labels), *_COUNTS, *_SIZES):
        if column in have:
            rules += _count_rules(column, least=1 if column in _SIZES else 0)
    for column in (*_all(PROBABILITY, labels), *AFFECT_COLUMNS):
        if column in have and column not in _COUNTS:
            rules += _number_rules(column, signed=column in {"valence", "arousal"})
    rules += _distribution_rule([c for c in _all(PROBABILITY, labels) if c in have])
    return "CASE " + " ".join(rules) + " END"


def _all(prefix: str, labels: Iterable[str]) -> tuple[str, ...]:
    return emotion_columns(prefix, labels)


def _when(condition: str, text: str, value: str) -> str:
    """One rule; ``{}`` in the text stands for the value, which is SQL."""
    return f"WHEN {condition} THEN format({sql_string(text)}, {value})"


def _quoted(values: Iterable[str]) -> str:
    return ", ".join(sql_string(value) for value in values)


def _one_of(column: str, allowed: Sequence[str]) -> str:
    text = f"unknown {column} '{{}}'; use {', '.join(allowed)}"
    return _when(f"{column} NOT IN ({_quoted(allowed)})", text, column)


def _emotion_rules(by_row: bool, labels: Sequence[str], default: str) -> list[str]:
    taxonomies = [name for name, own in TAXONOMIES.items() if set(own) <= set(labels)]
    rules = []
    for name in taxonomies if by_row else [default]:
        own = TAXONOMIES[name]
        same = f"coalesce(taxonomy, {sql_string(default)}) = {sql_string(name)} AND "
        condition = f"{same if by_row else ''}emotion NOT IN ({_quoted(own)})"
        text = f"unknown emotion '{{}}'; the taxonomy has {', '.join(own)}"
        rules.append(_when(condition, text, "emotion"))
    return rules


def _count_rules(column: str, least: int) -> list[str]:
    name = sql_name(column)
    number = f"TRY_CAST({name} AS DOUBLE)"
    whole = f"isfinite({number}) AND {number} = floor({number}) AND {number} < 2147483648"
    below = "zero" if least == 0 else str(least)
    return [
        _when(
            f"{name} IS NOT NULL AND NOT coalesce({whole}, false)",
            f"{column} is '{{}}', not a whole number",
            f"{name}::VARCHAR",
        ),
        _when(f"{number} < {least}", f"{column} is {{}}, below {below}", f"{name}::VARCHAR"),
    ]


def _number_rules(column: str, *, signed: bool) -> list[str]:
    name = sql_name(column)
    number = f"TRY_CAST({name} AS DOUBLE)"
    rules = [
        _when(
            f"{name} IS NOT NULL AND NOT coalesce(isfinite({number}), false)",
            f"{column} is '{{}}', not a finite number",
            f"{name}::VARCHAR",
        )
    ]
    if not signed:
        rules.append(_when(f"{number} < 0", f"{column} is {{}}, below zero", f"{name}::VARCHAR"))
    return rules


def _distribution_rule(columns: Sequence[str]) -> list[str]:
    if not columns:
        return []
    names = [sql_name(column) for column in columns]
    total = " + ".join(f"coalesce(TRY_CAST({name} AS DOUBLE), 0)" for name in names)
    given = f"coalesce({', '.join(f'{name}::VARCHAR' for name in names)}) IS NOT NULL"
    return [
        _when(
            f"{given} AND abs({total} - 1) > {DISTRIBUTION_TOLERANCE}",
            "the distribution sums to {:.4g}, not 1",
            total,
        )
    ]
