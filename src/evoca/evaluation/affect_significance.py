"""Is one system nearer to the viewers' valence and arousal than another?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.evaluation.arrays import FloatArray
from evoca.evaluation.bootstrap import Figures
from evoca.evaluation.checks import group_index
from evoca.evaluation.parts import AffectPart
from evoca.evaluation.significance import Difference, paired_differences
from evoca.evaluation.truth import Affect, as_ratings

__all__ = ["compare_affect"]


def compare_affect(
    first: Affect,
    second: Affect,
    groups: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Difference]:
    """Compare two systems in CCC, Pearson correlation and MAE, on the same rows.

    As :func:`evoca.evaluation.significance.compare_predictions` does for labels.

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
