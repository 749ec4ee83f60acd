"""The interface of all engines, and their outputs for a batch of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evoca.runtime.bundle import Bundle

__all__ = ["OUTPUT_NAMES", "Engine", "OpenEngine", "Outputs"]


Array = NDArray[np.float32]
OUTPUT_NAMES = ("logits", "evidence", "embedding", "affect")
"""The names that outputs of a graph may have, in this order."""


class Outputs(NamedTuple):
    """The outputs of a bundle for a batch of N images.

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


class Engine(Protocol):
    """An engine that runs a bundle's graph. Safe to share between threads."""

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """Return all outputs for a batch.

        Args:
            batch: uint8 (N, H, W, 3), RGB, at the input size in the card.

        Raises:
            BundleError: the graph fails, or its outputs contradict the card.
        """

    def stop(self) -> None:
        """End running and later calls in other threads with an error."""


OpenEngine: TypeAlias = "Callable[[Bundle, int | None], Engine]"
"""Loads a verified bundle for so many CPU threads; the engine's own choice if ``None``."""
