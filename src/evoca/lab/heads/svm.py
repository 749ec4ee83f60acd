"""Support vector machines on frozen features: fitted, and as the network that is exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.svm import SVC
from torch import Tensor, nn

from evoca.lab.heads.base import Features, Truth
from evoca.lab.models.base import EvidenceKind, SystemOutputs

__all__ = ["SvmClassifier", "SvmFitter", "SvmMachine", "VectorOf", "pairs"]

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
        """Return the arrays of the machine by name."""
        return {
            "centre": self.centre,
            "spread": self.spread,
            "support": self.support,
            "weight": self.weight,
            "bias": self.bias,
            "gamma": np.array(self.gamma),
            "c": np.array(self.c),
        }

    def classifier(self, network: nn.Module, *, additive: bool) -> SvmClassifier:
        """Return a network with this machine on its features; it has no evidence map."""
        del additive
        return SvmClassifier(network, self)


def pairs(count: int) -> tuple[Floats, Floats]:
    """Return the first and the second label of each of P pairs, as (P, K) of 0 and 1."""
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
        """Yield one machine per candidate; see :class:`evoca.lab.heads.base.Fitter`."""
        centre = features.mean(axis=0, dtype=np.float64)
        # A feature that never varies in training is ignored, whatever it is elsewhere.
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
    """Return one row of weights per pair of labels, positive for the first."""
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


class VectorOf(nn.Module):
    """The vector of a trained system as a map of one cell, (N, D, 1, 1)."""

    def __init__(self, system: nn.Module) -> None:
        super().__init__()
        self.system = system.requires_grad_(requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return the vector of uint8 images (N, H, W, 3)."""
        return cast("Tensor", self.system(image).embedding)[:, :, None, None]


class SvmClassifier(nn.Module):
    """Kernels against the support vectors, a vote of the pairs, margins to break ties.

    Gaussian kernels and one-against-rest decision values as :class:`evoca.lab.heads.svm.SvmMachine`
    has them. There is no evidence map.
    """

    evidence_bias: Tensor | None = None
    evidence_kind: EvidenceKind | None = None

    def __init__(self, backbone: nn.Module, machine: SvmMachine) -> None:
        """Join features and machine.

        Args:
            backbone: returns maps (N, D, h, w), or vectors as maps of one cell.
            machine: fitted on their spatial means.
        """
        super().__init__()
        self.backbone = backbone
        self.gamma = machine.gamma
        first, second = pairs(len(machine.bias))
        arrays = {
            "centre": machine.centre,
            "scale": 1 / machine.spread,
            "support": machine.support,
            "weight": machine.weight,
            "bias": machine.bias,
            "first": first,
            "second": second,
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(np.asarray(array, dtype=np.float32)))

    def _array(self, name: str) -> Tensor:
        return cast("Tensor", getattr(self, name))

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return all outputs of uint8 images (N, H, W, 3)."""
        embedding = self.backbone(image).mean(dim=(2, 3))
        x, support = (
            (embedding - self._array("centre")) * self._array("scale"),
            self._array("support"),
        )
        distance = (x * x).sum(dim=1, keepdim=True) + (support * support).sum(dim=1)
        kernels = torch.exp(-self.gamma * (distance - 2 * x @ support.T))
        decisions = kernels @ self._array("weight").T + self._array("bias")
        first, second = self._array("first"), self._array("second")
        won = (decisions >= 0).to(torch.float32)
        votes = won @ first + (1 - won) @ second
        margins = decisions @ (first - second)
        return SystemOutputs(votes + margins / (3 * (margins.abs() + 1)), None, embedding)
