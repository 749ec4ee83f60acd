"""OASIS, the Open Affective Standardized Image Set: Kurdi, Lozano and Banaji (2017)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from evoca.data.manifest.schema import AFFECT_COLUMNS
from evoca.data.readers.base import Cell, Row, reader, source_file, text_rows
from evoca.errors import DataError
from evoca.images import printable_name
from evoca.words import counted

__all__ = ["read"]

_COLUMNS = dict(
    zip(
        AFFECT_COLUMNS,
        ("Valence_mean", "Valence_SD", "Valence_N", "Arousal_mean", "Arousal_SD", "Arousal_N"),
        strict=True,
    )
)
_LOWEST, _HIGHEST = 1, 7


@reader("oasis", ratings=(_LOWEST, _HIGHEST))
def read(source: Path) -> Iterator[Row]:
    r"""OASIS: 900 photographs with valence and arousal on 1..7; no emotion classes.

    ``OASIS.csv`` has lines that end in a bare carriage return, themes with trailing
    spaces, and the columns ``Theme, Category, Source, Valence_mean, Valence_SD,
    Valence_N, Arousal_mean, Arousal_SD, Arousal_N`` after an identifier. The image of a
    theme is ``Images/<theme>.jpg``, one of which is a PNG inside. Valence and arousal
    are ratings of affect: no emotion label is derived from them.

    Source: Kurdi, Lozano and Banaji (2017), "Introducing the Open Affective Standardized
    Image Set (OASIS)", Behavior Research Methods; https://osf.io/6pnd7/.
    """
    path = source_file(source, "OASIS.csv")
    where = printable_name(path)
    rows = text_rows(path)
    _, header = next(rows, (1, []))
    missing = sorted({"Theme", *_COLUMNS.values()} - set(header))
    if missing:
        raise DataError(f"{where}: row 1: no column {', '.join(missing)}")
    folder = next((n for n in ("Images", "images") if (path.parent / n).is_dir()), "Images")
    for row, cells in rows:
        if len(cells) != len(header):
            cause = f"{counted(len(cells), 'cell')}, the header has {len(header)}"
            yield Row(where, row, {"image": ""}, cause)
            continue
        named = dict(zip(header, cells, strict=True))
        found: dict[str, Cell] = {column: named[theirs] for column, theirs in _COLUMNS.items()}
        theme = named["Theme"]
        found |= {"image": f"{folder}/{theme}.jpg" if theme else "", "theme": theme}
        yield Row(where, row, found | {"category": named.get("Category", "")}, _beyond(found))


def _beyond(found: Mapping[str, Cell]) -> str:
    """Return which mean rating lies outside the scale; text is checked with all columns."""
    for column in ("valence", "arousal"):
        try:
            rating = float(str(found[column]))
        except ValueError:
            continue
        if not _LOWEST <= rating <= _HIGHEST:
            return f"{column} {rating:g}: ratings are from {_LOWEST} to {_HIGHEST}"
    return ""
