"""Light classifiers on frozen features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import ThreadpoolController

__all__ = ["LinearHead", "fit_linear_path"]

Features = NDArray[np.float32]

# Mean squared norm of the standardised features, so that one grid of penalties serves
# backbones of every width.
_SQUARED_NORM = 100.0
_SMALL = 4_000_000


@dataclass(frozen=True)
class LinearHead:
    """A linear layer on the raw averaged features.

    Attributes:
        weight: float64 (K, D); the standardisation of the features is folded in.
        bias: float64 (K,).
        c: the inverse L2 penalty it was fitted with.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    c: float

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Return (N, K) logits of features (N, D)."""
        return np.asarray(features.astype(np.float64) @ self.weight.T + self.bias)

    def arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return all that it consists of, by name."""
        return {"weight": self.weight, "bias": self.bias, "c": np.array(self.c)}


def fit_linear_path(
    features: Features,
    truth: NDArray[np.int_],
    c_grid: Sequence[float],
    *,
    standardise: bool = True,
) -> Iterator[LinearHead]:
    """Fit multinomial logistic regression for each penalty, weakest penalty last.

    An L2-penalised solution lies in the span of the N training rows, so it is found in
    at most N dimensions after an exact rotation: with 480 images and 2,136 features
    that is several times faster and gives the same result.

    Args:
        features: (N, D) averaged features.
        truth: (N,) class indices; every class 0..K-1 must occur.
        c_grid: inverse penalties.
        standardise: whether every feature counts alike; else by its own scale.

    Yields:
        One head for each value of the grid, in its order.
    """
    centre = features.mean(axis=0, dtype=np.float64)
    spread = features.std(axis=0, dtype=np.float64) + 1e-6
    if not standardise:
        spread = np.ones_like(spread)
    standard = (features - centre) / spread
    norm = np.sqrt((standard**2).sum(axis=1).mean() / _SQUARED_NORM)
    standard /= norm
    # On small problems threads wait for each other longer than they work.
    threads = 1 if standard.size < _SMALL else None
    limit = partial(ThreadpoolController().limit, limits=threads, user_api="blas")
    with limit():
        rotation = _rotation(standard)
        rotated = standard if rotation is None else standard @ rotation
    for c in c_grid:
        with limit():
            fitted = LogisticRegression(C=c, max_iter=1000, tol=1e-4).fit(rotated, truth)
            coefficients, intercept = _multinomial(fitted)
            if rotation is not None:
                coefficients = coefficients @ rotation.T
            weight = coefficients / (spread * norm)
            head = LinearHead(weight, intercept - weight @ centre, c)
        yield head


def _rotation(standard: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return (D, r) orthonormal columns that span the rows; ``None`` where r would be D."""
    rows, columns = standard.shape
    if rows > columns:
        return None
    eigenvalues, vectors = np.linalg.eigh(standard @ standard.T)
    kept = eigenvalues > 1e-6 * eigenvalues[-1]
    return np.asarray(standard.T @ (vectors[:, kept] / np.sqrt(eigenvalues[kept])))


def _multinomial(
    fitted: LogisticRegression,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return one row a class; scikit-learn keeps a single one for two classes."""
    weight, bias = np.asarray(fitted.coef_), np.asarray(fitted.intercept_)
    if len(weight) == 1:
        return np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias
