"""The journal of a run of ``evoca tag``: an SQLite file beside the output.

While a run goes on it is the only truth: what a model computed for an image is recorded in it,
and the table is written from it at the end. So a process that is killed at any moment loses at
most the images of the last second, which the next one computes again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.errors import EvocaError
from evoca.images.walk import printable_name
from evoca.tagger.inputs import Listed
from evoca.tagger.shards import Shard

__all__ = ["Computed", "Counts", "Journal", "JournalError", "journal_of", "require_pins"]

_VERSION = 1
# Names of files may be any bytes; how they are shown is text.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pin (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS listed (
    position INTEGER PRIMARY KEY,
    path TEXT NOT NULL,
    place BLOB NOT NULL,
    member BLOB NOT NULL,
    version TEXT NOT NULL,
    problem TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS listed_path ON listed (path);
CREATE TABLE IF NOT EXISTS image (
    path TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    logits BLOB,
    affect BLOB,
    sha256 TEXT NOT NULL,
    warnings TEXT NOT NULL,
    error TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
_NOT_DONE = """
FROM listed LEFT JOIN image ON image.path = listed.path
WHERE listed.problem = '' AND (image.path IS NULL OR image.version != listed.version
    OR (? AND image.error != ''))
    AND NOT EXISTS (
        SELECT 1 FROM listed AS before
        WHERE before.path = listed.path AND before.position < listed.position
    )
"""
_PAGE = 1_000


class JournalError(EvocaError):
    """The journal cannot be used, or it is that of another run."""


@dataclass(frozen=True)
class Computed:
    """What is known of an image once it has been read, or could not be.

    Attributes:
        path: as it was listed.
        version: of the content that was read.
        logits: float32 (K,); ``None`` with an error.
        affect: float32 (2,); ``None`` with an error, and where the model has none.
        sha256: of the encoded file; empty with an error.
        warnings: of reading and screening it.
        error: why there is no prediction; empty where there is one.
    """

    path: str
    version: str
    logits: NDArray[np.float32] | None = None
    affect: NDArray[np.float32] | None = None
    sha256: str = ""
    warnings: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Counts:
    """The images of a run, by what is left to do.

    Attributes:
        listed: all of them, but those that are known to be unreadable from their listing.
        left: that must be computed still.
    """

    listed: int
    left: int


def journal_of(out: Path) -> Path:
    """Return the path of the journal of an output.

    >>> print(journal_of(Path("tags.parquet")))
    tags.parquet.journal
    """
    return out.with_name(f"{out.name}.journal")


def require_pins(where: str, known: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    """Require that a run goes on with what it was begun with.

    Args:
        where: what keeps it, for the error.
        known: name to value; what is missing may be anything.
        wanted: likewise.

    Raises:
        JournalError: the run was begun with another.
    """
    for name, value in wanted.items():
        if known.get(name, value) != value:
            raise JournalError(
                f"{where}: this run was begun with {name} {known[name]}, not {value}: "
                "give what it was begun with, or name another --out"
            )


class Journal:
    """A journal, opened by one process at a time; a context manager.

    Args:
        path: of the SQLite file, which is made where there is none.

    Raises:
        JournalError: it cannot be used, is no journal, is damaged or is in use.
    """

    def __init__(self, path: Path) -> None:
        self._name = printable_name(path)
        with self._errors():
            self._db = sqlite3.connect(path, timeout=0.2, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def _prepare(self) -> None:
        # Held until the connection closes, by a kill too: two runs would compute all twice.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        tables = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if version > _VERSION:
            raise JournalError(f"{self._name}: written by a newer Evoca; update it")
        if tables and not version:
            raise JournalError(f"{self._name}: not a journal of evoca tag: name another output")
        self._db.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT"
        )

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def pin(self, wanted: Mapping[str, str]) -> None:
        """Record what a run computes with, or require that it is what was recorded.

        Args:
            wanted: such as model, engine and precision, each as a text that states it whole.

        Raises:
            JournalError: this run was begun with another.
        """
        self.require(wanted)
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO pin VALUES (?, ?)", wanted.items())

    def require(self, wanted: Mapping[str, str]) -> None:
        """Require that what a run computes with is what was recorded, if anything was.

        Args:
            wanted: as :meth:`pin` takes it.

        Raises:
            JournalError: this run was begun with another.
        """
        require_pins(self._name, self.pins(), wanted)

    def pins(self) -> dict[str, str]:
        """Return what the run computes with; empty before it began."""
        with self._errors():
            return dict(self._db.execute("SELECT name, value FROM pin").fetchall())

    def set_listed(self, images: Iterable[Listed]) -> None:
        """Record which images the run has, in order, in place of those of an earlier run."""
        rows = (
            (
                i,
                one.path,
                os.fsencode(one.place),
                os.fsencode(one.member),
                one.version,
                one.problem,
            )
            for i, one in enumerate(images)
        )
        with self._transaction():
            self._db.execute("DELETE FROM listed")
            self._db.executemany("INSERT INTO listed VALUES (?, ?, ?, ?, ?, ?)", rows)

    def keep(self, shard: Shard) -> None:
        """Leave only the images of a share."""
        with self._transaction():
            images = self._db.execute("SELECT count(*) FROM listed").fetchone()[0]
            first, end = shard.positions(images)
            self._db.execute("DELETE FROM listed WHERE position < ? OR position >= ?", (first, end))

    def counts(self, *, retry_errors: bool = False) -> Counts:
        """Return how many images are listed, and how many are left to compute."""
        with self._errors():
            listed = self._db.execute("SELECT count(*) FROM listed WHERE problem = ''").fetchone()[
                0
            ]
            left = self._db.execute(f"SELECT count(*) {_NOT_DONE}", (retry_errors,)).fetchone()[0]
        return Counts(listed, left)

    def left(self, *, retry_errors: bool = False) -> Iterator[Listed]:
        """Yield the images that are left to compute, in order, each path once.

        Those recorded meanwhile are not yielded again; few are held in memory.

        Args:
            retry_errors: also those of which there is an error.
        """
        query = (
            "SELECT position, listed.path, place, member, listed.version "
            f"{_NOT_DONE} AND position > ? ORDER BY position LIMIT {_PAGE}"
        )
        position = -1
        while True:
            with self._errors():
                rows = self._db.execute(query, (retry_errors, position)).fetchall()
            if not rows:
                return
            for position, path, place, member, version in rows:  # noqa: B007
                yield Listed(path, os.fsdecode(place), os.fsdecode(member), version)

    def logits(self, labels: int) -> NDArray[np.float32]:
        """Return the logits of all listed images that have been computed, (n, K)."""
        with self._errors():
            rows = self._db.execute(
                "SELECT logits FROM image WHERE logits IS NOT NULL "
                "AND path IN (SELECT path FROM listed)"
            )
            return np.frombuffer(b"".join(one for (one,) in rows), "<f4").reshape(-1, labels)

    def record(self, computed: Iterable[Computed]) -> None:
        """Record images, all of them or, should the process be killed, none."""
        rows = [
            (
                one.path,
                one.version,
                None if one.logits is None else _bytes(one.logits),
                None if one.affect is None else _bytes(one.affect),
                one.sha256,
                json.dumps(one.warnings),
                one.error,
            )
            for one in computed
        ]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO image VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def results(self) -> Iterator[Computed]:
        """Yield what is known of every listed image, in order.

        An image that is listed, but neither computed nor known to be unreadable, has the error
        that it was not computed.
        """
        with self._errors():
            rows = self._db.execute(
                "SELECT listed.path, listed.version, problem, logits, affect, sha256, warnings, "
                "error FROM listed LEFT JOIN image ON image.path = listed.path ORDER BY position"
            )
            for path, version, problem, logits, affect, sha256, warnings, error in rows:
                if problem or sha256 is None:
                    yield Computed(path, version, error=problem or "not computed")
                else:
                    yield Computed(
                        path,
                        version,
                        _floats(logits),
                        _floats(affect),
                        sha256,
                        tuple(json.loads(warnings)),
                        error,
                    )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise JournalError(f"{self._name}: another run is writing here") from None
            raise JournalError(
                f"{self._name}: cannot be written: {error}; what it holds is kept"
            ) from error
        except sqlite3.DatabaseError as error:
            raise JournalError(
                f"{self._name}: not a journal of evoca tag, or damaged ({error}): name another "
                "output, or delete it to begin anew"
            ) from error


def _bytes(values: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(values, dtype="<f4").tobytes()


def _floats(data: bytes | None) -> NDArray[np.float32] | None:
    return None if data is None else np.frombuffer(data, dtype="<f4")
