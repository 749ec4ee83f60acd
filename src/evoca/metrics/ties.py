"""One rule for labels that are equally likely, for any order of a table's columns.

Of equal probabilities the label that comes first in its taxonomy counts. Labels of no common
taxonomy are sorted by name. Every fixed rule favours a label, so ties are counted and reported
beside the figures.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evoca.emotions import TAXONOMIES
from evoca.metrics.checks import FloatArray, IntArray

__all__ = ["TIED", "label_order", "order_labels", "tied", "top_labels"]

TIED = 1e-9
"""Probabilities nearer than this are equal: the order of a sum changes its last digits."""


def order_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return labels in the order of the first taxonomy that has them all, else by name.

    >>> order_labels(["sadness", "awe", "fear"])
    ('awe', 'fear', 'sadness')
    >>> order_labels(["neutral", "joy"]), order_labels(["b", "a"])
    (('joy', 'neutral'), ('a', 'b'))
    """
    for own in TAXONOMIES.values():
        if set(labels) <= set(own):
            return tuple(sorted(labels, key=own.index))
    return tuple(sorted(labels))


def label_order(labels: Sequence[str]) -> IntArray:
    """Return the position in ``labels`` of each of :func:`order_labels`, int (K,)."""
    place = {label: i for i, label in enumerate(labels)}
    return np.array([place[label] for label in order_labels(labels)], dtype=np.int64)


def top_labels(probabilities: FloatArray, labels: Sequence[str] | None = None) -> IntArray:
    """Return the position of the likeliest label, int (...), for probabilities (..., K).

    Args:
        probabilities: float (..., K).
        labels: K names; the columns are in the order of :func:`order_labels` if omitted.

    >>> top_labels(np.array([[0.4, 0.4, 0.2]]), ["sadness", "awe", "fear"])
    array([1])
    """
    first = np.asarray(_among_top(probabilities))
    if labels is None:
        return np.asarray(first.argmax(axis=-1), dtype=np.int64)
    order = label_order(labels)
    return np.asarray(order[first[..., order].argmax(axis=-1)], dtype=np.int64)


def tied(probabilities: FloatArray) -> NDArray[np.bool_]:
    """Return where more than one label is the likeliest, bool (...), from (..., K).

    >>> tied(np.array([[0.4, 0.4, 0.2], [0.5, 0.3, 0.2]]))
    array([ True, False])
    """
    return np.asarray(_among_top(probabilities).sum(axis=-1) > 1)


def _among_top(probabilities: FloatArray) -> NDArray[np.bool_]:
    highest = probabilities.max(axis=-1, keepdims=True)
    return np.asarray(probabilities >= highest - TIED)
