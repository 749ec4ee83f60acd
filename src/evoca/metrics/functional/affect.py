"""Agreement of predicted and rated valence or arousal.

All three follow from weighted sums of six columns, :func:`moments`, which makes them
cheap to resample.
"""

from __future__ import annotations

import numpy as np

from evoca.metrics.checks import FloatArray, divide, row_weights

__all__ = ["ccc", "ccc_of", "mae", "moments", "pearson", "pearson_of"]


def ccc(truth: FloatArray, predicted: FloatArray, weights: FloatArray | None = None) -> float:
    """Return the concordance correlation coefficient (Lin 1989), with population moments.

    Args:
        truth: float (n,).
        predicted: float (n,), on the same scale.
        weights: float (n,), how often each row counts; once each if omitted.

    Returns:
        -1..1, 1 is perfect; NaN where both are constant and equal.
    """
    return float(ccc_of(row_weights(weights, len(truth)) @ moments(truth, predicted)))


def pearson(truth: FloatArray, predicted: FloatArray, weights: FloatArray | None = None) -> float:
    """Return the Pearson correlation, -1..1; NaN if one is constant. Arguments as in ``ccc``."""
    return float(pearson_of(row_weights(weights, len(truth)) @ moments(truth, predicted)))


def mae(truth: FloatArray, predicted: FloatArray, weights: FloatArray | None = None) -> float:
    """Return the mean absolute error, in the units of the scale. Arguments as for :func:`ccc`."""
    difference = np.abs(np.asarray(truth) - np.asarray(predicted))
    return float(np.average(difference, weights=row_weights(weights, len(truth))))


def moments(truth: FloatArray, predicted: FloatArray) -> FloatArray:
    """Return (n, 6): 1, x, y, x^2, y^2, xy for each row.

    Both are first moved by the mean of the truth, which changes neither coefficient and
    keeps the squares from cancelling.
    """
    centre = float(np.mean(truth))
    x, y = np.asarray(truth) - centre, np.asarray(predicted) - centre
    return np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1)


def ccc_of(sums: FloatArray) -> FloatArray:
    """Return the concordance of (..., 6) weighted sums of :func:`moments`: (...)."""
    mean_x, mean_y, var_x, var_y, cov = _central(sums)
    return divide(2.0 * cov, var_x + var_y + (mean_x - mean_y) ** 2)


def pearson_of(sums: FloatArray) -> FloatArray:
    """Return the correlation of (..., 6) weighted sums of :func:`moments`: (...)."""
    _, _, var_x, var_y, cov = _central(sums)
    return divide(cov, np.sqrt(var_x * var_y))


def _central(sums: FloatArray) -> tuple[FloatArray, ...]:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    mean_x, mean_y = divide(x, n), divide(y, n)
    var_x = np.maximum(divide(xx, n) - mean_x**2, 0.0)
    var_y = np.maximum(divide(yy, n) - mean_y**2, 0.0)
    return mean_x, mean_y, var_x, var_y, divide(xy, n) - mean_x * mean_y
