"""Found images on one picture: a contact sheet in the order in which they were found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evoca.collection.tags import Tags
from evoca.data.contact_sheet import Thumbnail, paste_thumbnail, thumbnail
from evoca.drafts import drafted
from evoca.emotions import style_of
from evoca.errors import EvocaError
from evoca.images import printable_name

__all__ = ["MOST_ON_SHEET", "SHEET_SUFFIXES", "write_sheet"]

SHEET_SUFFIXES = (".jpg", ".jpeg", ".png")
"""Endings of the names of contact sheets."""
MOST_ON_SHEET = 400
"""Images on a sheet at most."""

_SIDE, _MARGIN, _CAPTION, _BAR = 160, 10, 34, 4
_COLUMNS = 10


def write_sheet(rows: Iterable[dict[str, Any]], tags: Tags, out: Path) -> int:
    """Return how many images a contact sheet lacks; it has each with its likeliest emotion.

    Args:
        rows: of the table, in order; those after :data:`MOST_ON_SHEET` are left out.
        tags: the table.
        out: the file, which appears only when it is complete.

    Returns:
        The number of images that could not be read; their places show an empty frame.

    Raises:
        EvocaError: there are no rows, another file type, or it cannot be written.
    """
    name = printable_name(out)
    if out.suffix.lower() not in SHEET_SUFFIXES:
        raise EvocaError(f"{name}: a contact sheet's name ends in {', '.join(SHEET_SUFFIXES)}")
    shown = list(islice(rows, MOST_ON_SHEET))
    if not shown:
        raise EvocaError(f"{name}: not written, since no image was found")
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        small = list(pool.map(lambda row: _small(row, tags), shown))
    try:
        with drafted(out) as draft:
            kind = "PNG" if out.suffix.lower() == ".png" else "JPEG"
            _drawn(shown, small).save(draft, kind, quality=88)
    except OSError as error:
        raise EvocaError(f"{name}: cannot be written: {error.strerror or error}") from error
    return sum(one.image is None for one in small)


def _small(row: dict[str, Any], tags: Tags) -> Thumbnail:
    path = row["path"] or ""
    return thumbnail(path, tags.file_of(path), _SIDE)


def _drawn(rows: Sequence[dict[str, Any]], small: Sequence[Thumbnail]) -> Image.Image:
    columns = min(_COLUMNS, len(rows))
    wide, high = _SIDE + _MARGIN, _SIDE + _BAR + _CAPTION + _MARGIN
    size = (columns * wide + _MARGIN, -(-len(rows) // columns) * high + _MARGIN)
    sheet = Image.new("RGB", size, "white")
    for place, (row, item) in enumerate(zip(rows, small, strict=True)):
        down, across = divmod(place, columns)
        corner = (_MARGIN + across * wide, _MARGIN + down * high)
        paste_thumbnail(sheet, item, _centred(item, corner), _SIDE)
        _write_caption(sheet, row, item, (corner[0], corner[1] + _SIDE))
    return sheet


def _centred(item: Thumbnail, corner: tuple[int, int]) -> tuple[int, int]:
    if item.image is None:
        return corner
    width, height = item.image.size
    return corner[0] + (_SIDE - width) // 2, corner[1] + (_SIDE - height) // 2


def _write_caption(
    sheet: Image.Image, row: dict[str, Any], item: Thumbnail, corner: tuple[int, int]
) -> None:
    """Draw a bar as long as the likeliest emotion is likely, its name and the file's."""
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    emotion, share = row.get("emotion") or "", float(np.nan_to_num(row.get("confidence") or 0.0))
    left, top = corner
    if emotion:
        far = (left + round(min(max(share, 0.0), 1.0) * (_SIDE - 1)), top + _BAR - 1)
        draw.rectangle((corner, far), fill=style_of(emotion).colour)
        draw.text((left, top + _BAR), f"{emotion} {share:.0%}", "black", font)
    name = item.name.rpartition("/")[2]
    while name and draw.textlength(name, font) > _SIDE:
        name = f"...{name.removeprefix('...')[1:]}"
    draw.text((left, top + _BAR + 15), name, "#555", font)
