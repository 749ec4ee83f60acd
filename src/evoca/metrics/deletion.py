"""The deletion test: whether an evidence map finds the cells that a model relies on.

Petsiuk et al. 2018, "RISE", section 4.2: cells are removed in the order a map ranks
them; the faster the probability of the top class falls, the better the map.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DELETION_STEPS", "centre_map", "deletion_masks", "relative_area", "remove_cells"]

DELETION_STEPS = 8
"""Cells go in this many equal portions; the last step, an empty picture, is not run."""


def centre_map(rows: int, columns: int) -> NDArray[np.float64]:
    """Return (rows, columns) importance that falls with the distance to the centre.

    >>> int(centre_map(3, 3).argmax())
    4
    """
    y = (np.arange(rows) + 0.5) / rows - 0.5
    x = (np.arange(columns) + 0.5) / columns - 0.5
    return np.asarray(-np.hypot(y[:, None], x[None, :]))


def deletion_masks(
    importance: NDArray[np.floating], steps: int = DELETION_STEPS
) -> NDArray[np.bool_]:
    """Return which cells are removed after each step, the most important first.

    Args:
        importance: (h, w).
        steps: portions.

    Returns:
        bool (steps - 1, h, w): after portions 1..steps-1.
    """
    order = np.argsort(-importance.ravel(), kind="stable")
    rank = np.empty(order.size, dtype=np.int_)
    rank[order] = np.arange(order.size)
    counts = [round(order.size * step / steps) for step in range(1, steps)]
    return np.stack([(rank < count).reshape(importance.shape) for count in counts])


def remove_cells(pixels: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return a picture with cells replaced by its mean colour.

    Args:
        pixels: uint8 (H, W, 3).
        mask: bool (h, w), true for a cell to replace.

    Returns:
        A new array like ``pixels``.
    """
    rows, columns = (
        np.arange(side) * cells // side
        for side, cells in zip(pixels.shape[:2], mask.shape, strict=True)
    )
    gone = mask[np.ix_(rows, columns)]
    mean = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    return np.where(gone[..., None], mean, pixels)


def relative_area(untouched: float, after_steps: NDArray[np.floating]) -> float:
    """Return the mean probability over the steps, relative to the untouched picture's."""
    return float(np.mean(after_steps) / untouched)
