"""FI, Flickr and Instagram: You, Luo, Jin and Yang (2016), AAAI."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from evoca.data.manifest.schema import DISAGREE, VOTES
from evoca.data.readers.base import (
    Cell,
    Row,
    emotion_alias,
    is_link,
    linked_name,
    reader,
    text_rows,
    whole_number,
)
from evoca.data.readers.folder import class_folder_rows
from evoca.data.taxonomies import labels_of
from evoca.errors import DataError
from evoca.images import LeftOut, printable_name
from evoca.words import counted

__all__ = ["read"]

_LABELS = labels_of("mikels8")


@dataclass
class _Image:
    """The votes on one link."""

    file: str
    row: int
    name: str
    url: str
    votes: dict[str, tuple[int, int]] = field(default_factory=dict)


@reader("fi", files_required=False)
def read(source: Path) -> Iterator[Row | LeftOut]:
    """FI: one vote file per emotion (link, disagrees, agrees), or one folder per emotion.

    The vote files are tables without a header, one per emotion, named after it
    (``amusement_0.csv``). The last three cells of a row are a link to Flickr or
    Instagram, or a file name; how many workers disagreed, and how many agreed, that the
    image evokes the emotion; a running number may stand before them. An image listed
    under several emotions becomes one row. A file of such rows whose name starts with no
    emotion is refused, for a whole emotion would be missing. The layout of ``agg/*.csv``
    as the authors send it, also seen in public loaders (``_, url, disagree, agree``).

    Sources: You et al. (2016), "Building a Large Scale Dataset for Image Emotion
    Recognition: The Fine Print and The Benchmark"; https://qzyou.github.io/.
    """
    files, others = _vote_files(source)
    cause = f"votes, but the file's name starts with no emotion ({', '.join(_LABELS)})"
    if others and not files:
        raise DataError(f"{printable_name(others[0])}: {cause}")
    for path in others:
        yield Row(printable_name(path), 0, {"image": ""}, cause)
    if not files:
        yield from class_folder_rows(source, "mikels8")
        return
    images: dict[str, _Image] = {}
    taken: dict[str, str] = {}
    for emotion, path in files:
        for row, cells in text_rows(path):
            refused = _add(images, taken, emotion, printable_name(path), row, cells)
            if refused is not None:
                yield refused
    for image in images.values():
        yield Row(image.file, image.row, _cells(image))


def _vote_files(source: Path) -> tuple[list[tuple[str, Path]], list[Path]]:
    """Return the vote files with their emotions, and those that are named after none."""
    if source.is_file():
        candidates = [source]
    elif source.is_dir():
        candidates = sorted(p for p in source.iterdir() if p.suffix.lower() in {".csv", ".txt"})
    else:
        raise DataError(f"{printable_name(source)}: no such file or folder")
    found = [(emotion_alias(re.split(r"[_.\- ]", p.name)[0]), p) for p in candidates]
    files = [(emotion, path) for emotion, path in found if emotion in _LABELS]
    return files, [p for emotion, p in found if emotion not in _LABELS and _holds_votes(p)]


def _holds_votes(path: Path) -> bool:
    """Return whether a file begins like one of votes; notes and licences lie there too."""
    try:
        _, cells = next(text_rows(path), (0, []))
    except DataError:
        return False
    return len(cells) >= 3 and None not in map(whole_number, cells[-2:])


def _add(
    images: dict[str, _Image],
    taken: dict[str, str],
    emotion: str,
    file: str,
    row: int,
    cells: list[str],
) -> Row | None:
    """Add one row; return it as refused where it cannot be used."""
    if len(cells) < 3:
        return Row(
            file,
            row,
            {"image": ""},
            f"{counted(len(cells), 'cell')}; link, disagrees, agrees wanted",
        )
    link, *counts = cells[-3:]
    disagrees, agrees = (whole_number(count) for count in counts)
    if disagrees is None or agrees is None:
        return Row(file, row, {"image": link}, f"votes {counts} are not whole numbers")
    if min(disagrees, agrees) < 0:
        return Row(file, row, {"image": link}, f"votes {counts}: a count below zero")
    if not link:
        return Row(file, row, {"image": ""}, "no image in this row")
    image = images.get(link)
    if image is None:
        image = images[link] = _Image(file, row, _name(link, taken), link if is_link(link) else "")
    if emotion in image.votes:
        return Row(file, row, {"image": link}, f"the image is listed for {emotion} before")
    image.votes[emotion] = (agrees, disagrees)
    return None


def _name(link: str, taken: dict[str, str]) -> str:
    """Return the name of the image's file; two links never share one."""
    if not is_link(link):
        return link
    name = PurePosixPath(linked_name(link))
    serial = 1
    while taken.setdefault(str(name), link) != link:
        serial += 1
        name = PurePosixPath(linked_name(link))
        name = name.with_name(f"{name.stem}-{serial}{name.suffix}")
    return str(name)


def _cells(image: _Image) -> dict[str, Cell]:
    cells: dict[str, Cell] = {"image": image.name, "url": image.url}
    for emotion, (agrees, disagrees) in image.votes.items():
        cells[VOTES + emotion] = agrees
        cells[DISAGREE + emotion] = disagrees
    return cells
