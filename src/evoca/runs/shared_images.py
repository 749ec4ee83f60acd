"""The images that several runs share, their truth and their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.hamming import join_groups
from evoca.errors import DataError
from evoca.metrics.checks import rows_where
from evoca.metrics.ground_truth import Affect
from evoca.metrics.ties import order_labels
from evoca.runs.predictions import AFFECT
from evoca.runs.run import Run
from evoca.words import by_number, counted

__all__ = ["Common", "common_images"]

# Files have eight digits.
_ROUNDED = 1e-6


@dataclass(frozen=True, eq=False)
class Common:
    """The images that several runs share.

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
        rows: for each run, int64 (n,), the row of each image in its predictions.
    """

    images: tuple[str, ...]
    labels: tuple[str, ...]
    truth: NDArray[np.int64]
    distribution: NDArray[np.float64] | None
    groups: NDArray[np.int64]
    probabilities: tuple[NDArray[np.float64], ...]
    notes: tuple[str, ...]
    affect: tuple[Affect, ...] | None = None
    rows: tuple[NDArray[np.int64], ...] = ()


def common_images(runs: Sequence[Run]) -> Common:
    """Return the shared images of runs, matched by file and by name.

    Images are the same if their files are (SHA-256, as far as the runs record it). Names match
    only images whose files are not known to differ.

    Raises:
        DataError: different labels, no shared image, or an image whose truth differs between
            runs (named).
    """
    first = runs[0].predictions
    for run in runs[1:]:
        if set(run.predictions.labels) != set(first.labels):
            raise DataError(
                f"{run.name} predicts {', '.join(run.predictions.labels)}, but {runs[0].name} "
                f"{', '.join(first.labels)}: runs are compared on the same labels"
            )
    matches = [_match(runs[0], run) for run in runs[1:]]
    kept = np.all([match.rows >= 0 for match in matches], axis=0)
    if not kept.any():
        other = sum(match.other_files for match in matches)
        agree = counted(other, "name agrees", "names agree")
        under = by_number(other, "it", "them")
        raise DataError(
            f"{', '.join(run.name for run in runs)} share no image: "
            + (
                f"{agree}, but the files under {under} differ (SHA-256): the runs are of other data"
                if other
                else "a comparison needs the same test images (files, or names as in the manifest)"
            )
        )
    rows = (np.flatnonzero(kept), *(match.rows[kept] for match in matches))
    images = tuple(first.images[row] for row in rows[0])
    labels = order_labels(first.labels)
    orders = [[run.predictions.labels.index(label) for label in labels] for run in runs]
    truths = [
        _renumbered(run, own, order) for run, own, order in zip(runs, rows, orders, strict=True)
    ]
    for run, truth in zip(runs[1:], truths[1:], strict=True):
        _same_truth(runs[0], run, (truths[0], truth), labels, images)
    notes = [note for match in matches for note in match.notes]
    notes += [
        f"{run.name}: {len(run.predictions) - len(images):,} of its {len(run.predictions):,} "
        "images are not in every run, and are left out"
        for run in runs
        if len(run.predictions) > len(images)
    ]
    votes = first.distribution
    return Common(
        images=images,
        labels=labels,
        truth=truths[0],
        distribution=None if votes is None else votes[rows[0]][:, orders[0]],
        groups=_joined(
            [np.array(run.predictions.groups)[own] for run, own in zip(runs, rows, strict=True)]
        ),
        probabilities=tuple(
            run.predictions.probabilities[:, own][..., order]
            for run, own, order in zip(runs, rows, orders, strict=True)
        ),
        notes=tuple(notes),
        affect=_affect(runs, rows, images),
        rows=rows,
    )


@dataclass(frozen=True, eq=False)
class _Match:
    """The image of another run that each image of the first run matches.

    Attributes:
        rows: int64 (n,), its row in the other run; -1 where it is not there.
        other_files: images of one name whose files differ.
        notes: what a reader must know.
    """

    rows: NDArray[np.int64]
    other_files: int
    notes: tuple[str, ...]


def _match(first: Run, other: Run) -> _Match:
    """Return the match by name where the files do not differ, then by the files."""
    one, two = first.predictions, other.predictions
    digests = [p.hashes or ("",) * len(p) for p in (one, two)]
    place = {name: row for row, name in enumerate(two.images)}
    rows = np.array([place.get(name, -1) for name in one.images], dtype=np.int64)
    known = np.array(
        [
            bool(row >= 0 and mine and digests[1][row])
            for mine, row in zip(digests[0], rows, strict=True)
        ]
    )
    differ = known & np.array(
        [mine != digests[1][row] for mine, row in zip(digests[0], rows, strict=True)]
    )
    by_name_alone = int(((rows >= 0) & ~known).sum())
    rows[differ] = -1
    taken = set(rows.tolist())
    by_file: dict[str, list[int]] = {}
    for row, digest in enumerate(digests[1]):
        if digest and row not in taken:
            by_file.setdefault(digest, []).append(row)
    renamed = 0
    for i in np.flatnonzero(rows < 0).tolist():
        if found := by_file.get(digests[0][i]):
            rows[i] = found.pop(0)
            renamed += 1
    pair = f"{first.name} and {other.name}"
    notes = []
    if by_name_alone and _other_data(first, other):
        notes.append(
            f"WARNING: {pair}: {counted(by_name_alone, 'image is', 'images are')} matched by name "
            "alone, and the fingerprints of the data differ: they may be other files, or one run "
            "used more images; evaluate again with this version, which records each file's SHA-256"
        )
    if differ.any():
        notes.append(
            f"WARNING: {pair}: {counted(int(differ.sum()), 'image shares', 'images share')} a "
            "name, but the files differ "
            "(SHA-256): they are not compared by name"
        )
    if renamed:
        same = by_number(renamed, "is the same file", "are the same files")
        under = by_number(renamed, "another name", "other names")
        notes.append(f"{pair}: {counted(renamed, 'image')} {same} under {under}")
    return _Match(rows, int(differ.sum()), tuple(notes))


def _other_data(first: Run, other: Run) -> bool:
    """Return whether both runs record a fingerprint of their data, and these differ."""
    found = []
    for run in (first, other):
        data = run.description.get("data")
        found.append(data.get("fingerprint") if isinstance(data, Mapping) else None)
    return None not in found and found[0] != found[1]


def _affect(
    runs: Sequence[Run], rows: Sequence[NDArray[np.int64]], images: Sequence[str]
) -> tuple[Affect, ...] | None:
    """Return the ratings with each run's predicted affect.

    Raises:
        DataError: an image whose ratings differ between runs (named).
    """
    found = []
    for run, own in zip(runs, rows, strict=True):
        rated, predicted = run.predictions.rated, run.predictions.predicted_affect
        if rated is None or predicted is None:
            return None
        found.append((rated[own], predicted[:, own]))
    ratings = found[0][0]
    for run, (other, _) in zip(runs[1:], found[1:], strict=True):
        alike = np.isclose(ratings, other, atol=_ROUNDED, equal_nan=True)
        differs = np.asarray(~alike.all(axis=1))
        if differs.any():
            raise DataError(
                f"{runs[0].name} and {run.name} disagree about the ratings of "
                f"{counted(int(differs.sum()), 'image')}: {rows_where(differs, images)}"
            )
    kept = np.asarray(~np.isnan(ratings).all(axis=0))
    if not kept.any():
        return None
    scales = tuple(name for name, one in zip(AFFECT, kept, strict=True) if one)
    return tuple(Affect(ratings[:, kept], predicted[..., kept], scales) for _, predicted in found)


def _renumbered(run: Run, rows: NDArray[np.int64], order: Sequence[int]) -> NDArray[np.int64]:
    """Return a run's truth as positions in the common labels."""
    table = np.append(np.argsort(order), -1)
    return np.asarray(table[run.predictions.truth[rows]], dtype=np.int64)


def _same_truth(
    first: Run,
    run: Run,
    truths: tuple[NDArray[np.int64], NDArray[np.int64]],
    labels: Sequence[str],
    images: Sequence[str],
) -> None:
    truth, other = truths
    differs = truth != other
    if differs.any():
        names = (*labels, "no label")
        at = int(differs.argmax())
        raise DataError(
            f"{first.name} and {run.name} disagree about the truth of {int(differs.sum()):,} "
            f"images: {rows_where(differs, images)}; the first is {names[truth[at]]} in one and "
            f"{names[other[at]]} in the other: they were evaluated on other labels"
        )


def _joined(names: Sequence[NDArray[np.str_]]) -> NDArray[np.int64]:
    """Return group numbers that images share if any run has them in one group."""
    pairs: list[tuple[int, int]] = []
    for groups in names:
        first: dict[str, int] = {}
        pairs += [(first.setdefault(g, i), i) for i, g in enumerate(groups.tolist()) if g]
    return join_groups(len(names[0]), pairs)
