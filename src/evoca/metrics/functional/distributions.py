"""How close a predicted distribution is to the viewers' own: one number per row.

The six measures of Geng (2016), "Label Distribution Learning", IEEE TKDE 28(7), table 1,
with 0 / 0 = 0 and 0 log 0 = 0. For Chebyshev, Clark, Canberra and Kullback-Leibler
lower is better, for cosine and intersection higher. Clark and Canberra grow with the
number of labels K: some papers on image emotions divide Clark by sqrt(K) and Canberra
by K, so check before comparing.
"""

from __future__ import annotations

import numpy as np

from evoca.metrics.checks import FloatArray, divide
from evoca.metrics.functional.scores import SMALLEST
from evoca.metrics.ties import top_labels

__all__ = ["canberra", "chebyshev", "clark", "cosine", "intersection", "kl", "random_rater"]


def kl(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the Kullback-Leibler divergence of the prediction from the truth, in nats: (n,).

    Args:
        truth: float (n, K), rows sum to 1.
        predicted: float (n, K), rows sum to 1.
    """
    ratio = np.maximum(truth, SMALLEST) / np.maximum(predicted, SMALLEST)
    return _sum(truth * np.log(ratio))


def chebyshev(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the largest difference in any label, 0..1: (n,). Arguments as for :func:`kl`."""
    return np.asarray(np.abs(truth - predicted).max(axis=1), dtype=np.float64)


def clark(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the Clark distance, 0..sqrt(K): (n,). Arguments as for :func:`kl`."""
    return np.sqrt(_sum(_relative(truth, predicted) ** 2))


def canberra(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the Canberra metric, 0..K: (n,). Arguments as for :func:`kl`."""
    return _sum(_relative(truth, predicted))


def cosine(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the cosine of the angle between the two, 0..1: (n,). Arguments as for :func:`kl`."""
    lengths = np.linalg.norm(truth, axis=1) * np.linalg.norm(predicted, axis=1)
    return divide(_sum(truth * predicted), lengths)


def intersection(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the shared probability, 0..1: (n,). Arguments as for :func:`kl`."""
    return _sum(np.minimum(truth, predicted))


def random_rater(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return the chance that a viewer picked at random names the predicted top label, 0..1: (n,).

    Its mean is the accuracy against one random viewer per image, in expectation. No
    prediction can exceed the mean of ``truth.max(axis=1)``.

    Args:
        truth: float (n, K), shares of the viewers' votes, rows sum to 1.
        predicted: float (n, K), rows sum to 1.
    """
    top = top_labels(predicted)[:, None]
    return np.asarray(np.take_along_axis(truth, top, axis=1)[:, 0], dtype=np.float64)


def _relative(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    return divide(np.abs(truth - predicted), truth + predicted, empty=0.0)


def _sum(values: FloatArray) -> FloatArray:
    return np.asarray(values.sum(axis=1), dtype=np.float64)
