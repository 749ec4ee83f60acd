"""Resample groups of rows: percentile intervals, and swaps for permutation tests.

Images that belong together (near-duplicates, photographs of one series) are not
independent, so whole groups are drawn, with replacement, and all rows of a drawn group
come along (the cluster bootstrap, Davison and Hinkley 1997, section 3.8). A draw is a
vector of counts, one a group; a figure of a draw is the figure with each row counted as
often as its group was drawn, so nothing is ever copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist

import numpy as np

from evoca.evaluation.arrays import FloatArray, IntArray

__all__ = [
    "Figures",
    "corrected_interval",
    "draw_counts",
    "draw_swaps",
    "exact_interval",
    "interval",
    "nothing_varies",
    "resample",
    "sum_by_group",
]

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


def corrected_interval(drawn: FloatArray, value: float, coverage: float = 0.95) -> FloatArray:
    """Return the bias-corrected percentile interval of a single figure.

    Efron (1981), "Nonparametric standard errors and confidence intervals": where more than
    half of the draws lie below the figure, both ends move up, and the other way round. A
    macro F1 needs it: drawing rows twice lowers it (``benchmarks/interval_coverage.py``).

    Args:
        drawn: (draws,); draws in which the figure is not defined (NaN) are left out.
        value: the figure itself.
        coverage: of the interval.

    Returns:
        (2,), low and high; NaN where no draw defines the figure.
    """
    known = drawn[~np.isnan(drawn)]
    if not len(known) or np.isnan(value):
        return np.full(2, np.nan)
    below = (known < value).mean() + (known == value).mean() / 2
    least = 0.5 / len(known)  # a bias beyond all draws is as far as they can show
    normal = NormalDist()
    bias = normal.inv_cdf(float(np.clip(below, least, 1 - least)))
    ends = [normal.inv_cdf(tail) for tail in ((1 - coverage) / 2, (1 + coverage) / 2)]
    return np.asarray(np.quantile(known, [normal.cdf(2 * bias + end) for end in ends]))


def nothing_varies(drawn: FloatArray, value: float) -> bool:
    """Say whether every draw that defines a figure gives the figure itself."""
    known = drawn[~np.isnan(drawn)]
    return bool(len(known)) and not np.isnan(value) and bool((np.abs(known - value) < 1e-12).all())


def exact_interval(value: float, groups: int, coverage: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share that is 0 or 1 in each of some groups.

    Clopper and Pearson (1934), "The Use of Confidence or Fiducial Limits", with a trial a
    group: rows of one group may always be right together, so they count once.

    Args:
        value: 0 or 1.
        groups: trials, all with this outcome.
        coverage: of the interval.

    >>> [round(end, 3) for end in exact_interval(1.0, 20)]
    [0.832, 1.0]
    """
    far = ((1 - coverage) / 2) ** (1 / groups) if groups else 0.0
    return (far, 1.0) if value > 0.5 else (0.0, 1 - far)


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
