"""Array types, and the small operations that the figures share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FloatArray", "IntArray", "divide", "row_weights"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def divide(top: FloatArray, bottom: FloatArray, empty: float = np.nan) -> FloatArray:
    """Divide element by element, with ``empty`` where the divisor is 0.

    >>> divide(np.array([1.0, 0.0]), np.array([2.0, 0.0]), empty=0.0)
    array([0.5, 0. ])
    """
    top, bottom = np.broadcast_arrays(top, bottom)
    out = np.full(top.shape, empty)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def row_weights(weights: FloatArray | None, n: int) -> FloatArray:
    """Return how often each of ``n`` rows counts; once each where nothing is given.

    Raises:
        ValueError: not one finite number >= 0 a row, or all are 0.
    """
    if weights is None:
        return np.ones(n)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (n,):
        raise ValueError(f"weights have shape {given.shape}, but there are {n} rows")
    if not (np.isfinite(given).all() and (given >= 0).all() and given.any()):
        raise ValueError("weights must be finite, at least 0, and not all 0")
    return given
