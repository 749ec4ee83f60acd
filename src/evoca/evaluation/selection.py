"""Which images of a data set an evaluation is about."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError
from evoca.metrics.checks import rows_where

__all__ = ["ALL", "Options", "Selected", "select_split"]

ALL = "all"
"""Stands for every row, whatever its split."""


@dataclass(frozen=True)
class Selected:
    """The images to evaluate on.

    Attributes:
        images: the images.
        split: name of their split, or :data:`ALL`.
        note: what was chosen where it is not what was asked for; empty otherwise.
    """

    images: LabelledImages
    split: str
    note: str = ""


def select_split(data: LabelledImages, split: str) -> Selected:
    """Return the images of a split, or all where no row has one.

    Args:
        data: labelled images.
        split: ``train``, ``val``, ``test`` or :data:`ALL`.

    Raises:
        DataError: no image is in the split although others have one, or an image is in it
            twice (named).
    """
    if split == ALL:
        return _checked(Selected(data, ALL))
    if not (data.split != "").any():
        note = f"no row of {data.source} has a split: all {len(data):,} rows are used"
        return _checked(Selected(data, ALL, note))
    chosen = data.in_split(split)
    if not len(chosen):
        counts = Counter(str(name) or "none" for name in data.split)
        have = ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
        raise DataError(f"{data.source}: no row has the split {split}; the splits are: {have}")
    return _checked(Selected(chosen, split))


def _checked(selected: Selected) -> Selected:
    names = np.array(selected.images.names)
    _, first = np.unique(names, return_index=True)
    if len(first) < len(names):
        again = np.ones(len(names), dtype=np.bool_)
        again[first] = False
        where = rows_where(again, selected.images.names)
        raise DataError(f"{selected.images.source}: an image is there twice: {where}")
    return selected


@dataclass(frozen=True)
class Options:
    """How a system is evaluated.

    Attributes:
        split: which rows; all where none has a split.
        restrict: leave the model only the labels that it shares with the data and, where
            those are all, that have an image there.
        allow_missing: evaluate although no image has some label.
        draws: of the bootstrap.
        seed: of the bootstrap.
        without_copies: leave out the images that the system has learnt from or was chosen by,
            and copies of them.
        record: note the use of test images in the user's record.
    """

    split: str = "test"
    restrict: bool = False
    allow_missing: bool = False
    draws: int = 1000
    seed: int = 0
    without_copies: bool = False
    record: bool = True
