"""Which search keywords stand for which emotion.

``keywords.csv`` beside this file is the table that is used where none is given. Six of
its keywords, marked ``rapolu2023``, are those that Rapolu et al. (2023) name as examples
for the set they collected; the others are a start, to be replaced by your own.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from evoca.emotions import MIKELS8
from evoca.errors import DataError
from evoca.images import printable_name

__all__ = ["Keyword", "keywords_in", "load_keywords"]

_SHIPPED = Path(__file__).with_name("keywords.csv")


@dataclass(frozen=True)
class Keyword:
    """A search keyword and the emotion it stands for."""

    emotion: str
    keyword: str


def load_keywords(path: Path | None = None) -> list[Keyword]:
    """Return the keywords of a table.

    Args:
        path: a CSV with the columns ``emotion`` and ``keyword``; the one that ships with
            Evoca if omitted.

    Raises:
        DataError: it cannot be read, lacks a column, names an unknown emotion, or is
            empty; one line that names file, line and cause.
    """
    path = path or _SHIPPED
    where = printable_name(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"emotion", "keyword"} <= set(reader.fieldnames or []):
                raise DataError(f"{where}: needs the columns emotion and keyword")
            keywords = [_checked(row, f"{where}: line {reader.line_num}") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{where}: cannot be read: {cause}") from error
    if not keywords:
        raise DataError(f"{where}: no keywords in it")
    return keywords


def keywords_in(text: str, keywords: list[Keyword]) -> dict[str, str]:
    """Return the emotions whose keywords a title, a tag list or a path contains.

    Words are compared without regard to case, punctuation and a plural s; a keyword of
    several words must occur in that order.

    Args:
        text: about a candidate.
        keywords: the table.

    Returns:
        Emotion to the first of its keywords that occurs.

    >>> keywords_in("trips/Snake-42 (two snakes).jpg", load_keywords())
    {'fear': 'snake'}
    """
    words = f" {' '.join(_words(text))} "
    found: dict[str, str] = {}
    for item in keywords:
        if f" {' '.join(_words(item.keyword))} " in words:
            found.setdefault(item.emotion, item.keyword)
    return found


def _checked(row: dict[str, str], where: str) -> Keyword:
    emotion, keyword = (row["emotion"] or "").strip().lower(), (row["keyword"] or "").strip()
    if emotion not in MIKELS8:
        raise DataError(f"{where}: unknown emotion {emotion!r}; one of {', '.join(MIKELS8)}")
    if not _words(keyword):
        raise DataError(f"{where}: no keyword")
    return Keyword(emotion, keyword)


def _words(text: str) -> list[str]:
    words = re.findall(r"[^\W_]+", text.casefold())
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in words]
