"""Thumbnails for the page: decoded within limits and encoded again, without metadata."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from evoca.errors import ImageError
from evoca.images import ImageLimits
from evoca.images.sources import open_picture
from evoca.progress import Advance, advance_silently

__all__ = ["Picture", "encoded", "pictures_of", "thumbnail", "thumbnail_side"]

_FORMAT: Literal["WEBP"] = "WEBP"
_QUALITY = 70
# With this, 5,000 thumbnails, a third larger in base64, are well below 50 MB.
_SIDES = ((1_000, 320), (2_500, 240), (None, 192))


@dataclass(frozen=True)
class Picture:
    """One thumbnail.

    Attributes:
        data: base64 of a WebP file without metadata; empty where there is none.
        cause: why there is none.
    """

    data: str
    cause: str = ""


def thumbnail_side(count: int) -> int:
    """Return the longest side in pixels for a number of thumbnails: fewer may be larger.

    >>> thumbnail_side(600), thumbnail_side(5_000)
    (320, 192)
    """
    return next(side for most, side in _SIDES if most is None or count <= most)


def pictures_of(
    paths: Sequence[Path], side: int, advance: Advance = advance_silently
) -> Iterator[Picture]:
    """Yield the thumbnail of each file, in order; several are made in parallel.

    Args:
        paths: files; for those that are missing or no images, the picture has the cause.
        side: longest side in pixels.
        advance: called with 1 after each.
    """
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for picture in pool.map(lambda path: _picture(path, side), paths):
            advance(1)
            yield picture


def _picture(path: Path, side: int) -> Picture:
    try:
        image = open_picture(path, min_size=(side, side), limits=ImageLimits()).image
    except ImageError as error:
        return Picture("", error.cause)
    return Picture(encoded(image, side))


def encoded(image: Image.Image, side: int, form: Literal["WEBP", "JPEG"] = _FORMAT) -> str:
    """Return the thumbnail of a picture: base64 of :func:`thumbnail`."""
    return base64.b64encode(thumbnail(image, side, form)).decode("ascii")


def thumbnail(image: Image.Image, side: int, form: Literal["WEBP", "JPEG"] = _FORMAT) -> bytes:
    """Return the thumbnail of a picture: a file without metadata.

    Args:
        image: upright, mode RGB.
        side: longest side in pixels.
        form: WebP, or JPEG where programs that are no browsers must read it.
    """
    small = image.copy()
    small.thumbnail((side, side))
    file = io.BytesIO()
    # A new image from the pixels only: Pillow would copy EXIF, comments and profiles.
    Image.fromarray(np.array(small)).save(file, form, quality=_QUALITY, method=3)
    return file.getvalue()
