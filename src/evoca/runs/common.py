"""The images that several runs share, their truth and their groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoca.data.near import join_groups
from evoca.errors import DataError
from evoca.evaluation.checks import rows_where
from evoca.evaluation.truth import Affect
from evoca.runs.predictions import AFFECT
from evoca.runs.run import Run

__all__ = ["Common", "common_images"]

# Files keep eight digits.
_ROUNDED = 1e-6


@dataclass(frozen=True, eq=False)
class Common:
    """What several runs can be compared on.

    Attributes:
        images: n names, in the order of the first run.
        labels: the K labels.
        truth: int64 (n,), index into ``labels``, or -1.
        distribution: float64 (n, K), NaN where unknown; ``None`` where no image has one.
        groups: int64 (n,); images that any run has in one group share a number.
        probabilities: for each run, float64 (R, n, K).
        notes: what was left out.
        affect: for each run, ratings of valence and arousal with its predictions (R, n, D),
            on the scales that some image is rated on; ``None`` where any run has none.
    """

    images: tuple[str, ...]
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    distribution: NDArray[np.float64] | None
    groups: NDArray[np.int64]
    probabilities: tuple[NDArray[np.float64], ...]
    notes: tuple[str, ...]
    affect: tuple[Affect, ...] | None = None


def common_images(runs: Sequence[Run]) -> Common:
    """Bring runs together by the names of their images.

    Raises:
        DataError: other labels, no shared image, or an image whose truth differs between
            runs (named).
    """
    first = runs[0].predictions
    for run in runs[1:]:
        if set(run.predictions.labels) != set(first.labels):
            raise DataError(
                f"{run.name} predicts {', '.join(run.predictions.labels)}, but {runs[0].name} "
                f"{', '.join(first.labels)}: runs are compared on the same labels"
            )
    shared = set(first.images).intersection(*(run.predictions.images for run in runs[1:]))
    if not shared:
        raise DataError(
            f"{', '.join(run.name for run in runs)} share no image: a comparison needs the same "
            "test images (names as in the manifest)"
        )
    images = tuple(name for name in first.images if name in shared)
    rows = [_rows(run, images) for run in runs]
    orders = [[run.predictions.labels.index(label) for label in first.labels] for run in runs]
    truth = first.truth[rows[0]]
    for run, own, order in zip(runs[1:], rows[1:], orders[1:], strict=True):
        _same_truth(runs[0], run, truth, _renumbered(run, own, order), images)
    notes = [
        f"{run.name}: {len(run.predictions) - len(images):,} of its {len(run.predictions):,} "
        "images are not in every run, and are left out"
        for run in runs
        if len(run.predictions) > len(images)
    ]
    votes = first.distribution
    return Common(
        images=images,
        labels=first.labels,
        truth=truth,
        distribution=None if votes is None else votes[rows[0]],
        groups=_joined(
            [np.array(run.predictions.groups)[own] for run, own in zip(runs, rows, strict=True)]
        ),
        probabilities=tuple(
            run.predictions.probabilities[:, own][..., order]
            for run, own, order in zip(runs, rows, orders, strict=True)
        ),
        notes=tuple(notes),
        affect=_affect(runs, rows, images),
    )


def _affect(
    runs: Sequence[Run], rows: Sequence[NDArray[np.int64]], images: Sequence[str]
) -> tuple[Affect, ...] | None:
    """Pair the ratings with each run's predictions.

    Raises:
        DataError: an image whose ratings differ between runs (named).
    """
    found = []
    for run, own in zip(runs, rows, strict=True):
        rated, felt = run.predictions.rated, run.predictions.felt
        if rated is None or felt is None:
            return None
        found.append((rated[own], felt[:, own]))
    ratings = found[0][0]
    for run, (other, _) in zip(runs[1:], found[1:], strict=True):
        alike = np.isclose(ratings, other, atol=_ROUNDED, equal_nan=True)
        differs = np.asarray(~alike.all(axis=1))
        if differs.any():
            raise DataError(
                f"{runs[0].name} and {run.name} disagree about the ratings of "
                f"{int(differs.sum()):,} images: {rows_where(differs, images)}"
            )
    kept = np.asarray(~np.isnan(ratings).all(axis=0))
    if not kept.any():
        return None
    scales = tuple(name for name, one in zip(AFFECT, kept, strict=True) if one)
    return tuple(Affect(ratings[:, kept], felt[..., kept], scales) for _, felt in found)


def _rows(run: Run, images: Sequence[str]) -> NDArray[np.int64]:
    row = {name: i for i, name in enumerate(run.predictions.images)}
    return np.array([row[name] for name in images], dtype=np.int64)


def _renumbered(run: Run, rows: NDArray[np.int64], order: Sequence[int]) -> NDArray[np.int64]:
    """Return a run's truth as positions in the first run's labels."""
    table = np.append(np.argsort(order), -1)
    return np.asarray(table[run.predictions.truth[rows]], dtype=np.int64)


def _same_truth(
    first: Run, run: Run, truth: NDArray[np.int64], other: NDArray[np.int64], images: Sequence[str]
) -> None:
    differs = truth != other
    if differs.any():
        labels = (*first.predictions.labels, "no label")
        at = int(differs.argmax())
        raise DataError(
            f"{first.name} and {run.name} disagree about the truth of {int(differs.sum()):,} "
            f"images: {rows_where(differs, images)}; the first is {labels[truth[at]]} in one and "
            f"{labels[other[at]]} in the other: they were evaluated on other labels"
        )


def _joined(names: Sequence[NDArray[np.str_]]) -> NDArray[np.int64]:
    """Join images that share a named group in any run."""
    pairs: list[tuple[int, int]] = []
    for groups in names:
        first: dict[str, int] = {}
        pairs += [(first.setdefault(g, i), i) for i, g in enumerate(groups.tolist()) if g]
    return join_groups(len(names[0]), pairs)
