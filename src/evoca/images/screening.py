"""Rules that find pictures unlike the photographs the models were trained on.

The thresholds on the resized pixels find drawn pages, drawn user interfaces and empty
pictures, and few photographs. Of 1,245 research photographs (600 of FI, 645 of OASIS) the
rules find 0 blank pictures, 5 documents and 2 screenshots. Of the pictures that were drawn to
set them they find text on paper or screens of any colour, tables, line charts and scatter
plots, also as JPEGs. They miss bar charts, chats, short output on an empty screen and some
dense text in a JPEG. They do not search for photographs *of* documents.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["screen"]

_LEAST = 16
_NAMES = {
    "blank": "unlike a photograph: blank",
    "document": "unlike a photograph: document",
    "screenshot": "unlike a photograph: screenshot",
}


def screen(pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return a warning if a picture is unlike a photograph.

    Args:
        pixels: uint8 (H, W, 3), RGB, at a model's input size.

    Returns:
        One warning, or none. Pictures below 16 pixels per side can only be blank.

    >>> screen(np.full((64, 64, 3), 200, np.uint8))
    ('unlike a photograph: blank',)
    """
    values = pixels.astype(np.int16)
    if float(values.std(axis=(0, 1)).max()) < 5.0:
        return (_NAMES["blank"],)
    if min(values.shape[:2]) < _LEAST:
        return ()
    # Text and lines on one exact colour.
    ground, alike, broken = _ground(values)
    if alike >= 0.25 and alike * broken >= 0.055:
        return (_NAMES["document" if ground.max() >= 128 else "screenshot"],)
    across, down = np.abs(np.diff(values, axis=1)), np.abs(np.diff(values, axis=0))
    flat = float(((across[:-1].max(axis=2) <= 1) & (down[:, :-1].max(axis=2) <= 1)).mean())
    if flat < 0.4:
        return ()
    lowest = values.min(axis=2)
    paper = float((lowest >= 230).mean())
    chroma = float((values.max(axis=2) - lowest).mean())
    if paper > 0.6 and chroma < 8.0:
        return (_NAMES["document"],)
    # A bar or a frame: an edge that runs straight across nearly the whole width.
    ruled = float((down.mean(axis=2) > 4).mean(axis=1).max()) > 0.9
    if flat > 0.65 and ruled and _share_of_top_colours(values) > 0.75:
        return (_NAMES["screenshot"],)
    return ()


def _ground(values: NDArray[np.int16]) -> tuple[NDArray[np.float64], float, float]:
    """Return the background colour of a drawing, such as that of paper or a terminal.

    Returns:
        The most common colour (RGB, 0..255); the share of pixels within one level of it,
        which is small for nearly all skies, walls and dark parts of photographs; and how
        often a step to the right plus a step down enters or leaves it, as at letters and
        lines.
    """
    coarse = (values >> 2).astype(np.int32)
    codes = coarse[..., 0] * 4096 + coarse[..., 1] * 64 + coarse[..., 2]
    ground = np.median(values[codes == np.bincount(codes.ravel()).argmax()], axis=0)
    distance = np.abs(values - ground.astype(np.int16)).max(axis=2)
    near = distance <= 6
    broken = np.diff(near, axis=1).mean() + np.diff(near, axis=0).mean()
    return ground, float((distance <= 1).mean()), float(broken)


def _share_of_top_colours(values: NDArray[np.int16], top: int = 4) -> float:
    """Return the share of pixels of the few most common colours (5 bits per channel)."""
    coarse = (values[::2, ::2] >> 3).astype(np.int32)
    codes = coarse[..., 0] * 1024 + coarse[..., 1] * 32 + coarse[..., 2]
    counts = np.sort(np.bincount(codes.ravel()))[::-1]
    return float(counts[:top].sum() / codes.size)
