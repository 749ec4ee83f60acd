"""The mean of any figure a row, with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.evaluation.arrays import FloatArray, divide
from evoca.evaluation.bootstrap import Figures, interval, resample, sum_by_group
from evoca.evaluation.checks import group_index
from evoca.evaluation.result import Figure

__all__ = ["Groups", "mean_figure", "mean_figures"]

Groups = Sequence[Hashable] | NDArray[Any] | None
"""n group names; each row is its own group if omitted."""


def mean_figure(
    values: FloatArray, groups: Groups = None, *, draws: int = 1000, seed: int = 0
) -> Figure:
    """Return the mean with its 95% bootstrap interval, clustered by group.

    Args:
        values: float (n,), one a row.
        groups: n group names; each row is its own group if omitted.
        draws: of the bootstrap.
        seed: of the bootstrap.

    >>> mean_figure(np.array([1.0, 1.0, 1.0])).value
    1.0
    """
    return mean_figures({"mean": values}, groups, draws=draws, seed=seed)["mean"]


def mean_figures(
    columns: Mapping[str, FloatArray], groups: Groups = None, *, draws: int = 1000, seed: int = 0
) -> dict[str, Figure]:
    """Return several means, each over the rows where its column has a number.

    The same groups are drawn for all of them.

    Args:
        columns: name to float (n,); NaN where a row does not count.
        groups: n group names; each row is its own group if omitted.
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
    return {
        name: Figure(float(point["means"][i]), (float(low[i]), float(high[i])))
        for i, name in enumerate(columns)
    }
