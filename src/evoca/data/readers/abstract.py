"""Abstract paintings: Machajdik and Hanbury (2010), ACM Multimedia."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evoca.data.manifest.schema import VOTES
from evoca.data.readers.base import Row, emotion_alias, reader, source_file, text_rows
from evoca.data.taxonomies import labels_of
from evoca.errors import DataError
from evoca.images import printable_name
from evoca.words import counted

__all__ = ["read"]

_TABLE = "ABSTRACT_groundTruth.csv"


@reader("abstract")
def read(source: Path) -> Iterator[Row]:
    """Abstract: 280 abstract paintings with votes for the eight emotions.

    ``ABSTRACT_groundTruth.csv`` lies beside the images; text is in single quotes, the
    first header cell is empty, the others are ``Amusement, Anger, Awe, Content, Disgust,
    Excitement, Fear, Sad``.

    Sources: Machajdik and Hanbury (2010); https://www.imageemotion.org/.
    """
    path = source_file(source, _TABLE, f"testImages_abstract/{_TABLE}")
    folder = path.parent.relative_to(source) if source.is_dir() else Path()
    where = printable_name(path)
    rows = text_rows(path, quote="'")
    _, header = next(rows, (1, []))
    emotions = [emotion_alias(cell) for cell in header[1:]]
    unknown = sorted(set(emotions) - set(labels_of("mikels8")))
    if not emotions or unknown:
        raise DataError(
            f"{where}: row 1: not a header of emotions: {', '.join(unknown) or 'empty'}"
        )
    for row, cells in rows:
        if len(cells) != len(header):
            cause = f"{counted(len(cells), 'cell')}, the header has {len(header)}"
            yield Row(where, row, {"image": cells[0]}, cause)
            continue
        votes = {VOTES + emotion: cell for emotion, cell in zip(emotions, cells[1:], strict=True)}
        yield Row(where, row, {"image": (folder / cells[0]).as_posix(), **votes})
