"""The images of a data set to evaluate on, and the options of an evaluation."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError
from evoca.metrics.checks import rows_where

__all__ = ["ALL", "Options", "Selected", "select_split"]

ALL = "all"
"""Name for all rows, whatever their split."""


@dataclass(frozen=True)
class Selected:
    """The images to evaluate on.

    Attributes:
        images: the images.
        split: name of their split, or :data:`ALL`.
        note: which images were used where they are not those asked for; empty otherwise.
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
    """Options of an evaluation.

    Attributes:
        split: the rows to use; all where none has a split.
        restrict: leave the model only the labels that it shares with the data. If it shares
            all of them, leave only those that have an image.
        allow_missing: evaluate although no image has some label.
        draws: of the bootstrap.
        seed: of the bootstrap.
        without_copies: leave out the images that the system has learnt from or was chosen by,
            and copies of them.
        record: record the use of test images in the user's file.
    """

    split: str = "test"
    restrict: bool = False
    allow_missing: bool = False
    draws: int = 1000
    seed: int = 0
    without_copies: bool = False
    record: bool = True
