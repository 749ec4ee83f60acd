"""Emotions counted as one class, such as anger and fear; its name is ``anger+fear``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.labelled import LabelledImages
from evoca.data.votes import most_likely
from evoca.emotions import merged_label, parts_of
from evoca.errors import DataError

__all__ = ["merge_labels", "merged_like"]


def merge_labels(images: LabelledImages, merge: Sequence[Sequence[str]]) -> LabelledImages:
    """Return images whose labels are merged: one class for each group of emotions.

    Votes are added up. A label that was the unique maximum of the votes is decided anew from
    the sums, since two emotions may win together where neither did alone; a label that was
    given otherwise is the class that holds it.

    Args:
        images: K labels.
        merge: groups of at least two labels, no label twice; a group that is one class
            already is left as it is.

    Raises:
        DataError: a label that the images' taxonomy has not, or fewer than two classes left.
    """
    groups = [set(group) for group in merge if set(group) not in map(_parts, images.labels)]
    if not groups:
        return images
    known = set(images.labels)
    if unknown := sorted(set().union(*groups) - known):
        raise DataError(
            f"{images.source}: merge: no label {', '.join(unknown)}; its labels are "
            f"{', '.join(images.labels)}"
        )
    own = [next((group for group in groups if label in group), {label}) for label in images.labels]
    names = [merged_label([x for x in images.labels if x in group]) for group in own]
    labels = tuple(dict.fromkeys(names))
    if len(labels) < 2:
        raise DataError(f"{images.source}: merge: one class is left, and nothing to tell apart")
    place = np.array([labels.index(name) for name in names])
    truth = np.array([*place, -1], dtype=np.int64)[images.truth]
    if images.distribution is None:
        return replace(images, labels=labels, truth=truth)
    merged = np.stack(
        [images.distribution[:, place == k].sum(axis=1) for k in range(len(labels))], axis=1
    )
    by_votes = images.truth == most_likely(images.distribution)
    by_votes &= np.isfinite(images.distribution).all(axis=1)
    truth = np.where(by_votes, most_likely(merged), truth)
    agreement = _agreement(images, truth, merged)
    return replace(images, labels=labels, truth=truth, distribution=merged, agreement=agreement)


def merged_like(images: LabelledImages, labels: Sequence[str]) -> LabelledImages:
    """Return images with the merged classes that are among some labels, such as a model's."""
    known = set(images.labels)
    groups = [parts_of(label) for label in labels]
    return merge_labels(images, [own for own in groups if len(own) > 1 and set(own) <= known])


def _parts(label: str) -> set[str]:
    return set(parts_of(label))


def _agreement(
    images: LabelledImages, truth: NDArray[np.int64], merged: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the share of the viewers who chose the class, where it is one of their votes.

    Viewers who were asked about one emotion did not vote on the others.
    """
    if images.agreement is None or images.distribution is None:
        return images.agreement

    def share(votes: NDArray[np.float64], label: NDArray[np.int64]) -> NDArray[np.float64]:
        chosen = np.take_along_axis(votes, np.maximum(label, 0)[:, None], axis=1)[:, 0]
        return np.where(label < 0, np.nan, chosen)

    before = share(images.distribution, images.truth)
    of_votes = np.isclose(before, images.agreement, equal_nan=True)
    return np.where(of_votes, share(merged, truth), images.agreement)
