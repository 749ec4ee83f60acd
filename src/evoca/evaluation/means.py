"""The mean of any figure a row, with its interval."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.evaluation.arrays import FloatArray, divide
from evoca.evaluation.bootstrap import Figures, exact_interval, interval, resample, sum_by_group
from evoca.evaluation.checks import group_index
from evoca.evaluation.result import Figure

__all__ = ["Groups", "mean_figure", "mean_figures"]

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
        values: float (n,), one a row.
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
