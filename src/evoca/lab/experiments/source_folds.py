"""Folds of images of several sources: drawn source by source, copies together across sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.hamming import as_they_appear
from evoca.data.manifest.labelled import LabelledImages
from evoca.lab.experiments.holdout import grouped_parts, strata
from evoca.lab.experiments.nested_cv import folds_of

__all__ = ["source_folds"]


def source_folds(images: LabelledImages, folds: int, seed: int) -> NDArray[np.int64]:
    """Return a fold for each image, int64 (n,), 0..folds-1.

    The images of the first source are in the folds that they would be in alone, so that figures
    can be compared image by image. A copy of an image that has a fold already joins it; the rest
    of a source is divided evenly, by its commonest emotion, those without one as one class. A
    source with fewer images than folds is in some of them only.

    Args:
        images: of several sources, in groups.
        folds: how many.
        seed: of the draw.

    Raises:
        DataError: a class of the first source has fewer images than there are folds.
    """
    teaching = images.teaching
    assert teaching is not None  # of several sources
    found = np.full(len(images), -1, dtype=np.int64)
    for number, source in enumerate(np.unique(teaching.of)):
        own = teaching.of == source
        if number:
            placed = dict(zip(images.groups[found >= 0], found[found >= 0], strict=True))
            for i in np.flatnonzero(own):
                found[i] = placed.get(images.groups[i], -1)
        rest = np.flatnonzero(own & (found < 0))
        found[rest] = _divided(images.take(rest), folds, seed, strict=not number)
    return found


def _divided(images: LabelledImages, folds: int, seed: int, *, strict: bool) -> NDArray[np.int64]:
    groups = as_they_appear(images.groups)
    if strict and (images.truth >= 0).any():
        return np.asarray(folds_of(strata(images), groups, folds, seed))
    assert images.teaching is not None
    shares = images.teaching.shares
    kind = np.where(shares.any(axis=1), shares.argmax(axis=1), shares.shape[1])
    kind = as_they_appear(kind)
    count = len(np.unique(groups))
    found = np.zeros(len(images), dtype=np.int64)
    if count < folds:  # too few for every fold
        order = np.random.default_rng(seed).permutation(folds)
        return np.asarray(order[groups])
    for number, part in enumerate(grouped_parts(kind, groups, folds, seed)):
        found[part] = number
    return found
