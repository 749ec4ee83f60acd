"""Figures of one predicted distribution against one true label: one number per row.

The figure of a data set is the mean over rows, ``nll(truth, probabilities).mean()``,
or a weighted one, ``np.average(..., weights=...)``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evoca.emotions import Polarity, label_polarity
from evoca.metrics.checks import FloatArray, IntArray
from evoca.metrics.ties import TIED

__all__ = ["brier", "nll", "polarity_hits", "positive_share", "top_k_hits"]

SMALLEST = float(np.finfo(np.float64).eps)
"""Probabilities are raised to this before a logarithm, so that one 0 is not infinite."""


def nll(truth: IntArray, probabilities: FloatArray) -> FloatArray:
    """Return the negative natural logarithm of the true label's probability: (n,), 0 is best.

    Args:
        truth: int (n,), 0..K-1.
        probabilities: float (n, K), rows sum to 1.
    """
    own = np.take_along_axis(probabilities, np.asarray(truth)[:, None], axis=1)[:, 0]
    return np.asarray(-np.log(np.maximum(own, SMALLEST)), dtype=np.float64)


def brier(truth: IntArray, probabilities: FloatArray) -> FloatArray:
    """Return the Brier score, multi-class form: (n,), 0 is best, 2 is worst.

    The squared differences to the one-hot truth, summed over the K labels as Brier
    (1950) has it: twice the form for two classes, and not divided by K.

    Args:
        truth: int (n,), 0..K-1.
        probabilities: float (n, K), rows sum to 1.
    """
    own = np.take_along_axis(probabilities, np.asarray(truth)[:, None], axis=1)[:, 0]
    return np.asarray((probabilities**2).sum(axis=1) - 2.0 * own + 1.0, dtype=np.float64)


def top_k_hits(truth: IntArray, probabilities: FloatArray, k: int) -> FloatArray:
    """Return 1 where the true label is among the k most likely, else 0: (n,).

    Of equal probabilities the label that comes first ranks higher.

    Args:
        truth: int (n,), 0..K-1.
        probabilities: float (n, K), rows sum to 1.
        k: how many of the most likely labels count, 1..K.
    """
    index = np.asarray(truth)[:, None]
    own = np.take_along_axis(probabilities, index, axis=1)
    before = np.arange(probabilities.shape[1]) < index
    equal = np.abs(probabilities - own) <= TIED
    ahead = ((probabilities > own) & ~equal) | (equal & before)
    return np.asarray(ahead.sum(axis=1) < k, dtype=np.float64)


def positive_share(probabilities: FloatArray, labels: Sequence[str]) -> FloatArray:
    """Return the summed probability of the positive emotions: (...), of (..., K).

    Raises:
        ValueError: a label is not one of the eight.
    """
    return np.asarray(probabilities[..., _positive(labels)].sum(axis=-1), dtype=np.float64)


def polarity_hits(truth: IntArray, probabilities: FloatArray, labels: Sequence[str]) -> FloatArray:
    """Return 1 where the predicted polarity is the true label's, else 0: (n,).

    The predicted polarity is positive where the positive emotions together hold at
    least half of the probability, which can differ from the top label's own polarity.

    Args:
        truth: int (n,), 0..K-1.
        probabilities: float (n, K), rows sum to 1.
        labels: K of the eight emotions, or of several of one polarity joined by a plus.

    Raises:
        ValueError: a label has no polarity.
    """
    predicted = positive_share(probabilities, labels) >= 0.5 - TIED
    return np.asarray(predicted == _positive(labels)[np.asarray(truth)], dtype=np.float64)


def _positive(labels: Sequence[str]) -> NDArray[np.bool_]:
    polarities = [label_polarity(label) for label in labels]
    if None in polarities:
        raise ValueError(f"{labels[polarities.index(None)]} has no polarity")
    return np.array([polarity is Polarity.POSITIVE for polarity in polarities])
