"""Rows of numbers cached on disk under names: computed once, shared by runs and processes.

A store is a folder of shards. A shard is a ``.npy`` file of rows and a text file of their
names, which appears last and by renaming: what it names is complete. Shards are only ever
added, so readers need no lock, and a writer that is killed leaves nothing that counts.
"""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap, write_array_header_1_0
from numpy.typing import NDArray

from evoca.drafts import drafted
from evoca.errors import EvocaError

__all__ = ["CACHE_VARIABLE", "CachedRows", "RowStore", "cache_folder"]

CACHE_VARIABLE = "EVOCA_CACHE"
"""Environment variable that names the folder of cached features."""

_SHARD_ROWS = 512  # what an interruption may cost

Rows = NDArray[np.float32]


def cache_folder() -> Path:
    """Return the cache folder of features: ``EVOCA_CACHE``, else in the platform's caches."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    home = Path.home()
    match platform.system():
        case "Darwin":
            return home / "Library" / "Caches" / "evoca"
        case "Windows":
            return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "evoca"
        case _:
            return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "evoca"


@dataclass(frozen=True, eq=False)
class CachedRows:
    """Rows in the order they were asked for, on disk until they are read.

    Attributes:
        shards: memory-mapped (n_s, D).
        shard: int (n,), which shard a row is in.
        row: int (n,), where in it.
    """

    shards: tuple[Rows, ...]
    shard: NDArray[np.int64]
    row: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Rows:
        """Return a copy of some rows, float32 (m, D)."""
        shard, row = self.shard[indices], self.row[indices]
        rows = np.empty((len(row), self.shards[0].shape[1]), dtype=np.float32)
        for number in np.unique(shard):
            mine = shard == number
            rows[mine] = self.shards[number][row[mine]]
        return rows

    def all(self) -> Rows:
        """Return a copy of all rows, float32 (n, D)."""
        return self.take(np.arange(len(self)))


class RowStore:
    """A folder of shards."""

    def __init__(self, folder: Path, width: int) -> None:
        """Open a store, which need not exist.

        Args:
            folder: of this kind of rows alone.
            width: numbers in a row.
        """
        self._folder = folder
        self._width = width

    def fetch(
        self, names: Sequence[str], compute: Callable[[list[int]], Iterator[Rows]]
    ) -> CachedRows:
        """Return the rows of some names, computing those that are not there.

        Args:
            names: of the rows; the same name may come twice.
            compute: takes positions in ``names``, yields their rows (b, D) in order.

        Raises:
            EvocaError: the folder cannot be written.
        """
        missing = self._missing(names)
        if missing:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with _alone(self._folder / "lock"):
                    # Another process may have computed them while this one waited.
                    missing = self._missing(names)
                    self._add(
                        [names[i] for i in missing], compute(missing) if missing else iter(())
                    )
            except OSError as error:
                raise EvocaError(
                    f"{self._folder}: features cannot be cached: {error.strerror}; set "
                    f"{CACHE_VARIABLE} to a folder with room"
                ) from error
        return self._read(names)

    def _missing(self, names: Sequence[str]) -> list[int]:
        known = self._index()[1]
        first = {name: i for i, name in reversed(list(enumerate(names))) if name not in known}
        return sorted(first.values())

    def _index(self) -> tuple[list[Rows], dict[str, tuple[int, int]]]:
        """Return every complete shard, opened, and the place of each name."""
        shards: list[Rows] = []
        where: dict[str, tuple[int, int]] = {}
        for listing in sorted(self._folder.glob("*.txt")):
            try:
                names = listing.read_text(encoding="ascii").split()
                rows = open_memmap(listing.with_suffix(".npy"), mode="r")
            except (OSError, ValueError, TypeError, OverflowError, EOFError):
                continue  # damaged or gone: its rows are computed anew
            if rows.shape != (len(names), self._width) or rows.dtype != np.float32:
                continue
            where |= {name: (len(shards), row) for row, name in enumerate(names)}
            shards.append(rows)
        return shards, where

    def _read(self, names: Sequence[str]) -> CachedRows:
        shards, where = self._index()
        places = np.array([where[name] for name in names], dtype=np.int64).reshape(-1, 2)
        return CachedRows(tuple(shards), places[:, 0], places[:, 1])

    def _add(self, names: Sequence[str], batches: Iterator[Rows]) -> None:
        left = np.empty((0, self._width), dtype=np.float32)
        for start in range(0, len(names), _SHARD_ROWS):
            part = names[start : start + _SHARD_ROWS]
            stem = uuid.uuid4().hex
            with drafted(self._folder / f"{stem}.npy") as draft:
                left = self._fill(draft, len(part), left, batches)
            with drafted(self._folder / f"{stem}.txt") as draft:
                draft.write_text("\n".join(part) + "\n", encoding="ascii")

    def _fill(self, draft: Path, count: int, left: Rows, batches: Iterator[Rows]) -> Rows:
        """Write ``count`` rows, and return the rows of the last batch beyond them.

        Not through a memory map: where the disk is full, writing into one ends the process.
        """
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, self._width)}
        with draft.open("wb") as shard:
            write_array_header_1_0(shard, header)
            done = 0
            while done < count:
                batch = left if len(left) else next(batches)
                taken = batch[: count - done]
                shard.write(np.ascontiguousarray(taken, dtype="<f4").data)
                done += len(taken)
                left = batch[len(taken) :]
        return left


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Wait until no other process computes for this store.

    Where there are no locks, two processes compute the same rows twice, both correctly.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
