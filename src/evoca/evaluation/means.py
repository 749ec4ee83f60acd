"""The mean of any figure a row, with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.evaluation.arrays import FloatArray
from evoca.evaluation.bootstrap import Figures, interval, resample, sum_by_group
from evoca.evaluation.checks import group_index
from evoca.evaluation.result import Figure

__all__ = ["mean_figure"]


def mean_figure(
    values: FloatArray,
    groups: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
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
    group = group_index(groups, len(values))
    count = int(group.max()) + 1
    sums = sum_by_group(np.stack([values, np.ones(len(values))], axis=1), group, count)

    def mean(counts: FloatArray) -> Figures:
        total = counts @ sums
        return {"mean": total[:, 0] / total[:, 1]}

    point, drawn = resample(mean, count, draws, seed)
    low, high = interval(drawn["mean"])
    return Figure(float(point["mean"]), (float(low), float(high)))
