"""Tests of whether one system is better than another by more than chance.

Both systems must have predicted the same rows. Where several comparisons are made,
report their p-values after :func:`holm`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoca.errors import DataError
from evoca.metrics.accumulators import AffectPart, LabelPart
from evoca.metrics.bootstrap import Figures, draw_swaps, interval, resample, sum_by_group
from evoca.metrics.checks import (
    NO_LABEL,
    FloatArray,
    IntArray,
    as_probabilities,
    as_truth,
    check_support,
    group_index,
)
from evoca.metrics.ground_truth import Affect, as_ratings, as_runs
from evoca.metrics.ties import label_order, order_labels

__all__ = [
    "Difference",
    "compare_affect",
    "compare_predictions",
    "holm",
    "mcnemar",
    "p_value",
    "paired_differences",
    "permutation_test",
]

# Rounding must not separate a swap from the measured difference that it equals.
_ROUNDING = 1e-12


def permutation_test(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> float:
    """Return the p-value of a difference in mean score of two systems, on paired rows.

    If the systems are alike, their scores on any group of rows are swapped with probability
    1/2 (Good 2005, "Permutation, Parametric and Bootstrap Tests of Hypotheses").

    Args:
        first: float (n,), score of each row, such as hits, losses or absolute errors.
        second: float (n,), of the other system.
        groups: n group names, swapped as one; a row without one is its own.
        draws: random swaps.
        seed: of the swaps.

    Returns:
        Two-sided p-value, at least 1 / (draws + 1).

    Raises:
        DataError: not one finite score per row from each.
    """
    scores = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if scores[0].ndim != 1 or scores[0].shape != scores[1].shape:
        raise DataError(
            f"scores have shapes {scores[0].shape} and {scores[1].shape}: both need one per row"
        )
    if not np.isfinite(scores).all():
        raise DataError("scores must be finite numbers")
    group = group_index(groups, len(scores[0]))
    count = int(group.max()) + 1
    gains = sum_by_group((scores[1] - scores[0])[:, None], group, count)[:, 0]
    drawn = np.concatenate([(1 - 2 * s) @ gains for s in draw_swaps(count, draws, seed)])
    return p_value(float(gains.sum()), drawn)


@dataclass(frozen=True)
class Difference:
    """The difference of two systems in one figure.

    Attributes:
        value: second minus first.
        ci95: paired bootstrap interval of the difference.
        p: two-sided p-value of the permutation test.
    """

    value: float
    ci95: tuple[float, float]
    p: float


def compare_predictions(
    truth: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    allow_missing: bool = False,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Return the difference of two systems in every figure against labels, on the same rows.

    For the interval the same groups are drawn for both; for the test the systems'
    predictions are swapped on random groups and every figure, the calibration error
    included, is computed anew.

    Args:
        truth: int (n,), 0..K-1.
        first: float (n, K) or (R, n, K), as in
            :func:`evoca.metrics.evaluate.evaluate_predictions`.
        second: of the same shape.
        labels: names of the K labels.
        groups: n group names; a row without one is its own.
        allow_missing: compare although no row has some label.
        draws: of the bootstrap, and of the permutations.
        seed: of both.

    Returns:
        Figure to difference.

    Raises:
        DataError: as for ``evaluate_predictions``, or shapes that differ.
    """
    codes, runs = _checked(truth, first, second, labels)
    order = label_order(labels)  # which settles ties
    codes = np.argsort(order)[codes]
    labels, runs = order_labels(labels), (runs[0][..., order], runs[1][..., order])
    if not allow_missing:
        check_support(codes, labels)
    group = group_index(groups, len(codes))
    count = int(group.max()) + 1
    # Both systems share a part: the rows of the first are groups 0..G-1, those of the
    # second G..2G-1, and counts select the system of each group.
    twice, side_by_side = np.tile(codes, 2), np.append(group, group + count)
    parts = [
        LabelPart(twice, np.concatenate(pair), labels, side_by_side, 2 * count)
        for pair in zip(*runs, strict=True)
    ]
    return paired_differences(parts, count, draws, seed)


class Resampled(Protocol):
    """The figures of one repeat, for any counts of the groups."""

    def figures(self, counts: FloatArray) -> Figures:
        """Return name to values (B, ...) for counts (B, G)."""


def paired_differences(
    parts: Sequence[Resampled], count: int, draws: int, seed: int
) -> dict[str, Difference]:
    """Return the difference of two systems in every figure that is a single number.

    Args:
        parts: one per repeat; groups 0..G-1 are the first system's rows, G..2G-1 the second's.
        count: G.
        draws: of the bootstrap, and of the permutations.
        seed: of both.
    """

    def paired(counts: FloatArray) -> Figures:
        none = np.zeros_like(counts)
        return _gain(parts, np.hstack([counts, none]), np.hstack([none, counts]))

    point, drawn = resample(paired, count, draws, seed)
    swapped = [
        _gain(parts, np.hstack([1 - swap, swap]), np.hstack([swap, 1 - swap]))
        for swap in draw_swaps(count, draws, seed)
    ]
    by_chance = {name: np.concatenate([gain[name] for gain in swapped]) for name in point}
    return {
        name: Difference(
            value=float(value),
            ci95=(float(low), float(high)),
            p=p_value(float(value), by_chance[name]),
        )
        for name, value in point.items()
        for low, high in [interval(drawn[name])]
    }


def mcnemar(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence[Hashable] | NDArray[Any] | None = None,
) -> float:
    """Return the exact p-value of two systems being right equally often (McNemar 1947).

    Only rows that exactly one system has right count, for each with the same probability
    (binomial). Copies are not independent rows: with groups, a group counts once, for the
    system that has more of its rows right (the exact sign test over groups; with one row per
    group it is McNemar's test).

    Args:
        first: bool (n,), whether the top label is the true one.
        second: bool (n,), of the other system.
        groups: n group names; a row without one is its own.

    Returns:
        Two-sided p-value.

    Raises:
        DataError: not one value per row from each.

    >>> mcnemar([True, True, True, False], [True, False, False, True])
    1.0
    """
    right, other = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if right.ndim != 1 or right.shape != other.shape:
        raise DataError(f"hits have shapes {right.shape} and {other.shape}: both need one per row")
    group = group_index(groups, len(right))
    ahead = np.bincount(group, right.astype(np.float64) - other)
    only_first, only_second = int((ahead > 0).sum()), int((ahead < 0).sum())
    n = only_first + only_second
    ways = term = 1
    for k in range(min(only_first, only_second)):
        term = term * (n - k) // (k + 1)
        ways += term
    # Python's whole numbers keep this exact for any n.
    return min(1.0, 2 * ways / (1 << n))


def holm(p_values: Sequence[float]) -> FloatArray:
    """Return p-values adjusted for the number of comparisons (Holm 1979).

    If those at or below 0.05 are called significant, at most 5% of such families of
    comparisons have any error, dependent or not.

    Args:
        p_values: of all m comparisons that were made.

    Returns:
        float (m,), in the same order, at most 1.

    Raises:
        DataError: a p-value outside 0..1.

    >>> holm([0.04, 0.01, 0.03]).round(6).tolist()
    [0.06, 0.03, 0.06]
    """
    given = np.asarray(p_values, dtype=np.float64)
    if not ((given >= 0) & (given <= 1)).all():
        raise DataError("p-values must be between 0 and 1")
    order = np.argsort(given)
    raised = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1.0)
    return adjusted


def _checked(
    truth: ArrayLike, first: ArrayLike, second: ArrayLike, labels: Sequence[str]
) -> tuple[IntArray, tuple[FloatArray, FloatArray]]:
    """Return truth and both predictions (R, n, K), after a check that their rows agree."""
    one = as_runs(as_probabilities(first, len(labels), "first system"))
    other = as_runs(as_probabilities(second, len(labels), "second system"))
    if one.shape != other.shape:
        raise DataError(
            f"systems have predictions of shapes {one.shape} and {other.shape}: compare them on "
            "the same rows, with the same number of repeats"
        )
    codes = as_truth(truth, one.shape[1], len(labels), None)
    if (codes == NO_LABEL).any():
        raise DataError("a comparison needs a true label in every row: leave the others out")
    return codes, (one, other)


def _gain(
    parts: Sequence[Resampled], first_counts: FloatArray, second_counts: FloatArray
) -> Figures:
    """Return each single-number figure, second minus first, as the mean over repeats."""
    gains = [(part.figures(first_counts), part.figures(second_counts)) for part in parts]
    return {
        name: np.mean([second[name] - first[name] for first, second in gains], axis=0)
        for name, values in gains[0][0].items()
        if values.ndim == 1
    }


def p_value(measured: float, by_chance: FloatArray) -> float:
    """Return the share of chance results at least as far from 0, the measured one included.

    Args:
        measured: the figure itself; the p-value of NaN is NaN.
        by_chance: float (draws,), the figure where only chance is at work.
    """
    if np.isnan(measured):
        return np.nan
    # A draw that leaves the figure undefined counts against significance.
    smaller = np.abs(by_chance) < abs(measured) - _ROUNDING
    return float((1 + (~smaller).sum()) / (1 + len(by_chance)))


def compare_affect(
    first: Affect,
    second: Affect,
    groups: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Return the difference of two systems in CCC, Pearson and MAE, on the same rows.

    As :func:`evoca.metrics.significance.compare_predictions` does for labels.

    Args:
        first: ratings, and predictions (R, n, D) of one system.
        second: predictions of the other, with the same ratings and repeats.
        groups: n group names; a row without one is its own.
        draws: of the bootstrap, and of the permutations.
        seed: of both.

    Returns:
        ``ccc``, ``pearson`` and ``mae``, the mean over scales, and each scale's as
        ``ccc_valence``, to difference.

    Raises:
        DataError: shapes that differ, or numbers that are not finite.
    """
    shape = np.asarray(first.predicted).shape
    rated, one = as_ratings(first, shape[:2], None)
    _, other = as_ratings(Affect(rated, second.predicted, first.scales), shape[:2], None)
    group = group_index(groups, len(rated))
    count = int(group.max()) + 1
    parts = [
        _Single(
            AffectPart(
                np.tile(rated, (2, 1)),
                np.concatenate(pair),
                np.append(group, group + count),
                2 * count,
            ),
            first.scales,
        )
        for pair in zip(one, other, strict=True)
    ]
    return paired_differences(parts, count, draws, seed)


class _Single:
    """The figures of a part as single numbers: the mean over scales, and each scale's."""

    def __init__(self, part: AffectPart, scales: Sequence[str]) -> None:
        self._part, self._scales = part, scales

    def figures(self, counts: FloatArray) -> Figures:
        found = self._part.figures(counts)
        each = {
            f"{name}_{scale}": values[:, i]
            for name, values in found.items()
            for i, scale in enumerate(self._scales)
        }
        return {name: values.mean(axis=1) for name, values in found.items()} | each
