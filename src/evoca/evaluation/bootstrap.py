"""Resample groups of rows: percentile intervals, and swaps for permutation tests.

Images that belong together (near-duplicates, photographs of one series) are not
independent, so whole groups are drawn, with replacement, and all rows of a drawn group
come along (the cluster bootstrap, Davison and Hinkley 1997, section 3.8). A draw is a
vector of counts, one a group; a figure of a draw is the figure with each row counted as
often as its group was drawn, so nothing is ever copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from evoca.evaluation.arrays import FloatArray, IntArray

__all__ = ["Figures", "draw_counts", "draw_swaps", "interval", "resample", "sum_by_group"]

Figures = Mapping[str, FloatArray]
"""Name to values of shape (B, ...), one for each of B draws."""

_CHUNK_NUMBERS = 4_000_000


def draw_counts(groups: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Yield how often each group is drawn, in chunks of draws that fit the cache.

    The same arguments give the same counts, so repeats and systems that share groups
    can be resampled alike.

    Args:
        groups: G, how many there are, and how many are drawn.
        draws: how many draws in all.
        seed: of the random generator.

    Yields:
        float (B, G), rows sum to G.
    """
    random = np.random.default_rng(seed)
    for size in _chunks(groups, draws):
        counts = np.empty((size, groups))
        for row in counts:
            row[:] = np.bincount(random.integers(groups, size=groups), minlength=groups)
        yield counts


def draw_swaps(groups: int, draws: int, seed: int) -> Iterator[FloatArray]:
    """Yield which groups two systems swap, each as likely as not.

    Args:
        groups: G.
        draws: how many draws in all.
        seed: of the random generator.

    Yields:
        float (B, G), 0 or 1.
    """
    random = np.random.default_rng(seed)
    for size in _chunks(groups, draws):
        yield random.integers(2, size=(size, groups)).astype(np.float64)


def resample(
    figures: Callable[[FloatArray], Figures], groups: int, draws: int, seed: int
) -> tuple[Figures, Figures]:
    """Compute figures once on all groups, and once for each draw.

    Args:
        figures: from counts (B, G) to name and values (B, ...).
        groups: G.
        draws: how many.
        seed: of the draws.

    Returns:
        The figures themselves, (...), and those of the draws, (draws, ...).
    """
    point = {name: values[0] for name, values in figures(np.ones((1, groups))).items()}
    chunks = [figures(counts) for counts in draw_counts(groups, draws, seed)]
    return point, {name: np.concatenate([chunk[name] for chunk in chunks]) for name in point}


def interval(drawn: FloatArray, coverage: float = 0.95) -> FloatArray:
    """Return the percentile interval of each figure.

    Draws in which a figure is not defined (no row of an emotion was drawn) are left out.

    Args:
        drawn: (draws, ...).
        coverage: of the interval.

    Returns:
        (2, ...), low and high; NaN where no draw defines the figure.
    """
    tail = (1 - coverage) / 2
    undefined = np.isnan(drawn).all(axis=0)
    filled = np.where(undefined, 0.0, drawn)
    return np.where(undefined, np.nan, np.nanquantile(filled, [tail, 1 - tail], axis=0))


def sum_by_group(columns: FloatArray, group: IntArray, groups: int) -> FloatArray:
    """Sum rows that share a group.

    Args:
        columns: (n, S).
        group: int (n,), 0..groups-1.
        groups: G.

    Returns:
        float (G, S); 0 for a group without a row.
    """
    totals = np.empty((groups, columns.shape[1]))
    for i, column in enumerate(columns.T):
        totals[:, i] = np.bincount(group, column, minlength=groups)
    return totals


def _chunks(groups: int, draws: int) -> Iterator[int]:
    size = max(1, _CHUNK_NUMBERS // groups)
    for start in range(0, draws, size):
        yield min(size, draws - start)
