"""Expected calibration error of the top label.

Rows are binned by confidence (the top label's probability); the error is the mean over
rows of the gap between a bin's accuracy and its mean confidence (Naeini et al. 2015;
Guo et al. 2017, "On Calibration of Modern Neural Networks"). With few rows even a
perfectly calibrated model has an error well above 0: judge it against
:func:`evoca.metrics.calibration.perfect_calibration_band`.
"""

from __future__ import annotations

import numpy as np

from evoca.metrics.checks import FloatArray, row_weights

__all__ = ["EqualMassBins", "ece", "ece_equal_width", "equal_width_bin"]


def ece(
    confidence: FloatArray,
    correct: FloatArray,
    bins: int = 10,
    weights: FloatArray | None = None,
) -> float:
    """Calibration error with bins that hold the same number of rows.

    The i-th of n rows in ascending confidence is in bin floor(bins (i + 1/2) / n). Rows
    of equal confidence that a bin's edge separates are shared out evenly, so that the
    order of the rows does not matter.

    Args:
        confidence: float (n,), probability of the top label.
        correct: (n,), 1 where the top label is the true one, else 0.
        bins: how many.
        weights: (n,), how often each row counts, whole numbers; once each if omitted.

    Returns:
        0..1, lower is better.
    """
    counts = row_weights(weights, len(confidence))
    sorted_bins = EqualMassBins(confidence, bins)
    gap = np.asarray(correct) - np.asarray(confidence)
    return sorted_bins.error(counts[sorted_bins.order], gap[sorted_bins.order])


def ece_equal_width(
    confidence: FloatArray,
    correct: FloatArray,
    bins: int = 10,
    weights: FloatArray | None = None,
) -> float:
    """Calibration error with bins of the same width on 0..1. Arguments as for :func:`ece`."""
    counts = row_weights(weights, len(confidence))
    gap = np.bincount(
        equal_width_bin(confidence, bins), counts * (correct - confidence), minlength=bins
    )
    return float(np.abs(gap).sum() / counts.sum())


def equal_width_bin(confidence: FloatArray, bins: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the bin of each row, 0..bins-1; an edge belongs to the bin below it."""
    return np.clip(np.ceil(np.asarray(confidence) * bins).astype(np.intp) - 1, 0, bins - 1)


class EqualMassBins:
    """Rows in order of confidence, sorted once for any number of errors.

    Attributes:
        order: int (n,), the rows in ascending confidence.
    """

    def __init__(self, confidence: FloatArray, bins: int = 10) -> None:
        self.order = np.argsort(confidence, kind="stable")
        self._bins = bins
        ordered = np.asarray(confidence)[self.order]
        last_of_tie = np.append(ordered[1:] != ordered[:-1], True)
        self._ends = None if last_of_tie.all() else np.flatnonzero(last_of_tie)

    def error(self, counts: FloatArray, gap: FloatArray) -> float:
        """Return the calibration error of rows given in the order of ``order``.

        Args:
            counts: float (n,), how often each row counts.
            gap: float (n,), correct - confidence of each row.
        """
        return float(np.abs(self.sums(counts, counts * gap)).sum() / counts.sum())

    def sums(self, counts: FloatArray, values: FloatArray) -> FloatArray:
        """Add up values in each bin, float (bins,), for rows given in the order of ``order``.

        Args:
            counts: float (n,), how often each row counts.
            values: float (n,), already multiplied by the counts.
        """
        passed, added = np.cumsum(counts), np.cumsum(values)
        if self._ends is not None:
            passed, added = passed[self._ends], added[self._ends]
        # First position of each bin under the rule in ece(); positions inside a tie are
        # reached by interpolation, which shares the tie out evenly.
        edges = np.ceil(np.arange(1, self._bins) * passed[-1] / self._bins - 0.5)
        at = np.interp(edges, np.append(0.0, passed), np.append(0.0, added))
        return np.diff(at, prepend=0.0, append=added[-1])
