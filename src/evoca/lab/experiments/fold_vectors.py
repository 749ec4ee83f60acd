"""The vectors that the networks of a fold compute, stored for sweeps of the layers after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.drafts import drafted
from evoca.errors import EvocaError
from evoca.images import printable_name
from evoca.lab.arrays import DamagedArraysError, read_arrays

__all__ = [
    "FOLDER",
    "HELD_OUT",
    "TRAIN",
    "VALIDATION",
    "FoldVectors",
    "read_vectors",
    "write_vectors",
]

FOLDER = "vectors"
"""Of a run, one file per fold: 4 bytes per number; the paper's system has 4968 per image."""

TRAIN, VALIDATION, HELD_OUT = 0, 1, 2


@dataclass(frozen=True, eq=False)
class FoldVectors:
    """The vectors of n images, by networks that were trained on the fold's training part.

    Attributes:
        vectors: float32 (n, D) of each network.
        truth: (n,) class indices; -1 where there is none.
        groups: (n,) clusters of copies.
        part: (n,) 0 for a training image, 1 for a validation image, 2 for a held-out one.
    """

    vectors: tuple[NDArray[np.float32], ...]
    truth: NDArray[np.int64]
    groups: NDArray[np.int64]
    part: NDArray[np.int64]

    def _labelled(self, part: int) -> NDArray[np.bool_]:
        return np.asarray((self.part == part) & self.known)

    @property
    def known(self) -> NDArray[np.bool_]:
        """The mask of the labelled images."""
        return np.asarray(self.truth >= 0)

    @property
    def train(self) -> NDArray[np.bool_]:
        """The mask of the labelled training images."""
        return self._labelled(TRAIN)

    @property
    def validation(self) -> NDArray[np.bool_]:
        """The mask of the labelled validation images."""
        return self._labelled(VALIDATION)

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """The mask of the labelled held-out images."""
        return self._labelled(HELD_OUT)


def write_vectors(file: Path, found: FoldVectors) -> None:
    """Write a fold's vectors; the file appears when it is whole.

    Raises:
        EvocaError: the folder cannot be written.
    """
    arrays: dict[str, Any] = {f"vectors{i}": one for i, one in enumerate(found.vectors)}
    arrays |= {
        "truth": found.truth,
        "groups": found.groups,
        "part": found.part,
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with drafted(file) as draft, draft.open("wb") as stream:
            np.savez(stream, **arrays)
    except OSError as error:
        raise EvocaError(f"{file}: cannot be written: {error.strerror}") from error


def read_vectors(run: Path) -> Sequence[tuple[int, FoldVectors]]:
    """Return the vectors of every fold of a cross-validation, with the number of its repeat.

    Raises:
        EvocaError: the run has none, or not of every fold, or a file is damaged.
    """
    files = sorted((run / FOLDER).glob("r*f*.npz"))
    if not files:
        raise EvocaError(
            f"{printable_name(run)}: no vectors to sweep: give the folder of a finished "
            "cross-validation of a differential system, such as rapolu2023-differential"
        )
    folds = [(int(file.name[1 : file.name.index("f")]), _read(file)) for file in files]
    _require_all(run, folds)
    return folds


def _require_all(run: Path, folds: Sequence[tuple[int, FoldVectors]]) -> None:
    """Refuse folds that do not hold out every labelled image once in each repeat."""
    for repeat in {number for number, _ in folds}:
        own = [fold for number, fold in folds if number == repeat]
        if not all(np.array_equal(fold.truth, own[0].truth) for fold in own):
            raise EvocaError(
                f"{printable_name(run)}: its folds are of different images: cross-validate again"
            )
        if not all(np.array_equal(fold.groups, own[0].groups) for fold in own):
            raise EvocaError(
                f"{printable_name(run)}: its folds are of different groups of copies: "
                "cross-validate again"
            )
        if (np.sum([fold.held_out for fold in own], axis=0) != own[0].known).any():
            raise EvocaError(
                f"{printable_name(run)}: not every fold has its vectors: the cross-validation is "
                "unfinished; go on with it by --resume"
            )


def _read(file: Path) -> FoldVectors:
    try:
        arrays = read_arrays(file)
        count = sum(name.startswith("vectors") for name in arrays)
        vectors = tuple(arrays[f"vectors{i}"] for i in range(count))
        found = FoldVectors(vectors, arrays["truth"], arrays["groups"], arrays["part"])
        _require_rows(found)
    except (OSError, KeyError, ValueError) as error:
        raise EvocaError(
            f"{printable_name(file)}: damaged: cross-validate the system again"
        ) from error
    return found


def _require_rows(found: FoldVectors) -> None:
    columns = (found.truth, found.groups, found.part)
    whole = all(column.ndim == 1 and column.dtype.kind == "i" for column in columns)
    rows = {len(column) for column in columns if column.ndim}
    for one in found.vectors:
        whole &= one.ndim == 2 and one.dtype.kind == "f"
        rows |= {len(one)} if one.ndim else set()
    if not whole or not found.vectors or len(rows) != 1:
        raise DamagedArraysError("not a row of every array for each image")
