"""A support vector machine with Gaussian kernels, kept as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from evoca.lab.fitters import Truth
from evoca.lab.heads import Features

__all__ = ["SvmFitter", "SvmMachine", "pairs"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SvmMachine:
    """One machine for each pair of labels, which vote; the sums of their margins break ties.

    Attributes:
        centre: (D,) of the features.
        spread: (D,) likewise.
        support: (S, D) standardised features of the support vectors.
        weight: (P, S) of each pair's machine.
        bias: (P,).
        gamma: of exp(-gamma |x - y|^2).
        c: cost it was fitted with.
    """

    centre: Floats
    spread: Floats
    support: Floats
    weight: Floats
    bias: Floats
    gamma: float
    c: float

    def logits(self, features: Features) -> Floats:
        """Return the one-against-rest decision values (N, K) of features (N, D).

        Votes plus sum / (3 (|sum| + 1)): scikit-learn's ``decision_function``, whose
        largest is what ``SVC(break_ties=True)`` predicts.
        """
        x = (features - self.centre) / self.spread
        own, theirs = (x * x).sum(axis=1), (self.support * self.support).sum(axis=1)
        distance = own[:, None] + theirs - 2 * x @ self.support.T
        decisions = np.exp(-self.gamma * distance) @ self.weight.T + self.bias
        first, second = pairs(len(self.bias))
        votes = (decisions >= 0) @ first + (decisions < 0) @ second
        margins = decisions @ (first - second)
        return np.asarray(votes + margins / (3 * (np.abs(margins) + 1)))

    def arrays(self) -> dict[str, Floats]:
        """Return all that it consists of, by name."""
        return {
            "centre": self.centre,
            "spread": self.spread,
            "support": self.support,
            "weight": self.weight,
            "bias": self.bias,
            "gamma": np.array(self.gamma),
            "c": np.array(self.c),
        }


def pairs(count: int) -> tuple[Floats, Floats]:
    """Return which label is first and which second in each of P pairs, as (P, K) of 0 and 1."""
    labels = round((1 + np.sqrt(1 + 8 * count)) / 2)
    both = np.array(list(combinations(range(labels), 2)))
    one = np.eye(labels)
    return one[both[:, 0]], one[both[:, 1]]


@dataclass(frozen=True)
class SvmFitter:
    """Support vector machines by their C (Cortes & Vapnik 1995).

    Attributes:
        candidates: for C.
        gamma: times the number of features and their variance.
        standardise: whether every feature gets the mean 0 and the variance 1 first.
    """

    candidates: tuple[float, ...]
    gamma: float
    standardise: bool = True

    def path(
        self, features: Features, truth: Truth, candidates: Sequence[float]
    ) -> Iterator[SvmMachine]:
        """Fit one machine a candidate; see :class:`evoca.lab.fitters.Fitter`."""
        centre = features.mean(axis=0, dtype=np.float64)
        # What never varies in training says nothing, whatever it is elsewhere.
        spread = features.std(axis=0, dtype=np.float64)
        spread = np.where(spread > 1e-6, spread, np.inf)
        gamma = self.gamma / features.shape[1]
        if not self.standardise:
            centre, spread = np.zeros_like(centre), np.ones_like(spread)
            gamma /= max(float(features.var(dtype=np.float64)), 1e-12)
        x = (features - centre) / spread
        for c in candidates:
            fitted = SVC(C=c, kernel="rbf", gamma=gamma).fit(x, truth)
            weight, bias = _by_pair(fitted)
            yield SvmMachine(centre, spread, fitted.support_vectors_, weight, bias, gamma, c)


def _by_pair(fitted: SVC) -> tuple[Floats, Floats]:
    """Give each pair of labels its own row of weights, positive for the first."""
    of_label = np.repeat(np.arange(len(fitted.n_support_)), fitted.n_support_)
    labels = len(fitted.n_support_)
    rows = []
    for one, other in combinations(range(labels), 2):
        row = np.zeros(len(of_label))
        row[of_label == one] = fitted.dual_coef_[other - 1, of_label == one]
        row[of_label == other] = fitted.dual_coef_[one, of_label == other]
        rows.append(row)
    # Of two labels alone scikit-learn turns the sign.
    sign = -1.0 if labels == 2 else 1.0
    return sign * np.stack(rows), sign * np.asarray(fitted.intercept_)
