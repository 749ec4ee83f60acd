"""What a recipe fits on frozen features: candidates for a head, the same in every fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evoca.lab.heads import Features, LinearHead, fit_linear_path

__all__ = ["FittedHead", "Fitter", "GivenHead", "LinearFitter"]

Truth: TypeAlias = NDArray[np.int_]


class FittedHead(Protocol):
    """What a fitter gives: logits of features, and what is needed to keep it."""

    @property
    def c(self) -> float:
        """The candidate it is, such as an inverse penalty."""

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Return (N, K) logits of features (N, D)."""

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return all that it consists of, by name."""


class Fitter(Protocol):
    """Fits a head for each of its candidates, of which inner folds choose one."""

    @property
    def candidates(self) -> Sequence[float]:
        """What is chosen among."""

    def path(
        self, features: Features, truth: Truth, candidates: Sequence[float]
    ) -> Iterator[FittedHead]:
        """Fit one head a candidate, in their order.

        Args:
            features: (N, D) of training images alone.
            truth: (N,) class indices; every class 0..K-1 occurs.
            candidates: some of :attr:`candidates`.
        """


@dataclass(frozen=True)
class LinearFitter:
    """Multinomial logistic regression, by inverse penalty."""

    candidates: tuple[float, ...]

    def path(
        self, features: Features, truth: Truth, candidates: Sequence[float]
    ) -> Iterator[LinearHead]:
        """See :func:`evoca.lab.heads.fit_linear_path`."""
        return fit_linear_path(features, truth, candidates)


@dataclass(frozen=True)
class GivenHead:
    """A head that is not fitted: a zero-shot classifier's. Folds calibrate it alone."""

    head: LinearHead

    @property
    def candidates(self) -> tuple[float]:
        """The one there is."""
        return (self.head.c,)

    def path(
        self, features: Features, truth: Truth, candidates: Sequence[float]
    ) -> Iterator[LinearHead]:
        """Give the head whatever the features are."""
        del features, truth
        return (self.head for _ in candidates)
