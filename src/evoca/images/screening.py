"""Notice pictures that are unlike the photographs the models were trained on.

Plain thresholds on the resized pixels, set so that drawn pages, drawn user interfaces
and empty pictures are named while few photographs are: of 1,245 research photographs
(600 of FI, 645 of OASIS) the rules name 0 blank, 4 a document and 1 a screenshot. They
do not try to find photographs *of* documents.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["screen"]

_NAMES = {
    "blank": "unlike a photograph: blank",
    "document": "unlike a photograph: document",
    "screenshot": "unlike a photograph: screenshot",
}


def screen(pixels: NDArray[np.uint8]) -> tuple[str, ...]:
    """Say in what way a picture is unlike a photograph.

    Args:
        pixels: uint8 (H, W, 3), RGB, at a model's input size.

    Returns:
        One warning, or none. Pictures a pixel wide or high are not judged beyond blank.

    >>> screen(np.full((64, 64, 3), 200, np.uint8))
    ('unlike a photograph: blank',)
    """
    values = pixels.astype(np.int16)
    if float(values.std(axis=(0, 1)).max()) < 5.0:
        return (_NAMES["blank"],)
    if min(values.shape[:2]) < 2:
        return ()
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


def _share_of_top_colours(values: NDArray[np.int16], top: int = 4) -> float:
    """Share of the pixels that the few most common colours (5 bits a channel) hold."""
    coarse = (values[::2, ::2] >> 3).astype(np.int32)
    codes = coarse[..., 0] * 1024 + coarse[..., 1] * 32 + coarse[..., 2]
    counts = np.sort(np.bincount(codes.ravel()))[::-1]
    return float(counts[:top].sum() / codes.size)
