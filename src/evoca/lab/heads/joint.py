"""A linear head that learns from several sources: emotions by sums, valence and arousal.

The loss of an image is the cross-entropy of what its viewers named, where the probability of a
coarser label is the sum of its emotions' probabilities. For a label that is one emotion this is
multinomial logistic regression. Sources differ in how frequent their emotions are; a source's
log frequencies, less those of the first source, are added to its images' logits while the head
is fitted (logit adjustment, Menon et al. 2021, equation 10), so that the head answers for the
frequencies of the first. Valence and arousal are a ridge regression on the same features.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from torch import nn

from evoca.data.teaching import Teaching, source_offsets
from evoca.lab.heads.base import Features
from evoca.lab.heads.linear import AdditiveClassifier, LinearHead
from evoca.lab.heads.logistic import standardised
from evoca.softmax import softmax

__all__ = [
    "AffectHead",
    "Directions",
    "JointHead",
    "Lesson",
    "directions_of",
    "fit_affect",
    "fit_group_temperature",
    "fit_joint",
    "group_nll",
]

_DIRECTIONS = 512
"""Principal directions of the features that a head is fitted in. The others hold the least
variance, which the penalty leaves alone; fitting is three times as fast."""
_FEWEST = 1e-12


@dataclass(frozen=True, eq=False)
class Directions:
    """Standardised features in their principal directions, a linear map.

    Attributes:
        centre: float64 (D,).
        rotation: float64 (D, r), the standardisation folded in.
    """

    centre: NDArray[np.float64]
    rotation: NDArray[np.float64]

    def __call__(self, features: Features) -> Features:
        """Return features (N, D) in the directions, float32 (N, r)."""
        return np.asarray(((features - self.centre) @ self.rotation).astype(np.float32))

    def unfolded(self, head: JointHead) -> JointHead:
        """Return a head that was fitted in the directions as one on the features themselves."""
        emotions = LinearHead(*self._unfolded(head.emotions), head.emotions.c)
        affect = head.affect
        if affect is not None:
            affect = AffectHead(*self._unfolded(affect), affect.scale)
        return JointHead(emotions, affect)

    def _unfolded(
        self, layer: LinearHead | AffectHead
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weight = layer.weight @ self.rotation.T
        return weight, layer.bias - weight @ self.centre


def directions_of(features: Features, most: int = _DIRECTIONS) -> Directions:
    """Return the principal directions of features (n, D), each feature counting alike.

    The features are standardised, and scaled to a mean squared norm of 100.
    """
    rows, centre, spread = standardised(features)
    if rows.shape[0] < rows.shape[1]:
        values, vectors = np.linalg.eigh(rows @ rows.T)
        leading = np.flatnonzero(values > 1e-6 * values[-1])[::-1][:most]
        rotation = rows.T @ (vectors[:, leading] / np.sqrt(values[leading]))
    else:
        rotation = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :most]
    return Directions(centre, rotation / spread[:, None])


@dataclass(frozen=True)
class AffectHead:
    """A linear layer that predicts valence and arousal.

    Attributes:
        weight: float64 (2, D).
        bias: float64 (2,).
        scale: lowest and highest rating; predictions are cut there.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    scale: tuple[float, float]

    def __call__(self, features: Features) -> NDArray[np.float64]:
        """Return valence and arousal (N, 2) of features (N, D)."""
        found = features.astype(np.float64) @ self.weight.T + self.bias
        return np.asarray(np.clip(found, *self.scale))


@dataclass(frozen=True)
class JointHead:
    """The fitted layers of all tasks.

    Attributes:
        emotions: the layer of the K emotions.
        affect: that of valence and arousal; ``None`` where no image is rated.
    """

    emotions: LinearHead
    affect: AffectHead | None = None

    @property
    def c(self) -> float:
        """The inverse penalty of the emotions' layer."""
        return self.emotions.c

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Return (N, K) logits of features (N, D)."""
        return self.emotions.logits(features)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return its arrays by name."""
        found = self.emotions.arrays()
        if self.affect is not None:
            found |= {
                "affect_weight": self.affect.weight,
                "affect_bias": self.affect.bias,
                "affect_scale": np.array(self.affect.scale),
            }
        return found

    def classifier(self, network: nn.Module, *, additive: bool) -> AdditiveClassifier:
        """Return a network with the layers of all tasks."""
        return AdditiveClassifier(network, self.emotions, additive=additive, affect=self.affect)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> JointHead:
        """Return the head from the data of :meth:`arrays`.

        Raises:
            KeyError, ValueError: it is not such data.
        """
        emotions = LinearHead(arrays["weight"], arrays["bias"], float(arrays["c"]))
        if "affect_weight" not in arrays:
            return cls(emotions)
        low, high = arrays["affect_scale"].tolist()
        return cls(
            emotions, AffectHead(arrays["affect_weight"], arrays["affect_bias"], (low, high))
        )


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a head learns its emotions from.

    Attributes:
        features: float32 (n, D).
        shares: float64 (n, C), see :class:`evoca.data.teaching.Teaching`.
        matrix: float64 (C, K), which emotion belongs to which column.
        source: int64 (n,), of each image.
    """

    features: Features
    shares: NDArray[np.float64]
    matrix: NDArray[np.float64]
    source: NDArray[np.int64]

    @classmethod
    def of(cls, features: Features, shares: NDArray[np.float64], teaching: Teaching) -> Lesson:
        """Return the lesson of n images."""
        return cls(features, shares, teaching.matrix(), teaching.of)

    def take(self, chosen: NDArray[Any]) -> Lesson:
        """Return the lesson of some of the images."""
        return Lesson(self.features[chosen], self.shares[chosen], self.matrix, self.source[chosen])

    @property
    def first(self) -> int:
        """The first source that teaches emotions; its frequencies are those answered for."""
        return int(self.source[self.shares.sum(axis=1) > 0].min())


def fit_joint(lesson: Lesson, weights: Sequence[float], grid: Sequence[float]) -> list[LinearHead]:
    """Return a linear layer for each penalty, in the order of the grid.

    Args:
        lesson: n images, their features in :class:`Directions`.
        weights: of each source's images.
        grid: inverse penalties.
    """
    own = np.asarray(weights)[lesson.source]
    used = (own > 0) & (lesson.shares.sum(axis=1) > 0)
    lesson, own = lesson.take(used), own[used]
    k, width = lesson.matrix.shape[1], lesson.features.shape[1]
    shares, offsets = (
        lesson.shares * own[:, None],
        source_offsets(lesson.shares, lesson.source, lesson.matrix)[lesson.source],
    )
    problem = _Problem(lesson.features, shares, lesson.matrix, offsets)
    found: dict[float, LinearHead] = {}
    layer = np.zeros(k * (width + 1))
    for c in sorted(grid):  # each starts where a stronger penalty ended
        layer = problem.solve(c, layer)
        bias = layer[k * width :]
        found[c] = LinearHead(layer[: k * width].reshape(k, width), bias - bias.mean(), c)
    return [found[c] for c in grid]


@dataclass(frozen=True, eq=False)
class _Problem:
    """The penalised loss of a linear layer, and its gradient."""

    rows: NDArray[np.float32]
    shares: NDArray[np.float64]
    matrix: NDArray[np.float64]
    offsets: NDArray[np.float64]

    def solve(self, c: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the layer with the least loss, weights then biases, by L-BFGS."""
        found = minimize(
            self.loss,
            start,
            args=(c,),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 300, "maxcor": 20, "ftol": 1e-7, "gtol": 1e-3},
        )
        return np.asarray(found.x)

    def loss(self, layer: NDArray[np.float64], c: float) -> tuple[float, NDArray[np.float64]]:
        """Return c times the summed loss plus half the squared weights, and its gradient."""
        k, width = self.matrix.shape[1], self.rows.shape[1]
        weight, bias = layer[: k * width].reshape(k, width), layer[k * width :]
        logits = self.rows @ weight.T.astype(np.float32) + bias + self.offsets
        p = softmax(logits)
        sums = np.maximum(p @ self.matrix.T, _FEWEST)
        loss = -(self.shares * np.log(sums)).sum()
        pull = (self.shares / sums) @ self.matrix
        gradient = p * (self.shares.sum(axis=1, keepdims=True) - pull)
        of_weight = c * (gradient.astype(np.float32).T @ self.rows).astype(np.float64) + weight
        value = c * loss + 0.5 * float((weight**2).sum())
        return value, np.concatenate([of_weight.ravel(), c * gradient.sum(axis=0)])


def fit_affect(
    features: Features,
    ratings: NDArray[np.float64],
    grid: Sequence[float],
    scale: tuple[float, float],
) -> list[AffectHead]:
    """Return a ridge regression of valence and arousal for each penalty, in the grid's order.

    Args:
        features: float32 (n, r), in :class:`Directions`.
        ratings: (n, 2), NaN where unknown; each of the two is known of some image.
        grid: penalties.
        scale: lowest and highest rating.
    """
    layers = [_ridge(features[known], own[known], grid) for own, known in _known(ratings)]
    return [
        AffectHead(
            np.stack([weight for weight, _ in pair]), np.array([bias for _, bias in pair]), scale
        )
        for pair in zip(*layers, strict=True)
    ]


def _known(
    ratings: NDArray[np.float64],
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    for own in ratings.T:
        yield own, np.isfinite(own)


def _ridge(
    features: Features, wanted: NDArray[np.float64], grid: Sequence[float]
) -> list[tuple[NDArray[np.float64], float]]:
    centre, mean = features.mean(axis=0, dtype=np.float64), float(wanted.mean())
    rows = features - centre
    values, vectors = np.linalg.eigh(rows.T @ rows)
    along = vectors.T @ (rows.T @ (wanted - mean))
    weights = [vectors @ (along / (values + penalty)) for penalty in grid]
    return [(weight, mean - float(weight @ centre)) for weight in weights]


def group_nll(
    probabilities: NDArray[np.float64], shares: NDArray[np.float64], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the cross-entropy of what viewers named, in nats, per image.

    Args:
        probabilities: (n, K).
        shares: (n, C), not all 0 in a row; brought to a sum of 1.
        matrix: (C, K), which emotion belongs to which column.
    """
    sums = np.maximum(probabilities @ matrix.T, _FEWEST)
    own = shares / shares.sum(axis=1, keepdims=True)
    return np.asarray(-(own * np.log(sums)).sum(axis=1))


def fit_group_temperature(
    logits: NDArray[np.float64], shares: NDArray[np.float64], matrix: NDArray[np.float64]
) -> float:
    """Return the temperature with the least mean :func:`group_nll`, 0.05 to 20."""

    def loss(log: float) -> float:
        return float(group_nll(softmax(logits, float(np.exp(log))), shares, matrix).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))
