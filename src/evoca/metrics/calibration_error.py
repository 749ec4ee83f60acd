"""The expected calibration error of the top label, and its value by chance alone.

Rows are binned by confidence (the top label's probability); the error is the mean over
rows of the gap between a bin's accuracy and its mean confidence (Naeini et al. 2015;
Guo et al. 2017, "On Calibration of Modern Neural Networks"). With few rows even a
perfectly calibrated model has an error well above 0: compare it with
:func:`perfect_calibration_band`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.metrics.checks import FloatArray, IntArray, group_index, row_weights

__all__ = [
    "Band",
    "EqualMassBins",
    "copies_of",
    "ece",
    "ece_equal_width",
    "equal_width_bin",
    "perfect_calibration_band",
    "simulated_hits",
]


def ece(
    confidence: FloatArray,
    correct: FloatArray,
    bins: int = 10,
    weights: FloatArray | None = None,
) -> float:
    """Return the calibration error with bins that hold the same number of rows.

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
    """Return the calibration error with bins of equal width on 0..1; arguments as in ``ece``."""
    counts = np.ones(len(confidence)) if weights is None else row_weights(weights, len(confidence))
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
        """Return the sum of values in each bin, float (bins,), for rows in the order of ``order``.

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


@dataclass(frozen=True)
class Band:
    """The calibration error by chance alone.

    Attributes:
        mean: over the simulations.
        low: 2.5% of the simulations are below.
        high: 2.5% of the simulations are above.
    """

    mean: float
    low: float
    high: float


def perfect_calibration_band(
    confidence: FloatArray,
    bins: int = 10,
    draws: int = 1000,
    seed: int = 0,
    *,
    copies: IntArray | None = None,
    equal_width: bool = False,
) -> Band:
    """Return the simulated ECE of a model whose confidences are all true.

    Each row's top label is drawn right with its own confidence (Bröcker and Smith 2007,
    "Increasing the Reliability of Reliability Diagrams"). A measured error inside the
    band is no sign of miscalibration. Copies share one draw, since all are right or all are
    wrong; counted as independent, they would make the band too narrow. All other rows count as
    independent.

    Args:
        confidence: float (n,), probability of the top label.
        bins: how many, as for the measured error.
        draws: simulations.
        seed: of the simulations.
        copies: int (n,), rows with one number are copies (:func:`copies_of`); none are if
            omitted.
        equal_width: bins of equal width, as of ``ece_equal_width``, not of equal mass.

    >>> band = perfect_calibration_band(np.linspace(0.2, 0.9, 600))
    >>> round(band.mean, 2), 0.02 < band.low < band.high < 0.08
    (0.05, True)
    """
    random = np.random.default_rng(seed)
    sorted_bins = EqualMassBins(confidence, bins)
    ordered = np.asarray(confidence, dtype=np.float64)[sorted_bins.order]
    hits = simulated_hits(ordered, None if copies is None else copies[sorted_bins.order], random)
    ones = np.ones_like(ordered)
    if equal_width:
        errors = [ece_equal_width(ordered, next(hits), bins) for _ in range(draws)]
    else:
        errors = [sorted_bins.error(ones, next(hits) - ordered) for _ in range(draws)]
    low, high = np.quantile(errors, [0.025, 0.975])
    return Band(float(np.mean(errors)), float(low), float(high))


def simulated_hits(
    confidence: FloatArray, copies: IntArray | None, random: np.random.Generator
) -> Iterator[FloatArray]:
    """Yield whether each top label is right, float (n,), where all confidences are true.

    Args:
        confidence: float (n,).
        copies: int (n,), rows with one number share a draw; each has its own if omitted.
        random: the generator.
    """
    own = (
        np.arange(len(confidence)) if copies is None else np.unique(copies, return_inverse=True)[1]
    )
    count = int(own.max()) + 1
    if count == len(own):  # no copies: the numbers as they come
        own = np.arange(count)
    while True:
        yield (random.random(count)[own] < confidence).astype(np.float64)


def copies_of(groups: Sequence[Hashable] | NDArray[Any] | None, truth: IntArray) -> IntArray:
    """Return numbers that rows share if they have the same group and true label.

    Args:
        groups: n group names; a row without one is its own.
        truth: int (n,), 0..K-1.

    >>> copies_of(["a", "a", "a", ""], np.array([0, 0, 1, 0])).tolist()
    [0, 0, 1, 2]
    """
    group = group_index(groups, len(truth))
    return np.asarray(
        np.unique(np.stack([group, truth]), axis=1, return_inverse=True)[1].ravel(), dtype=np.int64
    )
