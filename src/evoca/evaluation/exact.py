"""How many independent trials stand behind a share, for exact intervals where all agree.

Where everything is right, or nothing, every bootstrap draw gives the same figure, and the
percentile interval has no width. The interval of Clopper and Pearson
(:func:`evoca.evaluation.bootstrap.exact_interval`) then takes its place, with the groups
of rows that the share is of as trials.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoca.evaluation.arrays import IntArray

__all__ = ["AVERAGED", "SHARES", "Trials"]

SHARES = frozenset(
    {"accuracy", "top2_accuracy", "top3_accuracy", "polarity_accuracy", "weighted_f1"}
)
"""Figures of all labelled rows that are 1 where all are right and 0 where none is."""
AVERAGED = frozenset({"balanced_accuracy", "macro_f1"})
"""Means over the labels, that are 1 where all rows are right and 0 where none is."""


class Trials:
    """Groups of labelled rows, counted for each kind of share.

    Args:
        truth: int (n,), 0..K-1.
        predicted: int (R, n), the top label in each repeat.
        group: int (n,).
    """

    def __init__(self, truth: IntArray, predicted: IntArray, group: IntArray) -> None:
        self._truth, self._predicted, self._group = truth, predicted, group

    def of(self, name: str) -> int:
        """Return the trials of a figure in :data:`SHARES` or :data:`AVERAGED`.

        A mean over K labels can hide most errors in the label with the fewest groups; it
        counts as if every label had as few.
        """
        if name in SHARES:
            return self._count(np.ones(len(self._truth), dtype=np.bool_))
        each = [self._count(self._truth == label) for label in np.unique(self._truth)]
        return len(each) * min(each)

    def of_label(self, name: str, label: int) -> int:
        """Return the trials of a label's ``recall``, ``precision`` or ``f1``."""
        own = self._truth == label
        called = (self._predicted == label).any(axis=0)
        return self._count({"recall": own, "precision": called, "f1": own | called}[name])

    def _count(self, rows: NDArray[np.bool_]) -> int:
        return len(np.unique(self._group[rows]))
