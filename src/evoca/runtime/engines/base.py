"""The interface of all engines, and their outputs for a batch of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evoca.runtime.bundle import Bundle

__all__ = ["OUTPUT_NAMES", "PRECISIONS", "Array", "Engine", "OpenEngine", "Outputs", "Precision"]

Array = NDArray[np.float32]
OUTPUT_NAMES = ("logits", "evidence", "embedding", "affect")
"""The names that outputs of a graph may have, in this order."""

Precision: TypeAlias = Literal["float32", "bf16", "int8"]
"""The numbers an engine multiplies; inputs and outputs are the same under each."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""All of them, the most exact first."""


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


class OpenEngine(Protocol):
    """Opens an engine: a class of engines, or a function."""

    def __call__(self, bundle: Bundle, threads: int | None, precision: Precision) -> Engine:
        """Return an engine that has loaded a verified bundle.

        Args:
            bundle: to load; its graph is an int8 one where its card has ``quantisation``.
            threads: of the CPU for one run; the engine's own choice if ``None``.
            precision: to compute in.

        Raises:
            BundleError: the graph is damaged, or not the one the card describes.
            EngineError: the engine does not run here, or not in this precision.
        """
