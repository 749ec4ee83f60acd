"""Give a manifest splits or folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.hamming import as_they_appear
from evoca.data.manifest.table import Manifest
from evoca.data.splits import assign_splits, repeated_folds
from evoca.images import walk_order

__all__ = ["Divided", "add_folds", "add_splits", "group_codes", "is_divided"]


@dataclass(frozen=True)
class Divided:
    """A manifest with splits.

    Attributes:
        manifest: with the column ``split``.
        kept: the splits were there before, and are unchanged.
    """

    manifest: Manifest
    kept: bool


def is_divided(manifest: Manifest) -> bool:
    """Return whether some image has a split."""
    return bool((manifest.codes("split") >= 0).any())


def add_splits(
    manifest: Manifest, ratio: str = "80/10/10", *, seed: int = 0, replace: bool = False
) -> Divided:
    """Return a manifest with train, val and test; a published split is kept as it is.

    Args:
        manifest: groups are its column ``group``; an image without one is its own.
        ratio: name of a ratio.
        seed: of the random order.
        replace: assign anew even where some image has a split.

    Raises:
        DataError: no such ratio.
    """
    if not replace and is_divided(manifest):
        return Divided(manifest, kept=True)
    order = _order(manifest)
    labels, groups = manifest.label_codes()[order], as_they_appear(group_codes(manifest)[order])
    split = np.empty(len(manifest), dtype=object)
    split[order] = assign_splits(labels, groups, ratio, seed=seed)
    return Divided(manifest.with_columns({"split": split}), kept=False)


def add_folds(manifest: Manifest, folds: int, repeats: int = 1, *, seed: int = 0) -> Manifest:
    """Return a manifest with folds from 0 in ``fold``, or ``fold_1`` on for several repeats.

    Images of the split ``test`` take no part: their cells stay empty.

    Raises:
        DataError: more folds than groups.
    """
    order = _order(manifest)
    usable = order[manifest.texts("split")[order] != "test"]
    labels, groups = manifest.label_codes()[usable], as_they_appear(group_codes(manifest)[usable])
    found = repeated_folds(labels, groups, folds, repeats, seed=seed)
    names = ["fold"] if repeats == 1 else [f"fold_{i}" for i in range(1, repeats + 1)]
    values = {}
    for name, numbers in zip(names, found, strict=True):
        column = np.zeros(len(manifest), dtype=np.int32)
        column[usable] = numbers
        unused = np.ones(len(manifest), dtype=np.bool_)
        unused[usable] = False
        values[name] = np.ma.masked_array(column, mask=unused)
    return manifest.with_columns(values)


def _order(manifest: Manifest) -> NDArray[np.int64]:
    """Return the rows by name, int64 (n,): draws must not depend on a table's order."""
    names = [str(name) for name in manifest.texts("image")]
    return np.array(sorted(range(len(names)), key=lambda row: walk_order(names[row])))


def group_codes(manifest: Manifest) -> NDArray[np.int64]:
    """Return numbers of the duplicate groups, int64 (n,); each ungrouped image has its own."""
    codes = manifest.codes("group")
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes
