"""Intervals by resampling groups of rows, and exact ones where there is nothing to resample.

Images that belong together (near-duplicates, photographs of one series) are not
independent, so whole groups are drawn, with replacement, and all rows of a drawn group
come along (the cluster bootstrap, Davison and Hinkley 1997, section 3.8). A draw is a
vector of counts, one per group. A figure of a draw is the figure with each row counted as
often as its group was drawn, so no row is copied. Swaps of groups are for permutation tests.

Where all rows are right, or none, every draw has the same figure, and the percentile
interval has no width. The interval of Clopper and Pearson (:func:`exact_interval`) then
takes its place, with the groups of rows that the share is of as trials.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.metrics.checks import FloatArray, IntArray, divide, group_index
from evoca.metrics.result import Figure

__all__ = [
    "Figures",
    "Groups",
    "corrected_interval",
    "draw_counts",
    "draw_swaps",
    "exact_interval",
    "interval",
    "intervals",
    "mean_figure",
    "mean_figures",
    "resample",
    "sum_by_group",
    "unvaried",
]

Figures = Mapping[str, FloatArray]
"""Name to values of shape (B, ...), one for each of B draws."""

_CHUNK_NUMBERS = 4_000_000
_NO_WIDTH = 1e-12  # below this the width of an interval is rounding


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
    """Yield which groups two systems swap, each with probability 1/2.

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
    """Return figures of all groups, and of each draw.

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
    least = 0.5 / len(known)  # the draws cannot show a larger bias
    normal = NormalDist()
    bias = normal.inv_cdf(float(np.clip(below, least, 1 - least)))
    ends = [normal.inv_cdf(tail) for tail in ((1 - coverage) / 2, (1 + coverage) / 2)]
    return np.asarray(np.quantile(known, [normal.cdf(2 * bias + end) for end in ends]))


def intervals(
    point: Figures, drawn: Figures, corrected: Collection[str] = ()
) -> dict[str, FloatArray]:
    """Return the 95% interval of each of several figures.

    Args:
        point: name to the figure itself, (...).
        drawn: name to its draws, (draws, ...).
        corrected: single figures that take :func:`corrected_interval`; the others take
            :func:`interval`.

    Returns:
        Name to (2, ...), low and high, for each name in ``drawn``.
    """
    return {
        name: corrected_interval(values, float(point[name]))
        if name in corrected
        else interval(values)
        for name, values in drawn.items()
    }


def unvaried(
    point: Figures, drawn: Figures, ends: Mapping[str, FloatArray], names: Iterable[str]
) -> tuple[str, ...]:
    """Return the single figures whose interval has no width.

    A few draws may lack a label, which changes an average over labels.

    Args:
        point: name to the figure itself.
        drawn: name to its draws; figures of several values, (draws, D), are passed over.
        ends: name to its interval (:func:`intervals`).
        names: of the figures to look at.
    """
    return tuple(
        name
        for name in names
        if drawn[name].ndim == 1
        and (
            _nothing_varies(drawn[name], float(point[name]))
            or bool(ends[name][1] - ends[name][0] < _NO_WIDTH)
        )
    )


def _nothing_varies(drawn: FloatArray, value: float) -> bool:
    """Return whether every draw that defines a figure has the same value as the figure."""
    known = drawn[~np.isnan(drawn)]
    same = np.abs(known - value) < _NO_WIDTH
    return bool(len(known)) and not np.isnan(value) and bool(same.all())


def exact_interval(value: float, groups: int, coverage: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share that is 0 or 1 in each of some groups.

    Clopper and Pearson (1934), "The Use of Confidence or Fiducial Limits", with one trial per
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
    """Return the sums of the rows of each group.

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


Groups = Sequence[Hashable] | NDArray[Any] | None
"""n group names; each row is its own group if omitted."""


def mean_figure(
    values: FloatArray,
    groups: Groups = None,
    *,
    share: bool = False,
    draws: int = 1000,
    seed: int = 0,
) -> Figure:
    """Return the mean with its 95% bootstrap interval, clustered by group.

    Args:
        values: float (n,), one per row.
        groups: n group names; each row is its own group if omitted.
        share: whether the mean is a share of the rows, whose interval is exact where all
            of them are 0, or all 1.
        draws: of the bootstrap.
        seed: of the bootstrap.

    >>> mean_figure(np.array([1.0, 1.0, 1.0])).value
    1.0
    """
    shares = {"mean"} if share else ()
    return mean_figures({"mean": values}, groups, shares=shares, draws=draws, seed=seed)["mean"]


def mean_figures(
    columns: Mapping[str, FloatArray],
    groups: Groups = None,
    *,
    shares: Collection[str] = (),
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Figure]:
    """Return several means, each over the rows where its column has a number.

    The same groups are drawn for all of them.

    Args:
        columns: name to float (n,); NaN where a row does not count.
        groups: n group names; each row is its own group if omitted.
        shares: columns of 0 and 1. Where all rows of one agree the bootstrap has nothing to
            vary, and its interval is the exact one over the groups.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        Name to figure; NaN where no row counts.

    >>> found = mean_figures({"all": np.array([0.0, 1.0]), "one": np.array([np.nan, 1.0])})
    >>> found["all"].value, found["one"].value
    (0.5, 1.0)
    """
    values = np.stack([np.asarray(column, dtype=np.float64) for column in columns.values()], axis=1)
    counted = ~np.isnan(values)
    group = group_index(groups, len(values))
    count = int(group.max()) + 1
    tops = sum_by_group(np.where(counted, values, 0.0), group, count)
    bottoms = sum_by_group(counted.astype(np.float64), group, count)

    def means(counts: FloatArray) -> Figures:
        return {"means": divide(counts @ tops, counts @ bottoms)}

    point, drawn = resample(means, count, draws, seed)
    low, high = interval(drawn["means"])
    found = {}
    for i, name in enumerate(columns):
        value, ends = float(point["means"][i]), (float(low[i]), float(high[i]))
        if name in shares and value in (0.0, 1.0):
            ends = exact_interval(value, int((bottoms[:, i] > 0).sum()))
        found[name] = Figure(value, ends)
    return found
