"""Flickr_LDL and Twitter_LDL: Yang, Sun and Sun (2017), AAAI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evoca.data.manifest.schema import VOTES
from evoca.data.readers.base import Row, reader, source_file, text_rows
from evoca.images import printable_name
from evoca.words import counted

__all__ = ["read_flickr", "read_twitter"]

# The files' own order, which is not the alphabetical one.
_ORDER = (
    "amusement",
    "awe",
    "contentment",
    "excitement",
    "anger",
    "disgust",
    "fear",
    "sadness",
)


@reader("flickr_ldl", files_required=False)
def read_flickr(source: Path) -> Iterator[Row]:
    """Flickr_LDL: 11,150 photographs, 11 viewers' votes each.

    ``ground_truth.txt`` (or the file itself): white space between cells, a file name and
    the votes for amusement, awe, contentment, excitement, anger, disgust, fear, sadness;
    with or without a header ``images-name Amusement ...``. Images lie in ``images/``.

    Source: Yang, Sun and Sun (2017), "Learning Visual Sentiment Distributions via
    Augmented Conditional Probability Neural Network".
    """
    yield from _read(source, "flickr_ldl.txt")


@reader("twitter_ldl", files_required=False)
def read_twitter(source: Path) -> Iterator[Row]:
    """Twitter_LDL: 10,032 photographs, 8 viewers' votes each.

    The layout and the source are those of Flickr_LDL.
    """
    yield from _read(source, "twitter_ldl.txt")


def _read(source: Path, own_name: str) -> Iterator[Row]:
    path = source_file(source, "ground_truth.txt", own_name)
    where = printable_name(path)
    prefix = "images/" if (path.parent / "images").is_dir() else ""
    order: tuple[str, ...] = _ORDER
    for row, cells in text_rows(path, delimiter=" "):
        if row == 1 and len(cells) == 9 and not any(cell.isdigit() for cell in cells[1:]):
            order = tuple(cell.lower() for cell in cells[1:])
            continue
        if len(cells) != 9:
            yield Row(
                where,
                row,
                {"image": cells[0]},
                f"{counted(len(cells), 'cell')}, a name and 8 votes wanted",
            )
            continue
        votes = {VOTES + emotion: cell for emotion, cell in zip(order, cells[1:], strict=True)}
        yield Row(where, row, {"image": prefix + cells[0], **votes})
