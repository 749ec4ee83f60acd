"""Expressions: what they mean, where they are wrong, and that no other SQL gets through."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoca.collection.expression import Condition, ExpressionError, parse
from evoca.collection.search import find
from evoca.collection.tags import Tags, read_tags

LABELS = ("awe", "fear")
KINDS = {
    **dict.fromkeys(("p_awe", "p_fear", "polarity_positive", "odd name", "q"), "number"),
    **dict.fromkeys(("path", "emotion", "polarity", "prediction_set", "warnings"), "text"),
}


def sql(text: str) -> str:
    return parse(text, KINDS, LABELS).sql  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "wanted", "parameters"),
    [
        ("awe > 0.5 and fear < .1", '("p_awe" > ? AND "p_fear" < ?)', (0.5, 0.1)),
        ("p_awe>=1e-2", '"p_awe" >= ?', (0.01,)),
        ("awe > -1 OR NOT fear = 0", '("p_awe" > ? OR NOT ("p_fear" = ?))', (-1.0, 0.0)),
        (
            "awe > 1 or awe > 2 and awe > 3",
            '("p_awe" > ? OR ("p_awe" > ? AND "p_awe" > ?))',
            (1.0, 2.0, 3.0),
        ),
        (
            "(awe > 1 or awe > 2) and q <> 3",
            '(("p_awe" > ? OR "p_awe" > ?) AND "q" != ?)',
            (1, 2, 3),
        ),
        ("0.2 < awe <= 0.5", '(? < "p_awe" AND "p_awe" <= ?)', (0.2, 0.5)),
        ("awe > fear", '"p_awe" > "p_fear"', ()),
        ("emotion == 'awe'", "coalesce(\"emotion\", '') = ?", ("awe",)),
        ('path = "it\'s ""x"""', "coalesce(\"path\", '') = ?", ('it\'s "x"',)),
        ("emotion not in ('awe')", "NOT (coalesce(\"emotion\", '') IN (?))", ("awe",)),
        ("awe in (0, 1)", '"p_awe" IN (?, ?)', (0.0, 1.0)),
        ("[odd name] > 3", '"odd name" > ?', (3.0,)),
        (
            "prediction_set contains 'awe'",
            "contains(coalesce(\"prediction_set\", ''), ?)",
            ('"awe"',),
        ),
        (
            "warnings contains 'Blank'",
            "contains(lower(coalesce(\"warnings\", '')), lower(?))",
            ("Blank",),
        ),
        ("  ", "true", ()),
    ],
)
def test_meaning(text: str, wanted: str, parameters: tuple[object, ...]) -> None:
    found = parse(text, KINDS, LABELS)  # type: ignore[arg-type]
    assert (found.sql, found.parameters) == (wanted, parameters)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("aww > 0.5", "at character 1: no column 'aww'; did you mean awe?"),
        ("awe > 0.5 and feer < 1", "at character 15: no column 'feer'; did you mean fear?"),
        ("awe >", "at character 6: it ends where a column, a number or a text in quotes"),
        ("awe > > 1", "at character 7: '>' where a column"),
        ("awe", "at character 4: it ends where a comparison"),
        ("awe > 1 fear < 2", "at character 9: 'fear' where and, or, or the end"),
        ("(awe > 1", "at character 9: it ends where ) should come"),
        ("awe > 'x", "at character 7: the quote ' is never closed"),
        ("[awe > 1", "at character 1: the bracket [ is never closed"),
        (
            "awe > 'x'",
            "at character 7: p_awe holds numbers: compare it with a number, not with 'x'",
        ),
        ("emotion = 3", "at character 11: emotion holds texts: compare it with a text in quotes"),
        ("emotion = awe", "at character 11: emotion holds texts: awe is a column; in quotes"),
        ("emotion = 'aw'", "at character 11: emotion is never 'aw'; did you mean awe?"),
        ("prediction_set contains 'x'", "prediction_set is never 'x'; known are awe and fear"),
        ("polarity = 'good'", "polarity is never 'good'; known are positive and negative"),
        ("path > 'a'", "at character 6: path holds texts"),
        ("1 < 2", "neither side of the comparison is a column"),
        ("awe contains 1", "p_awe holds numbers, which contain nothing"),
        ("awe in ()", "at character 9: ')' where a column"),
        ("awe in (fear)", "fear: a number or a text in quotes, no column"),
        ("awe & fear", "at character 5: '&' has no meaning here"),
        ("a\u202ewe > 1", "has no meaning here"),
        ("(" * 60 + "awe > 1", "more than 50 parentheses and nots in each other"),
        ("not " * 60 + "awe > 1", "more than 50 parentheses and nots in each other"),
        ("awe > 1 or " * 2000, "longer than 10,000 characters"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(text: str, said: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        sql(text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


HOSTILE = [
    "awe > 0.5; DROP TABLE tags",
    "awe > 0.5 -- and more",
    "awe > 0.5 /* comment */",
    "awe > (SELECT 1)",
    "awe > 1 union select * from read_csv('/etc/passwd')",
    "path in (select path from tags)",
    "read_text('/etc/passwd') = 'x'",
    "getenv('HOME') = 'x'",
    "awe::varchar = 'x'",
    "awe > ?",
    "awe > $1",
    'path = "x" or exists (select 1)',
    "awe + 1 > 1",
    "awe is null",
    "path like '%'",
    "path glob '*'",
    "case when awe > 1 then 1 end",
    "count(*) > 1",
    '"awe" > 1; attach "x"',
    "awe > 1\x00",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_other_sql_gets_through(text: str) -> None:
    with pytest.raises(ExpressionError):
        sql(text)


def test_texts_are_never_read_as_sql() -> None:
    found = parse("path = 'x'') OR 1=1 --'", KINDS, LABELS)  # type: ignore[arg-type]
    assert found == Condition("coalesce(\"path\", '') = ?", ("x') OR 1=1 --",), frozenset({"path"}))


WORDS = "and or not in contains awe fear emotion path select from 'awe' 0.5 1e3 read_csv é"
PARTS = st.sampled_from([*"()<>=,;'\"[]-*?\n", *WORDS.split()])


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, max_size=14).map(" ".join))
def test_whatever_is_written_is_refused_or_of_the_grammar(text: str) -> None:
    try:
        found = parse(text, KINDS, LABELS)  # type: ignore[arg-type]
    except ExpressionError:
        return
    assert found.sql.count("?") == len(found.parameters)
    # All that is not of the grammar has become a parameter.
    left = found.sql
    for name in KINDS:
        left = left.replace(f"coalesce(\"{name}\", '')", "c").replace(f'"{name}"', "c")
    for word in ("contains", "lower", "AND", "OR", "NOT", "IN", "true", "c", "?", *"()<>=!, "):
        left = left.replace(word, "")
    assert left == ""


def test_many_comparisons_fit(photos) -> None:
    tags: Tags = read_tags([photos / "tags.csv"])
    assert len(find(tags, " or ".join(["awe > 0.9"] * 700))) == 0
    assert len(find(tags, "(" * 49 + "awe >= 0" + ")" * 49)) == 6
