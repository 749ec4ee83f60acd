"""How far predictions move when pictures change.

From distributions alone: those before a change and those after it, on the same rows. All
figures come with 95% bootstrap intervals; the same groups are drawn for all of them, so
the change in accuracy is a paired difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from evoca.errors import DataError
from evoca.metrics.bootstrap import Groups, mean_figures
from evoca.metrics.checks import NO_LABEL, FloatArray, IntArray, as_probabilities, as_truth
from evoca.metrics.result import Figure
from evoca.metrics.ties import top_labels
from evoca.words import counted

__all__ = ["Masking", "Movement", "masking", "movements"]

_BEFORE = "as they are"
_SHARES = frozenset({"accuracy", "same_emotion"})


@dataclass(frozen=True)
class Movement:
    """How far one change moves predictions.

    Attributes:
        change: what was done, in words.
        accuracy: after it, 0..1; ``None`` where no row has a label.
        accuracy_change: after minus before, on the same rows; ``None`` without labels.
        same_emotion: share of the rows that keep their top emotion.
        distance: mean total variation between the distributions before and after, 0..1:
            half the sum of absolute differences, the share of probability that moved.
        drop: mean fall in the probability of the emotion that was on top, -1..1.
    """

    change: str
    accuracy: Figure | None
    accuracy_change: Figure | None
    same_emotion: Figure
    distance: Figure
    drop: Figure

    @property
    def flipped(self) -> Figure:
        """Share of the rows whose top emotion becomes another."""
        low, high = self.same_emotion.ci95
        return Figure(1.0 - self.same_emotion.value, (1.0 - high, 1.0 - low))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        figures = {name: getattr(self, name) for name in _FIGURES}
        return {"change": self.change} | {
            name: None if figure is None else figure.to_dict() for name, figure in figures.items()
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Movement:
        """Return the object from the data of :meth:`to_dict`."""
        read = {
            name: None if content[name] is None else Figure.from_dict(content[name])
            for name in _FIGURES
        }
        return cls(change=content["change"], **read)  # type: ignore[arg-type]


_FIGURES = ("accuracy", "accuracy_change", "same_emotion", "distance", "drop")


@dataclass(frozen=True)
class Masking:
    """Faces hidden, against equally large boxes elsewhere in the same pictures.

    Attributes:
        faces: with the faces hidden.
        elsewhere: with the boxes elsewhere hidden.
        same_emotion: of ``faces`` minus ``elsewhere``, paired; below 0 means that faces
            decide more than their area does.
        distance: the same difference; above 0 means the same.
        drop: the same difference; above 0 means the same.
        n: pictures compared.
        with_faces: pictures in which a face was found; those without room for boxes
            elsewhere are among them, but not compared.
    """

    faces: Movement
    elsewhere: Movement
    same_emotion: Figure
    distance: Figure
    drop: Figure
    n: int
    with_faces: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "n": self.n,
            "with_faces": self.with_faces,
            "faces": self.faces.to_dict(),
            "elsewhere": self.elsewhere.to_dict(),
            "faces_minus_elsewhere": {
                name: getattr(self, name).to_dict() for name in _PAIRED_FIGURES
            },
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Masking:
        """Return the object from the data of :meth:`to_dict`."""
        paired = content["faces_minus_elsewhere"]
        return cls(
            faces=Movement.from_dict(content["faces"]),
            elsewhere=Movement.from_dict(content["elsewhere"]),
            **{name: Figure.from_dict(paired[name]) for name in _PAIRED_FIGURES},
            n=content["n"],
            with_faces=content["with_faces"],
        )


_PAIRED_FIGURES = ("same_emotion", "distance", "drop")


def movements(
    before: ArrayLike,
    after: Mapping[str, ArrayLike],
    truth: ArrayLike | None = None,
    groups: Groups = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[Figure | None, tuple[Movement, ...]]:
    """Return how far each change moves predictions.

    Args:
        before: float (n, K), the distributions of the pictures as they are.
        after: change to float (n, K), of the same pictures changed.
        truth: int (n,), position of the true label, or -1 where a row has none.
        groups: n group names; each row is its own group if omitted.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The accuracy before, ``None`` where no row has a label, and one movement per change.

    Raises:
        DataError: no rows, shapes that differ, or a row that is no distribution (named).

    >>> before = [[0.9, 0.1], [0.4, 0.6]]
    >>> _, (same, turned) = movements(before, {"none": before, "turn": [[0.1, 0.9], [0.4, 0.6]]})
    >>> same.distance.value, turned.distance.value, turned.same_emotion.value
    (0.0, 0.4, 0.5)
    """
    first, changed = _checked(before, after)
    n, classes = first.shape
    codes = np.full(n, NO_LABEL) if truth is None else as_truth(truth, n, classes, None)
    columns = {(_BEFORE, "accuracy"): _hits(first, codes)}
    for change, probabilities in changed.items():
        found = _columns(first, probabilities, codes)
        columns |= {(change, name): column for name, column in found.items()}
    figures = _means(columns, groups, draws, seed)
    labelled = bool((codes != NO_LABEL).any())
    moved = tuple(_movement(change, figures, labelled) for change in changed)
    return (figures[_BEFORE, "accuracy"] if labelled else None), moved


def masking(
    before: ArrayLike,
    faces: ArrayLike,
    elsewhere: ArrayLike,
    truth: ArrayLike | None = None,
    groups: Groups = None,
    *,
    with_faces: int,
    draws: int = 1000,
    seed: int = 0,
) -> Masking:
    """Return the effect of hiding faces, compared with hiding as much elsewhere.

    Args:
        before: float (n, K), of the pictures as they are.
        faces: float (n, K), with the faces hidden.
        elsewhere: float (n, K), with equally large boxes elsewhere hidden.
        truth: int (n,), or -1 where a row has none.
        groups: n group names.
        with_faces: pictures in which faces were found, compared or not.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        DataError: as for :func:`movements`.
    """
    after = {"faces hidden": faces, "as much hidden elsewhere": elsewhere}
    _, (one, other) = movements(before, after, truth, groups, draws=draws, seed=seed)
    first, changed = _checked(before, after)
    none = np.full(len(first), NO_LABEL)
    hidden, control = (_columns(first, found, none) for found in changed.values())
    paired = {("", name): hidden[name] - control[name] for name in _PAIRED_FIGURES}
    figures = _means(paired, groups, draws, seed)
    return Masking(
        faces=one,
        elsewhere=other,
        **{name: figures["", name] for name in _PAIRED_FIGURES},
        n=len(first),
        with_faces=with_faces,
    )


def _checked(
    before: ArrayLike, after: Mapping[str, ArrayLike]
) -> tuple[FloatArray, dict[str, FloatArray]]:
    first = np.asarray(before, dtype=np.float64)
    if first.ndim != 2 or not len(first):
        raise DataError(f"predictions of shape {first.shape}: one distribution per row is needed")
    first = as_probabilities(first, first.shape[1], _BEFORE)
    changed = {
        change: as_probabilities(found, first.shape[1], change) for change, found in after.items()
    }
    for change, found in changed.items():
        if found.shape != first.shape:
            raise DataError(
                f"{change}: {len(found)} predictions for {counted(len(first), 'picture')}: both "
                "must be of the same pictures"
            )
    return first, changed


def _columns(before: FloatArray, after: FloatArray, truth: IntArray) -> dict[str, FloatArray]:
    """Return each figure of one change as a column (n,) whose mean it is."""
    top = top_labels(before)
    rows = np.arange(len(before))
    hits = _hits(after, truth)
    return {
        "accuracy": hits,
        "accuracy_change": hits - _hits(before, truth),
        "same_emotion": (top_labels(after) == top).astype(np.float64),
        "distance": np.abs(after - before).sum(axis=1) / 2,
        "drop": before[rows, top] - after[rows, top],
    }


def _hits(probabilities: FloatArray, truth: IntArray) -> FloatArray:
    """Return 1 where the top label is the true one, 0 where not, NaN where none is known."""
    right = (top_labels(probabilities) == truth).astype(np.float64)
    return np.where(truth == NO_LABEL, np.nan, right)


def _means(
    columns: Mapping[tuple[str, str], FloatArray], groups: Groups, draws: int, seed: int
) -> dict[tuple[str, str], Figure]:
    # Rows without a label have no accuracy: mean_figures leaves NaN out.
    names = list(columns)
    by_number = {str(i): columns[name] for i, name in enumerate(names)}
    shares = {str(i) for i, (_, figure) in enumerate(names) if figure in _SHARES}
    figures = mean_figures(by_number, groups, shares=shares, draws=draws, seed=seed)
    return {name: figures[str(i)] for i, name in enumerate(names)}


def _movement(change: str, figures: Mapping[tuple[str, str], Figure], labelled: bool) -> Movement:
    return Movement(
        change=change,
        accuracy=figures[change, "accuracy"] if labelled else None,
        accuracy_change=figures[change, "accuracy_change"] if labelled else None,
        same_emotion=figures[change, "same_emotion"],
        distance=figures[change, "distance"],
        drop=figures[change, "drop"],
    )
