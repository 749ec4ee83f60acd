"""Calibration of probabilities.

A calibrator maps logits (n, K) to probabilities (n, K). Fit it on rows that the model
did not learn from, and score it on rows that neither saw (:func:`cross_calibrate`), by
NLL and Brier score against the uncalibrated model, and by the calibration error against
:func:`~evoca.metrics.calibration_error.perfect_calibration_band`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evoca.errors import DataError, MissingExtraError
from evoca.metrics.checks import FloatArray, IntArray, as_probabilities, rows_where
from evoca.metrics.functional import nll
from evoca.softmax import softmax

__all__ = [
    "Calibrator",
    "Isotonic",
    "Temperature",
    "VectorScaling",
    "cross_calibrate",
    "fit_isotonic",
    "fit_temperature",
    "fit_vector_scaling",
    "likeliest",
]

Calibrator = Callable[[FloatArray], FloatArray]
"""From logits (n, K) to probabilities (n, K)."""

_TEMPERATURES = (0.01, 100.0)
_NEWTON_STEPS = 100
_SMALLEST_STEP = 1e-9


@dataclass(frozen=True)
class Temperature:
    """Probabilities are softmax(logits / value) (Guo et al. 2017)."""

    value: float

    def __call__(self, logits: FloatArray) -> FloatArray:
        """Return probabilities (n, K) of logits (n, K)."""
        return softmax(logits, self.value)


def fit_temperature(logits: FloatArray, truth: IntArray | FloatArray) -> float:
    """Return the temperature with the least NLL (Guo et al. 2017, section 4.2).

    The NLL is convex in 1 / temperature, so the sign of its slope is bisected.

    Args:
        logits: float (n, K).
        truth: int (n,), 0..K-1; or float (n, K), distributions, for the least
            cross-entropy with them.

    Returns:
        0.01..100; an end where the least lies beyond; 1 where all logits of every row
        are equal.

    Raises:
        DataError: no row, shapes that do not match, or logits that are not finite
            (rows named).
    """
    shares = np.asarray(truth)
    labels = np.asarray(truth, dtype=np.int64) if shares.ndim == 1 else shares.argmax(axis=1)
    logits = _checked(logits, labels)
    logits = logits - logits.max(axis=1, keepdims=True)
    if not logits.any():
        return 1.0
    if shares.ndim == 1:
        own = logits[np.arange(len(labels)), labels].mean()
    else:
        own = (as_probabilities(shares, logits.shape[1], "truth") * logits).sum(axis=1).mean()
    low, high = (1.0 / t for t in reversed(_TEMPERATURES))
    for _ in range(60):
        middle = (low * high) ** 0.5
        slope = (softmax(middle * logits) * logits).sum(axis=1).mean() - own
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(np.clip(1.0 / (low * high) ** 0.5, *_TEMPERATURES))


def likeliest(candidates: Sequence[FloatArray] | FloatArray, truth: IntArray) -> tuple[int, float]:
    """Return which model's logits have the least NLL, each at its own temperature.

    Args:
        candidates: float (n, K) of each.
        truth: int (n,), 0..K-1.

    Returns:
        Position of this model, the first of equals, and its temperature.

    Raises:
        DataError: as for :func:`fit_temperature`.
    """
    temperatures = [fit_temperature(logits, truth) for logits in candidates]
    pairs = zip(candidates, temperatures, strict=True)
    losses = [float(nll(truth, softmax(logits, own)).mean()) for logits, own in pairs]
    best = int(np.argmin(losses))
    return best, temperatures[best]


@dataclass(frozen=True)
class VectorScaling:
    """Probabilities are softmax(scale * logits + bias) (Guo et al. 2017).

    Attributes:
        scale: float (K,).
        bias: float (K,).
    """

    scale: FloatArray
    bias: FloatArray

    def __call__(self, logits: FloatArray) -> FloatArray:
        """Return probabilities (n, K) of logits (n, K)."""
        return softmax(self.scale * logits + self.bias)


def fit_vector_scaling(
    logits: FloatArray, truth: IntArray, strength: float = 1e-3
) -> VectorScaling:
    """Return the scale and bias of each label with the least penalised NLL.

    Args:
        logits: float (n, K).
        truth: int (n,), 0..K-1.
        strength: weight of the squared distance to scale 1 and bias 0, against the mean
            NLL. Above 0: a shared shift of the biases changes nothing, and with few
            rows per label the NLL alone would overfit.

    Raises:
        DataError: as for :func:`fit_temperature`.
    """
    logits = _checked(logits, truth)
    k = logits.shape[1]
    start = np.concatenate([np.ones(k), np.zeros(k)])

    def loss(parameters: FloatArray) -> float:
        p = softmax(parameters[:k] * logits + parameters[k:])[np.arange(len(truth)), truth]
        fit = -np.log(np.maximum(p, np.finfo(np.float64).tiny)).mean()
        return float(fit + strength * ((parameters - start) ** 2).sum())

    found = start
    for _ in range(_NEWTON_STEPS):
        slope, curvature = _slope_and_curvature(found, logits, truth)
        slope += 2 * strength * (found - start)
        step = np.linalg.solve(curvature + 2 * strength * np.eye(2 * k), slope)
        size = 1.0
        while size > _SMALLEST_STEP and loss(found - size * step) > loss(found):
            size /= 2
        found = found - size * step
        if np.abs(step).max() < _SMALLEST_STEP:
            break
    return VectorScaling(found[:k], found[k:])


def _slope_and_curvature(
    parameters: FloatArray, logits: FloatArray, truth: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return gradient (2K,) and Hessian (2K, 2K) of the mean NLL in scales and biases."""
    n, k = logits.shape
    p = softmax(parameters[:k] * logits + parameters[k:])
    excess = p - np.eye(k)[truth]
    slope = np.concatenate([(excess * logits).mean(axis=0), excess.mean(axis=0)])
    # In a row's logits the Hessian is diag(p) - p p'; these are both terms, carried over
    # to scales and biases and summed over rows.
    squares, products, sums = (np.diag((p * logits**i).sum(axis=0)) for i in (2, 1, 0))
    outer = np.concatenate([p * logits, p], axis=1)
    curvature = np.block([[squares, products], [products, sums]]) - outer.T @ outer
    return slope, curvature / n


@dataclass(frozen=True)
class Isotonic:
    """A rising curve for each label's softmax probability, then scaled to sum to 1.

    Attributes:
        curves: for each label, probabilities before and after, both rising.
    """

    curves: tuple[tuple[FloatArray, FloatArray], ...]

    def __call__(self, logits: FloatArray) -> FloatArray:
        """Return probabilities (n, K) of logits (n, K)."""
        columns = zip(softmax(logits).T, self.curves, strict=True)
        raised = np.stack([np.interp(p, *curve) for p, curve in columns], axis=1)
        return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)


def fit_isotonic(logits: FloatArray, truth: IntArray) -> Isotonic:
    """Return an isotonic regression of each label against the rest.

    Zadrozny and Elkan (2002), "Transforming Classifier Scores into Accurate Multiclass
    Probability Estimates". Curves stay within 1 / (n + 2) of 0 and 1: no number of rows
    shows that something is impossible.

    Args:
        logits: float (n, K).
        truth: int (n,), 0..K-1.

    Raises:
        DataError: as for :func:`fit_temperature`.
        MissingExtraError: scikit-learn is not installed.
    """
    logits = _checked(logits, truth)
    try:
        from sklearn.isotonic import IsotonicRegression
    except ImportError as error:
        raise MissingExtraError("isotonic calibration", "eval", "scikit-learn") from error
    floor = 1.0 / (len(truth) + 2)
    curves = []
    for label, column in enumerate(softmax(logits).T):
        fitted = IsotonicRegression(y_min=floor, y_max=1 - floor, out_of_bounds="clip")
        fitted.fit(column, truth == label)
        curves.append((fitted.X_thresholds_, fitted.y_thresholds_))
    return Isotonic(tuple(curves))


def cross_calibrate(
    logits: FloatArray,
    truth: IntArray,
    fold: IntArray,
    fit: Callable[[FloatArray, IntArray], Calibrator],
) -> FloatArray:
    """Return probabilities of each fold, calibrated by a fit on all other folds.

    Args:
        logits: float (n, K), each row's from a model that did not learn from it.
        truth: int (n,), 0..K-1.
        fold: int (n,), the fold each row is in; keep groups within a fold.
        fit: from logits and truth to a calibrator, such as :func:`fit_vector_scaling` or
            ``lambda z, y: Temperature(fit_temperature(z, y))``.

    Returns:
        float (n, K), probabilities that neither model nor calibrator learnt from their
        own row.

    Raises:
        DataError: fewer than two folds, or as for :func:`fit_temperature`.
    """
    logits = _checked(logits, truth)
    folds = np.unique(fold)
    if len(folds) < 2:
        raise DataError("calibration across folds needs at least two folds")
    calibrated = np.empty(logits.shape)
    for one in folds:
        inside = fold == one
        calibrated[inside] = fit(logits[~inside], truth[~inside])(logits[inside])
    return calibrated


def _checked(logits: FloatArray, truth: IntArray) -> FloatArray:
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 2 or not len(logits) or np.shape(truth) != logits.shape[:1]:
        raise DataError(
            f"calibration needs logits (n, K) and truth (n,) of at least one row, but they have "
            f"shapes {logits.shape} and {np.shape(truth)}"
        )
    bad = np.asarray(~np.isfinite(logits).all(axis=1))
    if bad.any():
        raise DataError(f"{rows_where(bad)}: logits: not a finite number")
    outside = (np.asarray(truth) < 0) | (np.asarray(truth) >= logits.shape[1])
    if outside.any():
        raise DataError(f"{rows_where(outside)}: true label outside 0..{logits.shape[1] - 1}")
    return logits
