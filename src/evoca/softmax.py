"""Logits to probabilities: the one place where it is done."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["softmax"]


def softmax(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return exp(logits / temperature) scaled to sum to 1 over the last axis.

    Args:
        logits: (..., K), of any precision; computed in double.
        temperature: above 0; higher is flatter (Guo et al. 2017).

    Returns:
        float64 (..., K).

    >>> softmax(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    exponent = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True), dtype=np.float64)
