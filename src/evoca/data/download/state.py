"""The state of each link, in SQLite, so that a killed download loses nothing.

A link is ``waiting`` until its file is whole and checked. Then ``storing`` and the file's
SHA-256 are recorded, the file is renamed into place, and ``done`` is recorded. Wherever the
process dies, the next one can find which of these steps are done.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evoca.data.download.outcomes import FetchError, Outcome, Reason, Status
from evoca.errors import DataError
from evoca.images import printable_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evoca.data.download.links import Link

__all__ = ["STATE_FILE", "Entry", "Ledger", "Stored"]

STATE_FILE = "download.sqlite3"
"""Where a download folder keeps what is known about each link."""
_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS link (
    url TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'waiting',
    image TEXT NOT NULL DEFAULT '',
    sha256 TEXT NOT NULL DEFAULT '',
    width INTEGER NOT NULL DEFAULT 0,
    height INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0,
    etag TEXT,
    last_modified TEXT,
    partial_validator TEXT,
    reason TEXT,
    detail TEXT NOT NULL DEFAULT '',
    http_status INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS one_link_a_name ON link (name) WHERE name != '';
"""


_ADD = """
INSERT INTO link (url, name) VALUES (?, ?)
ON CONFLICT (url) DO UPDATE SET name = excluded.name, status = 'waiting'
WHERE reason = 'bad file name' AND name != excluded.name
"""
# What is wrong with one name; anything else is wrong with the folder.
_OF_THE_NAME = frozenset(
    {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.EINVAL}
)


@dataclass(frozen=True)
class Entry:
    """A link to fetch, with what an earlier attempt left behind.

    Attributes:
        url: the link.
        name: relative path requested for the file; empty to choose one.
        etag: of the stored file, to check whether it has changed; else ``None``.
        last_modified: likewise.
    """

    url: str
    name: str
    etag: str | None = None
    last_modified: str | None = None

    @property
    def is_stored(self) -> bool:
        """Whether a file is there, so that only a change is fetched."""
        return self.etag is not None or self.last_modified is not None


@dataclass(frozen=True)
class Stored:
    """A checked file, ready to be put in place.

    Attributes:
        image: relative path of the file.
        sha256: hexadecimal.
        width: in pixels, upright.
        height: in pixels, upright.
        size: in bytes.
        etag: the server's name for this content, where it sends one.
        last_modified: the server's date for this content, where it sends one.
    """

    image: str
    sha256: str
    width: int
    height: int
    size: int
    etag: str | None
    last_modified: str | None


class Ledger:
    """The state of a download folder; one process at a time.

    Args:
        folder: the download folder; made if it does not exist.

    Raises:
        DataError: the folder cannot be used, or another process is using it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._name = printable_name(folder)
        self.partials = folder / ".partial"
        try:
            self.partials.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(folder / STATE_FILE, timeout=0.2, isolation_level=None)
        except (OSError, sqlite3.OperationalError) as error:
            raise DataError(f"{self._name}: cannot be used as a download folder: {error}") from None
        try:
            self._prepare()
            self._settle()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        try:
            # Held until the connection closes, by a kill too: two downloads into one
            # folder would fetch everything twice.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise DataError(
                    f"{self._name}: {STATE_FILE} was written by a newer Evoca; update it"
                )
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise DataError(f"{self._name}: another download is using this folder") from None
            raise DataError(f"{self._name}: {STATE_FILE}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{self._name}: {STATE_FILE} is damaged ({error}); delete it"
            ) from error

    def close(self) -> None:
        """Close the database and let other processes in."""
        self._db.close()

    def partial(self, url: str) -> Path:
        """Return the file in which the bytes of a link are collected."""
        return self.partials / hashlib.sha256(url.encode()).hexdigest()[:32]

    def add(self, links: Iterable[Link]) -> None:
        """Add links; known ones keep their state.

        A link whose file name belongs to another one, from an earlier list, fails: the
        others go on.
        """
        with self._transaction():
            for link in links:
                try:
                    self._db.execute(_ADD, (link.url, link.name))
                except sqlite3.IntegrityError:
                    self._db.execute(_ADD, (link.url, ""))
                    detail = (
                        f"the file name {link.name} is another link's already in {self._name}: "
                        "name it differently"
                    )
                    self.fail(link.url, FetchError(Reason.BAD_NAME, detail))

    def to_fetch(
        self, urls: Iterable[str], *, retry_dead: bool = False, refresh: bool = False
    ) -> list[Entry]:
        """Return which of the links need a request, in order.

        A link whose file is there needs none, unless it is to be refreshed; one whose
        file has vanished or changed its size waits again.

        Args:
            urls: links added before.
            retry_dead: try dead links again.
            refresh: check with the server whether stored files have changed.
        """
        entries = []
        for url in dict.fromkeys(urls):
            row = self._db.execute(
                "SELECT status, name, image, size, etag, last_modified, reason"
                " FROM link WHERE url = ?",
                (url,),
            ).fetchone()
            status, name, image, size, etag, last_modified, reason = row
            if status == Status.DONE:
                if not self._is_there(image, size):
                    self._wait_again(url)
                    entries.append(Entry(url, name))
                elif refresh:
                    entries.append(Entry(url, name, etag, last_modified))
            elif reason == Reason.BAD_NAME and not name:
                continue
            elif status != Status.DEAD or retry_dead:
                entries.append(Entry(url, name))
        return entries

    def partial_validator(self, url: str) -> str | None:
        """Return what identifies the content that the partial file is a part of."""
        row = self._db.execute(
            "SELECT partial_validator FROM link WHERE url = ?", (url,)
        ).fetchone()
        return None if row is None else row[0]

    def set_partial_validator(self, url: str, validator: str | None) -> None:
        """Note what identifies the content, before its first byte is written."""
        self._db.execute("UPDATE link SET partial_validator = ? WHERE url = ?", (validator, url))

    def store(self, url: str, stored: Stored) -> None:
        """Put a checked partial file in its place.

        Raises:
            FetchError: no file of that name can be there.
            OSError: the folder cannot be written to.
        """
        self._db.execute(
            "UPDATE link SET status = ?, image = ?, sha256 = ?, width = ?, height = ?, size = ?,"
            " etag = ?, last_modified = ?, partial_validator = NULL, reason = NULL, detail = '',"
            " http_status = NULL WHERE url = ?",
            (
                Status.STORING,
                stored.image,
                stored.sha256,
                stored.width,
                stored.height,
                stored.size,
                stored.etag,
                stored.last_modified,
                url,
            ),
        )
        self._rename(url, stored.image)

    def fail(self, url: str, error: FetchError) -> None:
        """Record why a link gave no image; a file stored earlier stays as it is."""
        self._db.execute(
            "UPDATE link SET status = ?, reason = ?, detail = ?, http_status = ?"
            " WHERE url = ? AND status != ?",
            (
                error.reason.status,
                error.reason,
                error.detail,
                error.http_status,
                url,
                Status.DONE,
            ),
        )

    def outcomes(self, urls: Iterable[str]) -> Iterator[Outcome]:
        """Yield the outcomes of links, in the order given, each once."""
        for url in dict.fromkeys(urls):
            row = self._db.execute(
                "SELECT status, image, sha256, width, height, size, reason, detail, http_status"
                " FROM link WHERE url = ?",
                (url,),
            ).fetchone()
            status, image, sha256, width, height, size, reason, detail, http_status = row
            done = status == Status.DONE
            yield Outcome(
                url=url,
                status=Status(status),
                image=image if done else "",
                sha256=sha256 if done else "",
                width=width if done else 0,
                height=height if done else 0,
                size=size if done else 0,
                reason=Reason(reason) if reason else None,
                detail=detail,
                http_status=http_status,
            )

    def _settle(self) -> None:
        """Finish or undo what a killed process was storing."""
        rows = self._db.execute(
            "SELECT url, image, sha256 FROM link WHERE status = ?", (Status.STORING,)
        ).fetchall()
        for url, image, sha256 in rows:
            if _digest(self.folder / image) == sha256:
                self._db.execute("UPDATE link SET status = 'done' WHERE url = ?", (url,))
            elif _digest(self.partial(url)) == sha256:
                try:
                    self._rename(url, image)
                except FetchError as error:
                    self._wait_again(url)
                    self.fail(url, error)
            else:
                self._wait_again(url)

    def _rename(self, url: str, image: str) -> None:
        target = self.folder / image
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.partial(url), target)  # noqa: PTH105 - atomic, also over an old file
        except OSError as error:
            if error.errno not in _OF_THE_NAME:  # such as a full disk
                raise
            self._wait_again(url)
            raise FetchError(
                Reason.BAD_NAME, f"{printable_name(image)}: {error.strerror}: name it differently"
            ) from error
        self._db.execute("UPDATE link SET status = 'done' WHERE url = ?", (url,))

    def _wait_again(self, url: str) -> None:
        self._db.execute("UPDATE link SET status = 'waiting' WHERE url = ?", (url,))

    def _is_there(self, image: str, size: int) -> bool:
        try:
            return (self.folder / image).stat().st_size == size
        except OSError:
            return False

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _digest(path: Path) -> str:
    with suppress(OSError):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return ""
