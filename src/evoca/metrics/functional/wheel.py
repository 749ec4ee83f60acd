"""How far wrong an error is, on Mikels' wheel.

Calling excitement awe is a smaller error than calling it sadness. The distance of two
emotions is 1 + the steps between them around the wheel (Zhao et al. 2016, "Predicting
Personalized Emotion Perceptions of Social Images"). ECC and EMC, from Zhao et al.
(2024), "To Err Like Human: Affective Bias-Inspired Measures for Visual Emotion
Recognition Evaluation", NeurIPS, average the inverse of a distance that also keeps the
polarities apart, as the wheel alone puts excitement beside fear.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoca.emotions import MIKELS_WHEEL, Emotion
from evoca.metrics.checks import FloatArray, divide

__all__ = ["ecc", "emc", "severity_matrix", "wheel_distance", "wheel_matrix"]

_OPPOSITE = 4.0


def wheel_matrix(labels: Sequence[str]) -> FloatArray:
    """Return the steps around the wheel between all pairs of labels.

    Args:
        labels: K of the eight emotions.

    Returns:
        float (K, K), symmetric, 0 on the diagonal.

    Raises:
        ValueError: a label is not one of the eight.

    >>> wheel_matrix(["excitement", "awe", "fear"])
    array([[0., 1., 1.],
           [1., 0., 2.],
           [1., 2., 0.]])
    """
    places = np.array([MIKELS_WHEEL.index(Emotion(label)) for label in labels])
    apart = np.abs(places[:, None] - places)
    return np.asarray(np.minimum(apart, len(MIKELS_WHEEL) - apart), dtype=np.float64)


def severity_matrix(labels: Sequence[str]) -> FloatArray:
    """Return how severe it is to take one label for another.

    Zhao et al. (2024), equation 1: 1 + steps within a polarity, 4 + steps across, so
    that every error within a polarity is smaller than every error across.

    Args:
        labels: K of the eight emotions.

    Returns:
        float (K, K), symmetric, 1 on the diagonal, up to 8.

    Raises:
        ValueError: a label is not one of the eight.

    >>> severity_matrix(["excitement", "awe", "fear"])
    array([[1., 2., 5.],
           [2., 1., 6.],
           [5., 6., 1.]])
    """
    sides = np.array([Emotion(label).polarity.value for label in labels])
    same = sides[:, None] == sides[None, :]
    return np.where(same, 1.0, _OPPOSITE) + wheel_matrix(labels)


def wheel_distance(confusion: FloatArray, labels: Sequence[str]) -> FloatArray:
    """Return the mean steps between true and predicted emotion, 0 (no error) to 4: (...).

    Args:
        confusion: (..., K, K), rows truth, columns prediction.
        labels: K of the eight emotions.

    Raises:
        ValueError: a label is not one of the eight.
    """
    return _mean_cell(confusion, wheel_matrix(labels))


def ecc(confusion: FloatArray, labels: Sequence[str]) -> FloatArray:
    """Return the emotion confusion confidence, 0..1, higher is better: (...).

    Zhao et al. (2024), equation 3: accuracy, with partial credit of 1 / severity for an
    error. Arguments and errors as for :func:`wheel_distance`.
    """
    return _mean_cell(confusion, 1.0 / severity_matrix(labels))


def emc(confusion: FloatArray, labels: Sequence[str]) -> FloatArray:
    """Return the emotional misclassification confidence, 0..1, higher is better: (...).

    Zhao et al. (2024), equation 4: mean of 1 / (severity - 1) over the errors alone; 1
    where every error is to a neighbour of the same polarity, NaN without an error.
    Arguments and errors as for :func:`wheel_distance`.
    """
    severity = severity_matrix(labels)
    np.fill_diagonal(severity, np.inf)
    errors = confusion * (1.0 - np.eye(len(severity)))
    return _mean_cell(errors, 1.0 / (severity - 1.0))


def _mean_cell(confusion: FloatArray, cell: FloatArray) -> FloatArray:
    return divide((confusion * cell).sum(axis=(-2, -1)), confusion.sum(axis=(-2, -1)))
