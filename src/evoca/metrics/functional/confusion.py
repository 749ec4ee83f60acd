"""Figures that follow from the confusion matrix.

Every function but the first takes counts of shape (..., K, K), rows truth and columns
prediction, so a stack of resampled matrices costs one call. Averages over emotions
(balanced accuracy, macro F1) run over the emotions that have support: one that no
image evokes does not count.
"""

from __future__ import annotations

import numpy as np

from evoca.metrics.checks import FloatArray, IntArray, divide, row_weights

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "confusion_matrix",
    "f1",
    "macro_f1",
    "precision",
    "recall",
    "support",
    "weighted_f1",
]


def confusion_matrix(
    truth: IntArray, predicted: IntArray, classes: int, weights: FloatArray | None = None
) -> FloatArray:
    """Return the counts of pairs of true and predicted label.

    Args:
        truth: int (n,), 0..classes-1.
        predicted: int (n,), 0..classes-1.
        classes: K.
        weights: float (n,), how often each row counts; once each if omitted.

    Returns:
        float (K, K), rows truth, columns prediction.
    """
    cells = np.asarray(truth) * classes + np.asarray(predicted)
    counts = np.bincount(cells, row_weights(weights, len(cells)), minlength=classes * classes)
    return counts.astype(np.float64).reshape(classes, classes)


def support(confusion: FloatArray) -> FloatArray:
    """Return the number of rows that have each label as truth: (..., K)."""
    return np.asarray(confusion.sum(axis=-1), dtype=np.float64)


def accuracy(confusion: FloatArray) -> FloatArray:
    """Return the share of rows whose top label is the true one, 0..1: (...)."""
    return divide(_hits(confusion).sum(axis=-1), support(confusion).sum(axis=-1))


def precision(confusion: FloatArray) -> FloatArray:
    """Return the share of rows predicted as a label that have it: (..., K); 0 if there is none."""
    return divide(_hits(confusion), confusion.sum(axis=-2), empty=0.0)


def recall(confusion: FloatArray) -> FloatArray:
    """Return the share of rows with a label that are predicted so: (..., K); NaN without rows."""
    return divide(_hits(confusion), support(confusion))


def f1(confusion: FloatArray) -> FloatArray:
    """Return the harmonic mean of precision and recall: (..., K); NaN without support."""
    both = support(confusion) + confusion.sum(axis=-2)
    return np.where(support(confusion) > 0, divide(2 * _hits(confusion), both), np.nan)


def balanced_accuracy(confusion: FloatArray) -> FloatArray:
    """Return the mean recall over the labels with support, the papers' average recall: (...)."""
    return _mean_over(recall(confusion), _present(confusion))


def macro_f1(confusion: FloatArray) -> FloatArray:
    """Return the mean F1 over the labels with support: (...)."""
    return _mean_over(f1(confusion), _present(confusion))


def weighted_f1(confusion: FloatArray) -> FloatArray:
    """Return the mean F1, each label weighted by its support: (...)."""
    return _mean_over(f1(confusion), support(confusion))


def _hits(confusion: FloatArray) -> FloatArray:
    return np.asarray(np.diagonal(confusion, axis1=-2, axis2=-1), dtype=np.float64)


def _present(confusion: FloatArray) -> FloatArray:
    return np.asarray(support(confusion) > 0, dtype=np.float64)


def _mean_over(values: FloatArray, weights: FloatArray) -> FloatArray:
    kept = np.where(weights > 0, values, 0.0)
    return divide((kept * weights).sum(axis=-1), weights.sum(axis=-1))
