"""Which labelled images a system learns from and is cross-validated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoca.data.copies import in_words
from evoca.data.grouping import with_groups
from evoca.data.labelled import LabelledImages
from evoca.errors import DataError, MissingExtraError

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """Images to learn from.

    Attributes:
        images: all but the test images, each with a label, in groups of copies.
        basis: where the groups come from, in words.
        notes: what was left out, and what copies were found.
    """

    images: LabelledImages
    basis: str
    notes: tuple[str, ...]


def prepare(data: LabelledImages) -> Prepared:
    """Keep test images out, leave out images without a single label, group copies.

    Raises:
        DataError: a label has no image.
        MissingExtraError: imagehash is not installed, so that copies could cross folds.
    """
    notes = []
    usable = data.take(data.split != "test")
    if len(usable) < len(data):
        notes.append(f"{len(data) - len(usable):,} test images are kept out")
    images = usable.with_truth()
    if len(images) < len(usable):
        notes.append(f"{len(usable) - len(images):,} images without a single label are left out")
    empty = np.flatnonzero(np.bincount(images.truth, minlength=len(images.labels)) == 0)
    if len(empty):
        names = ", ".join(images.labels[i] for i in empty)
        raise DataError(f"no image is labelled {names}: a class cannot be learnt from nothing")
    grouped = with_groups(images)
    if not grouped.near:
        raise MissingExtraError("keeping near-duplicates in one fold", "train", "imagehash")
    if not images.has_groups:
        notes.append(in_words(grouped.images.groups))
    return Prepared(grouped.images, grouped.basis, tuple(notes))
