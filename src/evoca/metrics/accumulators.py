"""The three kinds of figures, ready to be resampled.

Each class takes the rows of one run that have its kind of truth, sums what its figures
need by group, once, and then gives the figures for any counts of the groups: one matrix
product per chunk of draws. Only the confusion matrix, whose K x K sums per group would fill
the memory, and the equal-mass bins pass over the rows in each draw.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoca.emotions import MIKELS8, label_polarity
from evoca.metrics import functional as metrics
from evoca.metrics.bootstrap import Figures, sum_by_group
from evoca.metrics.calibration_error import EqualMassBins, equal_width_bin
from evoca.metrics.checks import FloatArray, IntArray, divide
from evoca.metrics.functional.affect import ccc_of, moments, pearson_of
from evoca.metrics.ties import top_labels

__all__ = ["AffectPart", "DistributionPart", "LabelPart", "Part"]

BINS = 10
TOP = (2, 3)


class LabelPart:
    """Figures against one true label per row.

    Args:
        truth: int (n,), 0..K-1.
        probabilities: float (n, K).
        labels: K names in the order that settles ties
            (:func:`evoca.metrics.ties.order_labels`); wheel figures only where all are of
            the eight, polarity where each has one, as two of one polarity that are one class.
        group: int (n,), 0..groups-1.
        groups: G.
    """

    def __init__(
        self,
        truth: IntArray,
        probabilities: FloatArray,
        labels: Sequence[str],
        group: IntArray,
        groups: int,
    ) -> None:
        self._labels = labels
        self._on_wheel = {str(label) for label in labels} <= {str(e) for e in MIKELS8}
        polar = all(label_polarity(str(label)) is not None for label in labels)
        predicted = top_labels(probabilities)
        confidence = probabilities.max(axis=1)
        means = {
            "nll": metrics.nll(truth, probabilities),
            "brier": metrics.brier(truth, probabilities),
            **{
                f"top{k}_accuracy": metrics.top_k_hits(truth, probabilities, k)
                for k in TOP
                if k < len(labels)
            },
        }
        if polar:
            means["polarity_accuracy"] = metrics.polarity_hits(truth, probabilities, labels)
        self._means = tuple(means)
        gap = (predicted == truth) - confidence
        gaps = np.eye(BINS)[equal_width_bin(confidence, BINS)] * gap[:, None]
        self._sums = sum_by_group(np.column_stack([*means.values(), gaps]), group, groups)
        self._bins = EqualMassBins(confidence, BINS)
        order = self._bins.order
        self._group, self._gap = group[order], gap[order]
        self._cell = (truth * len(labels) + predicted)[order]

    def figures(self, counts: FloatArray) -> Figures:
        """Return the figures for counts (B, G): (B,), (B, K) or (B, K, K)."""
        confusion, ece = self._pass_over_rows(counts)
        rows = confusion.sum(axis=(1, 2))
        means, gaps = np.split(counts @ self._sums, [len(self._means)], axis=1)
        found = {
            "accuracy": metrics.accuracy(confusion),
            "balanced_accuracy": metrics.balanced_accuracy(confusion),
            "macro_f1": metrics.macro_f1(confusion),
            "weighted_f1": metrics.weighted_f1(confusion),
            "ece": ece,
            "ece_equal_width": divide(np.abs(gaps).sum(axis=1), rows),
            **{name: divide(means[:, i], rows) for i, name in enumerate(self._means)},
            "precision": metrics.precision(confusion),
            "recall": metrics.recall(confusion),
            "f1": metrics.f1(confusion),
            "confusion": confusion,
        }
        if self._on_wheel:
            found["wheel_distance"] = metrics.wheel_distance(confusion, self._labels)
            found["ecc"] = metrics.ecc(confusion, self._labels)
            found["emc"] = metrics.emc(confusion, self._labels)
        return found

    def _pass_over_rows(self, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return confusion (B, K, K) and equal-mass calibration error (B,)."""
        k = len(self._labels)
        confusion, ece = np.empty((len(counts), k * k)), np.empty(len(counts))
        for i, draw in enumerate(counts):
            weights = draw[self._group]
            confusion[i] = np.bincount(self._cell, weights, minlength=k * k)
            ece[i] = self._bins.error(weights, self._gap) if weights.any() else np.nan
        return confusion.reshape(-1, k, k), ece


class DistributionPart:
    """Figures against the distribution of the viewers' votes.

    Args:
        truth: float (n, K).
        probabilities: float (n, K).
        group: int (n,), 0..groups-1.
        groups: G.
    """

    def __init__(
        self, truth: FloatArray, probabilities: FloatArray, group: IntArray, groups: int
    ) -> None:
        measures = {
            "kl": metrics.kl,
            "chebyshev": metrics.chebyshev,
            "clark": metrics.clark,
            "canberra": metrics.canberra,
            "cosine": metrics.cosine,
            "intersection": metrics.intersection,
            "random_rater": metrics.random_rater,
        }
        self._names = tuple(measures)
        columns = [measure(truth, probabilities) for measure in measures.values()]
        self._sums = sum_by_group(np.column_stack([*columns, np.ones(len(truth))]), group, groups)

    def figures(self, counts: FloatArray) -> Figures:
        """Return the figures for counts (B, G): (B,) each."""
        sums = counts @ self._sums
        return {name: divide(sums[:, i], sums[:, -1]) for i, name in enumerate(self._names)}


class AffectPart:
    """Figures against ratings on scales such as valence and arousal.

    Args:
        rated: float (n, D); NaN where a row is not rated.
        predicted: float (n, D).
        group: int (n,), 0..groups-1.
        groups: G.
    """

    def __init__(
        self, rated: FloatArray, predicted: FloatArray, group: IntArray, groups: int
    ) -> None:
        self._sums = []
        for x, y in zip(rated.T, predicted.T, strict=True):
            known = ~np.isnan(x)
            columns = np.column_stack([moments(x[known], y[known]), np.abs(x - y)[known]])
            self._sums.append(sum_by_group(columns, group[known], groups))

    def figures(self, counts: FloatArray) -> Figures:
        """Return the figures for counts (B, G): (B, D) each."""
        sums = np.stack([counts @ scale for scale in self._sums], axis=1)
        return {
            "ccc": ccc_of(sums[..., :6]),
            "pearson": pearson_of(sums[..., :6]),
            "mae": divide(sums[..., 6], sums[..., 0]),
        }


Part = LabelPart | DistributionPart | AffectPart
"""One kind of truth against one run of predictions."""
