"""The reliability diagram: how often the model is right at each level of confidence."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.metrics.calibration_error import EqualMassBins, copies_of, simulated_hits
from evoca.metrics.checks import FloatArray, IntArray, divide
from evoca.metrics.ties import top_labels

__all__ = ["Reliability", "reliability"]


@dataclass(frozen=True)
class Reliability:
    """The points of a reliability diagram, one per bin, least confident first.

    Attributes:
        confidence: float (bins,), mean probability of the top label.
        accuracy: float (bins,), share of rows whose top label is the true one.
        low: float (bins,), 2.5% of perfectly calibrated models are below this accuracy.
        high: float (bins,), 2.5% of them are above.
        rows: float (bins,), in each bin; ties are shared out, so not always whole.
    """

    confidence: FloatArray
    accuracy: FloatArray
    low: FloatArray
    high: FloatArray
    rows: FloatArray


def reliability(
    probabilities: FloatArray,
    truth: IntArray,
    bins: int = 10,
    draws: int = 1000,
    seed: int = 0,
    groups: Sequence[Hashable] | NDArray[Any] | None = None,
) -> Reliability:
    """Return a reliability diagram with the band of perfect calibration.

    The bins hold the same number of rows, as those of :func:`~evoca.metrics.functional.ece`,
    so the mean gap between the two curves is that error. For the band each row's top label is
    drawn right with its own confidence (Bröcker and Smith 2007, "Increasing the
    Reliability of Reliability Diagrams"); copies, rows of one group with one label, are
    drawn as one. The band holds for each bin by itself: in four of ten diagrams of a perfect
    model, one of ten bins is outside.

    Args:
        probabilities: float (n, K), or (R, n, K) from R repeats, whose points and bands
            are averaged bin by bin.
        truth: int (n,), 0..K-1.
        bins: how many; no more than there are rows.
        draws: simulations.
        seed: of the simulations.
        groups: n group names; each row is its own if omitted.

    >>> p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
    >>> curve = reliability(p, np.array([0, 1, 1, 0]), bins=2)
    >>> curve.confidence.round(2).tolist(), curve.accuracy.tolist()
    ([0.55, 0.85], [0.5, 1.0])
    """
    runs = probabilities if probabilities.ndim == 3 else probabilities[None]
    copies = copies_of(groups, truth)
    found = [_one(run, truth, min(bins, len(truth)), draws, seed, copies) for run in runs]
    return Reliability(*np.mean(found, axis=0))


def _one(
    probabilities: FloatArray,
    truth: IntArray,
    bins: int,
    draws: int,
    seed: int,
    copies: IntArray,
) -> FloatArray:
    """Return the five arrays of one run, (5, bins)."""
    confidence = probabilities.max(axis=1)
    sorted_bins = EqualMassBins(confidence, bins)
    order = sorted_bins.order
    ones = np.ones(len(order))
    rows = sorted_bins.sums(ones, ones)
    right = (top_labels(probabilities) == truth).astype(np.float64)
    hits = simulated_hits(confidence[order], copies[order], np.random.default_rng(seed))
    drawn = [sorted_bins.sums(ones, next(hits)) for _ in range(draws)]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    sums = sorted_bins.sums(ones, confidence[order]), sorted_bins.sums(ones, right[order])
    return np.stack([*(divide(values, rows) for values in (*sums, low, high)), rows])
