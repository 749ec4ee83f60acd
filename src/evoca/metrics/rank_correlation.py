"""Rank correlations, with weights for the bootstrap, within groups, and given other columns.

Spearman (1904), "The Proof and Measurement of Association between Two Things": the correlation
of ranks, equal values sharing the mean of their ranks.
"""

from __future__ import annotations

import numpy as np

from evoca.metrics.checks import FloatArray, IntArray, divide
from evoca.progress import Advance, advance_silently

__all__ = [
    "Ranked",
    "correlations",
    "partial_correlation",
    "ranks_within",
    "shuffled_correlations",
    "spearman",
]

_SINGULAR = 1e-10


class Ranked:
    """Columns whose ranks under any weights take one pass, since they are sorted once."""

    def __init__(self, columns: FloatArray) -> None:
        """Sort columns, float (m, n)."""
        found = [np.unique(column, return_inverse=True) for column in columns]
        self._places = [np.asarray(places) for _, places in found]

    def ranks(self, weights: FloatArray) -> FloatArray:
        """Return the ranks (m, n) of rows that each count ``weights`` (n,) times.

        Equal values share the mean rank of all their copies.

        >>> Ranked(np.array([[5.0, 7.0, 7.0]])).ranks(np.ones(3))
        array([[1. , 2.5, 2.5]])
        >>> Ranked(np.array([[5.0, 7.0]])).ranks(np.array([2.0, 1.0]))
        array([[1.5, 3. ]])
        """
        rows = []
        for places in self._places:
            totals = np.bincount(places, weights)
            middle = np.cumsum(totals) - totals + (totals + 1) / 2
            rows.append(middle[places])
        return np.stack(rows)


def spearman(columns: FloatArray, weights: FloatArray | None = None) -> FloatArray:
    """Return the rank correlation of each pair of columns, (m, m); NaN where one is constant.

    Args:
        columns: float (m, n).
        weights: float (n,), how often each row counts; once each if omitted.

    >>> spearman(np.array([[1.0, 2.0, 3.0], [1.0, 4.0, 9.0]])).round(6)
    array([[1., 1.],
           [1., 1.]])
    """
    counts = np.ones(columns.shape[1]) if weights is None else weights
    return correlations(Ranked(columns).ranks(counts), counts)


def correlations(columns: FloatArray, weights: FloatArray) -> FloatArray:
    """Return Pearson's correlation of each pair of columns, (m, m); NaN where one is constant.

    Args:
        columns: float (m, n).
        weights: float (n,), how often each row counts.
    """
    mean = divide(columns @ weights, weights.sum())
    centred = columns - mean[:, None]
    covariance = (centred * weights) @ centred.T
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    found = divide(covariance, np.outer(deviation, deviation))
    return np.asarray(np.clip(found, -1.0, 1.0))


def partial_correlation(found: FloatArray, first: int, second: int, given: IntArray) -> float:
    """Return the correlation of two columns with others held fixed.

    Args:
        found: (m, m), as :func:`spearman` and :func:`correlations` return it.
        first: position of a column.
        second: of the other.
        given: positions of the columns that are held fixed; those that are constant are so.

    Returns:
        -1..1; NaN where it is not defined, such as where the others say all of a column.

    >>> found = np.array([[1.0, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5, 0.5, 1.0]])
    >>> round(partial_correlation(found, 0, 1, np.array([2])), 3)
    0.333
    """
    varying = [one for one in given if not np.isnan(found[one, one])]
    chosen = np.array([first, second, *varying])
    matrix = found[np.ix_(chosen, chosen)]
    if np.isnan(matrix).any() or np.linalg.eigvalsh(matrix)[0] < _SINGULAR:
        return float("nan")
    inverse = np.linalg.inv(matrix)
    return float(-inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1]))


def ranks_within(columns: FloatArray, group: IntArray) -> FloatArray:
    """Return ranks within each group as shares of its size, less their mean, float (m, n).

    Their correlation is that of ranks within groups: what differs between groups is no part of
    it, and large groups do not count for more than their number of rows.

    Args:
        columns: float (m, n).
        group: int (n,), 0..G-1.

    >>> ranks_within(np.array([[1.0, 2.0, 100.0, 300.0]]), np.array([0, 0, 1, 1])).round(3)
    array([[-0.167,  0.167, -0.167,  0.167]])
    """
    size = np.bincount(group)
    starts = np.cumsum(size) - size
    rows = []
    for column in columns:
        places = np.unique(column, return_inverse=True)[1]
        # By group and then by value: one sort ranks all groups.
        keys = group * np.int64(len(column)) + places
        within = Ranked(keys[None].astype(np.float64)).ranks(np.ones(len(column)))[0]
        rows.append((within - starts[group]) / (size[group] + 1) - 0.5)
    return np.stack(rows)


def shuffled_correlations(
    columns: FloatArray,
    outcome: FloatArray,
    group: IntArray,
    *,
    draws: int,
    seed: int,
    advance: Advance = advance_silently,
) -> FloatArray:
    """Return the correlations of columns with an outcome that is shuffled within groups.

    Args:
        columns: float (m, n), such as ranks.
        outcome: float (n,), likewise.
        group: int (n,), between which no row changes place; all 0 to shuffle freely.
        draws: how many shuffles.
        seed: of the shuffles.
        advance: called with 1 after each.

    Returns:
        float (draws, m); NaN for a column that is constant.
    """
    order = np.argsort(group, kind="stable")
    known, own = group[order], outcome[order] - outcome.mean()
    centred = columns[:, order] - columns.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1) * np.linalg.norm(own)
    random = np.random.default_rng(seed)
    found = np.empty((draws, len(columns)))
    for row in found:
        # Sorted by group and then by chance, each group keeps its places.
        row[:] = centred @ own[np.lexsort((random.random(len(own)), known))]
        advance(1)
    return divide(found, np.broadcast_to(lengths, found.shape))
