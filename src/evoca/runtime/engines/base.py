"""What every engine computes for a batch of images, whatever runs the graph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["OUTPUT_NAMES", "Outputs"]

Array = NDArray[np.float32]
OUTPUT_NAMES = ("logits", "evidence", "embedding", "affect")
"""The names that outputs of a graph may have, in this order."""


class Outputs(NamedTuple):
    """What a bundle computes for a batch of N images.

    Attributes:
        logits: (N, K).
        evidence: (N, K, h, w) or (N, 1, h, w), or ``None``.
        embedding: (N, D), or ``None``.
        affect: (N, 2), valence and arousal in the card's range, or ``None``.
    """

    logits: Array
    evidence: Array | None
    embedding: Array | None
    affect: Array | None = None
