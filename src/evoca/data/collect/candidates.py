"""Candidates for a new data set: from a folder, or from a list of links.

Pictures found anywhere are decoded in a process of its own, which is ended where one takes
more time or memory than a photograph: only that picture is lost.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evoca.data.collect.keywords import Keyword, keywords_in
from evoca.emotions import MIKELS8
from evoca.errors import DataError, ImageError
from evoca.images import ImageLimits, find_images, printable_name
from evoca.images.isolated import DecodingPool
from evoca.images.sources import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from evoca.data.download import Outcome
    from evoca.data.manifest.table import Manifest

__all__ = [
    "Candidate",
    "Found",
    "candidates_from_folder",
    "candidates_from_links",
    "candidates_from_manifest",
]

# The common text columns of search results, where a link list has them.
_TEXT_COLUMNS = ("keyword", "query", "title", "tags", "description", "url")


@dataclass(frozen=True)
class Candidate:
    """An image, and the emotions it may evoke.

    Attributes:
        path: the file.
        sha256: of the file, hexadecimal.
        size: (width, height) in pixels, upright.
        emotions: emotion to the keyword that led to it; empty text where the source
            names the emotion itself.
        url: where it came from; may be empty.
    """

    path: Path
    sha256: str
    size: tuple[int, int]
    emotions: dict[str, str]
    url: str = ""


@dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        candidates: what can be reviewed.
        unmatched: printable names of images that no keyword matches.
        unreadable: printable names of files that are no readable images, and why.
    """

    candidates: list[Candidate] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def candidates_from_folder(folder: Path, keywords: list[Keyword]) -> Found:
    """Return the images of a folder, matched to emotions by their paths.

    The name of a folder named after an emotion counts, as in a folder of class folders.

    Args:
        folder: searched with all that lies below it.
        keywords: the table.

    Raises:
        DataError: the folder cannot be read, or holds no images.
    """
    found = Found()
    try:
        paths = list(find_images(folder))
    except OSError as error:
        raise DataError(f"{printable_name(folder)}: cannot be read: {error.strerror}") from error
    if not paths:
        raise DataError(f"{printable_name(folder)}: no images in this folder")
    with DecodingPool() as decoder:
        for path in paths:
            inside = path.relative_to(folder)
            named = {part.lower(): "" for part in inside.parts[:-1] if part.lower() in MIKELS8}
            emotions = named or keywords_in(str(inside.with_suffix("")), keywords)
            _add(found, decoder, path, emotions, "")
    return found


def candidates_from_links(
    rows: Iterable[Mapping[str, str]],
    outcomes: Sequence[Outcome],
    folder: Path,
    keywords: list[Keyword],
) -> Found:
    """Return downloaded links, matched to emotions by the text of their list.

    Args:
        rows: of the link list; ``emotion`` names the emotion, else ``keyword``,
            ``query``, ``title``, ``tags``, ``description`` and the address are searched.
        outcomes: of the download.
        folder: the download folder.
        keywords: the table.
    """
    files = {o.url: folder / o.image for o in outcomes if o.image}
    found = Found()
    with DecodingPool() as decoder:
        for row in rows:
            if (path := files.get(row["url"])) is not None:
                _add(found, decoder, path, _emotions(row, keywords), row["url"])
    return found


def candidates_from_manifest(manifest: Manifest, keywords: list[Keyword]) -> Found:
    """Return the images of a manifest, matched to emotions by label, else by its text.

    The columns are those of :func:`candidates_from_links`.
    """
    found = Found()
    columns = ("image", "emotion", *_TEXT_COLUMNS)
    with DecodingPool() as decoder:
        for path, cells in zip(manifest.paths(), manifest.rows(*columns), strict=True):
            row = {name: str(cell or "") for name, cell in zip(columns, cells, strict=True)}
            _add(found, decoder, path, _emotions(row, keywords), row["url"])
    return found


def _emotions(row: Mapping[str, str], keywords: list[Keyword]) -> dict[str, str]:
    """Return the label, else the keywords found in a row's text about its image."""
    named = row.get("emotion", "").strip().lower()
    if named in MIKELS8:
        return {named: ""}
    return keywords_in(" | ".join(row.get(column, "") for column in _TEXT_COLUMNS), keywords)


def _add(
    found: Found, decoder: DecodingPool, path: Path, emotions: dict[str, str], url: str
) -> None:
    name = printable_name(path)
    if not emotions:
        found.unmatched.append(name)
        return
    try:
        data = read_file(path, ImageLimits())
        size = decoder.decode(data, min_size=(64, 64)).size
    except ImageError as error:
        found.unreadable.append((name, error.cause))
        return
    digest = hashlib.sha256(data).hexdigest()
    found.candidates.append(Candidate(path, digest, size, emotions, url))
