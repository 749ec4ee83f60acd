"""Expected calibration error of the top label.

Rows are binned by confidence (the top label's probability); the error is the mean over
rows of the gap between a bin's accuracy and its mean confidence (Naeini et al. 2015;
Guo et al. 2017, "On Calibration of Modern Neural Networks"). With few rows even a
perfectly calibrated model has an error well above 0: judge it against
:func:`evoca.evaluation.calibration.perfect_calibration_band`.
"""

from __future__ import annotations

import numpy as np

from evoca.evaluation.arrays import FloatArray, row_weights

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
    return EqualMassBins(confidence, correct, bins).error(counts)


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
    """Rows in order of confidence, sorted once for any number of reweighted errors."""

    def __init__(self, confidence: FloatArray, correct: FloatArray, bins: int = 10) -> None:
        confidence = np.asarray(confidence, dtype=np.float64)
        self.order = np.argsort(confidence, kind="stable")
        self.bins = bins
        ordered = confidence[self.order]
        self._gap = np.asarray(correct, dtype=np.float64)[self.order] - ordered
        last_of_tie = np.append(ordered[1:] != ordered[:-1], True)
        self._ends = None if last_of_tie.all() else np.flatnonzero(last_of_tie)

    def error(self, counts: FloatArray) -> float:
        """Return the calibration error where row i counts ``counts[i]`` times."""
        return self.error_in_order(counts[self.order])

    def error_in_order(self, counts: FloatArray) -> float:
        """Return the same from counts that are already in the order of ``self.order``."""
        passed = np.cumsum(counts)
        gap = np.cumsum(counts * self._gap)
        if self._ends is not None:
            passed, gap = passed[self._ends], gap[self._ends]
        total = passed[-1]
        # First position of each bin under the rule in ece(); positions between two ends
        # of ties are reached by interpolation, which shares a tie out evenly.
        edges = np.ceil(np.arange(1, self.bins) * total / self.bins - 0.5)
        at = np.interp(edges, np.append(0.0, passed), np.append(0.0, gap))
        return float(np.abs(np.diff(at, prepend=0.0, append=gap[-1])).sum() / total)
