"""Check whether images can be divided into folds, before anything is computed.

A class may have enough images and still lie in one or two groups of copies. Whole groups
go into a fold, so that another fold would have no training image of the class.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError
from evoca.lab.config.recipe import Protocol, Recipe
from evoca.lab.experiments.holdout import (
    MORE_GROUPS,
    cut_validation,
    hold_out,
    require_folds,
    strata,
)
from evoca.lab.experiments.nested_cv import folds_of
from evoca.words import counted

__all__ = ["require_cuts", "require_nested"]

_PLENTY = 4
"""With so many groups of every class for each fold, none of them ends in one fold alone; the
folds of many thousand images take seconds to draw, and need not be drawn twice."""


def require_nested(
    data: LabelledImages,
    grouped: bool,
    protocol: Protocol,
    *,
    outer: bool = True,
    whole: bool = False,
) -> None:
    """Refuse images with a class that is missing from the training part of a nested fold.

    Args:
        data: labelled images.
        grouped: whether copies are grouped already; before that, only what no grouping
            could change is refused.
        protocol: states folds, inner folds, repeats and seed.
        outer: whether they are cross-validated, with inner folds in each training part.
        whole: whether inner folds of all images choose.

    Raises:
        DataError: names the class.
    """
    inner = protocol.inner_folds
    require_folds(data, protocol.folds if outer else inner, inner if outer else 0)
    least = 3 if outer else 2
    _require_groups(data, least, "folds inside folds" if outer else "folds")
    if not grouped or _plenty(data, max(protocol.folds, inner)):
        return
    if outer:
        for inside, seed, where in _training_parts(data, protocol):
            _require_inner(data, inside, inner, seed, f"the inner folds of {where}")
    if whole:
        _require_inner(data, data, inner, protocol.seed, "the inner folds")


def require_cuts(
    data: LabelledImages, grouped: bool, recipe: Recipe, *, searched: bool = False
) -> None:
    """Refuse images with a class that a fold would lack, before or after validation is cut.

    Args:
        data: labelled images.
        grouped: whether copies are grouped already; before that, only what no grouping
            could change is refused.
        recipe: with steps; states folds, the share of validation images, and seed.
        searched: whether settings are searched inside each fold.

    Raises:
        DataError: names the class.
    """
    protocol = recipe.protocol
    require_folds(data, protocol.folds)
    _require_groups(data, 2, "folds")
    if not grouped or _plenty(data, max(protocol.folds, round(1 / protocol.validation))):
        return
    for inside, seed, where in _training_parts(data, protocol):
        try:
            if searched:
                hold_out(inside, protocol.validation, protocol.seed, recipe)
            cut_validation(inside, protocol.validation, seed)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error


def _training_parts(
    data: LabelledImages, protocol: Protocol
) -> Iterator[tuple[LabelledImages, int, str]]:
    """Yield the training part of each outer fold, with the seed of its repeat and its name.

    Raises:
        DataError: a class is missing from one.
    """
    truth = strata(data)
    for repeat in range(protocol.repeats):
        seed = protocol.seed + repeat
        fold = folds_of(truth, data.groups, protocol.folds, seed)
        for number in range(protocol.folds):
            inside = data.take(fold != number)
            where = f"fold {number + 1} of {protocol.folds}"
            _require_every(data, inside, where)
            yield inside, seed, where


def _group_counts(data: LabelledImages) -> dict[str, tuple[int, int]]:
    """Return the number of images and of groups of each label that has images."""
    found = {}
    for code, label in enumerate(data.labels):
        own = data.groups[data.truth == code]
        if len(own):
            found[label] = len(own), len(np.unique(own))
    return found


def _in_words(data: LabelledImages, label: str) -> str:
    images, groups = _group_counts(data)[label]
    return f"{label} has {counted(images, 'image')} in {counted(groups, 'group')}"


def _require_groups(data: LabelledImages, least: int, what: str) -> None:
    """Refuse a class with too few groups to divide."""
    for label, (_, groups) in _group_counts(data).items():
        if groups < least:
            raise DataError(
                f"{_in_words(data, label)}: {what} need {least}, so that each part learns from "
                f"some: {MORE_GROUPS}"
            )


def _plenty(data: LabelledImages, folds: int) -> bool:
    counts = [groups for _, groups in _group_counts(data).values()]
    return min(counts, default=0) >= _PLENTY * folds


def _require_every(data: LabelledImages, part: LabelledImages, where: str) -> None:
    for code, label in enumerate(data.labels):
        if (data.truth == code).any() and not (part.truth == code).any():
            raise DataError(
                f"{_in_words(data, label)}: {where} would learn from none of them: {MORE_GROUPS}, "
                "or more folds"
            )


def _require_inner(
    data: LabelledImages, inside: LabelledImages, folds: int, seed: int, where: str
) -> None:
    """Refuse a training part whose own folds lack a class."""
    for code, label in enumerate(data.labels):
        count = int((inside.truth == code).sum())
        if 0 < count < folds:
            raise DataError(
                f"{_in_words(data, label)}, and {where} have {count} of the images: {MORE_GROUPS}, "
                "or fewer folds (protocol.inner_folds)"
            )
    fold = folds_of(inside.truth, inside.groups, folds, seed)
    for number in range(folds):
        _require_every(data, inside.take(fold != number), where)
