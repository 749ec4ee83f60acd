"""The interface of heads on frozen features: candidates, of which inner folds choose one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn

__all__ = ["Features", "FittedHead", "Fitter", "Truth"]

Features: TypeAlias = NDArray[np.float32]
"""(N, D), a vector per image."""
Truth: TypeAlias = NDArray[np.int_]
"""(N,) class indices."""


class FittedHead(Protocol):
    """A fitted head: logits of features, and arrays to store it."""

    @property
    def c(self) -> float:
        """Its candidate, such as an inverse penalty."""

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Return (N, K) logits of features (N, D)."""

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return its arrays by name."""

    def classifier(self, network: nn.Module, *, additive: bool) -> nn.Module:
        """Return a network with this head on its features.

        Args:
            network: returns maps (N, C, h, w), or vectors as maps of one cell.
            additive: whether its maps are maps, whose mean is the vector that was fitted on.
        """


class Fitter(Protocol):
    """Fits a head for each of its candidates, of which inner folds choose one."""

    @property
    def candidates(self) -> Sequence[float]:
        """The candidates to choose from."""

    def path(
        self, features: Features, truth: Truth, candidates: Sequence[float]
    ) -> Iterator[FittedHead]:
        """Yield one fitted head per candidate, in order.

        Args:
            features: (N, D) of training images alone.
            truth: (N,) class indices; every class 0..K-1 occurs.
            candidates: some of :attr:`candidates`.
        """
