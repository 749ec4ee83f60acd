"""Traits of pictures that may be behind a relation between emotions and an outcome."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from evoca.errors import ImageError
from evoca.images.attributes import brightness_of
from evoca.images.boxes import covered_share
from evoca.images.detectors import face_detector, text_detector
from evoca.images.sources import open_picture
from evoca.metrics.checks import FloatArray
from evoca.progress import Announce, silent

__all__ = ["TRAITS", "traits_of_images"]

TRAITS = ("brightness", "faces", "text")
"""Mean brightness 0..1, and the shares 0..1 of the picture within faces, and within text."""

_DECODE = (1024, 1024)  # JPEG at reduced scale is not decoded below this


def traits_of_images(
    files: Sequence[Path], names: Sequence[str], announce: Announce = silent
) -> dict[str, FloatArray]:
    """Return traits of images; faces and text need the extra ``vision``.

    Args:
        files: of n images.
        names: of some of :data:`TRAITS`.
        announce: shows progress.

    Returns:
        Name to float (n,), NaN where an image cannot be read.

    Raises:
        MissingExtraError: faces or text without their detectors.
    """
    measures = {name: _measure(name) for name in names}

    def measured(file: Path) -> list[float]:
        try:
            picture = open_picture(file, min_size=_DECODE).image
        except ImageError:
            return [np.nan] * len(measures)
        return [measure(picture) for measure in measures.values()]

    advance = announce(f"looking for {', '.join(names)}", len(files))
    found = np.empty((len(files), len(measures)))
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        for row, values in zip(found, pool.map(measured, files), strict=True):
            row[:] = values
            advance(1)
    return dict(zip(names, found.T, strict=True))


def _measure(name: str) -> Callable[[Image.Image], float]:
    if name == "brightness":
        return brightness_of
    find = face_detector() if name == "faces" else text_detector()
    return lambda picture: covered_share(find(picture))
