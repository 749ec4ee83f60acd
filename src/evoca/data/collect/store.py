"""Questions and votes, in SQLite: a vote is stored as soon as it is given."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from evoca.errors import DataError
from evoca.images import printable_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evoca.data.collect.candidates import Candidate

__all__ = ["REVIEW_FILE", "Question", "ReviewStore", "Verdict", "Vote", "checked_annotator"]

REVIEW_FILE = "review.sqlite3"
"""Where a review keeps its questions and votes."""
_VERSION = 1
_MAX_NAME = 60
_SCHEMA = """
CREATE TABLE IF NOT EXISTS image (
    id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    path TEXT NOT NULL,
    url TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS question (
    id INTEGER PRIMARY KEY,
    image INTEGER NOT NULL REFERENCES image (id),
    emotion TEXT NOT NULL,
    keyword TEXT NOT NULL,
    UNIQUE (image, emotion)
) STRICT;
CREATE TABLE IF NOT EXISTS vote (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    question INTEGER NOT NULL REFERENCES question (id),
    annotator TEXT NOT NULL,
    verdict TEXT NOT NULL,
    at TEXT NOT NULL,
    UNIQUE (question, annotator)
) STRICT;
"""


class Verdict(StrEnum):
    """A reviewer's verdict: the image evokes the emotion, does not, or is unclear."""

    ACCEPT = "accept"
    REJECT = "reject"
    SKIP = "skip"


@dataclass(frozen=True)
class Question:
    """Does this image evoke this emotion?

    Attributes:
        id: its number.
        path: the image file.
        emotion: the emotion asked for.
    """

    id: int
    path: Path
    emotion: str


@dataclass(frozen=True)
class Vote:
    """One reviewer's answer, with the facts of the image.

    Attributes:
        path: the image file.
        verdict: the answer.
        sha256: of the file.
        width: in pixels, upright.
        height: in pixels, upright.
        url: where it came from; may be empty.
        emotion: the emotion asked for.
        keyword: what led to the image; may be empty.
        annotator: the reviewer's name.
        at: when, ISO 8601, UTC.
    """

    path: Path
    verdict: Verdict
    sha256: str
    width: int
    height: int
    url: str
    emotion: str
    keyword: str
    annotator: str
    at: str


def checked_annotator(name: str) -> str:
    """Return a reviewer's name in one form.

    Raises:
        DataError: it is empty, too long, or holds control characters.

    >>> checked_annotator("  Ada   Lovelace ")
    'Ada Lovelace'
    """
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise DataError(f"a reviewer's name has 1 to {_MAX_NAME} printable characters")
    return name


class ReviewStore:
    """The questions of a review and the votes on them; safe to use from threads.

    Args:
        folder: holds the database; made if it does not exist.

    Raises:
        DataError: the folder or the database cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        where = printable_name(folder / REVIEW_FILE)
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                folder / REVIEW_FILE, check_same_thread=False, isolation_level=None
            )
            self._db.execute("PRAGMA journal_mode = WAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise DataError(f"{where}: written by a newer Evoca; update it")
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        except (OSError, sqlite3.DatabaseError) as error:
            raise DataError(f"{where}: cannot be used: {error}") from error

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._db.close()

    def add(self, candidates: Iterable[Candidate]) -> int:
        """Return how many questions are new after candidates are added; known ones stay.

        Returns:
            How many questions are new.
        """
        with self._lock:
            before = self._count()
            self._db.execute("BEGIN")
            for candidate in candidates:
                self._add(candidate)
            self._db.execute("COMMIT")
            return self._count() - before

    def open_questions(self, annotator: str, limit: int = 2) -> list[Question]:
        """Return what a reviewer has not answered yet.

        Each reviewer gets an own order, so that no image is always last, when reviewers
        are tired; the order is the same at every visit.

        Args:
            annotator: the reviewer.
            limit: how many questions.
        """
        seed = int.from_bytes(hashlib.sha256(annotator.encode()).digest()[:4], "big")
        with self._lock:
            rows = self._db.execute(
                "SELECT question.id, path, emotion FROM question"
                " JOIN image ON image.id = question.image"
                " WHERE NOT EXISTS (SELECT 1 FROM vote"
                "   WHERE vote.question = question.id AND annotator = :annotator)"
                # Multiplication modulo a prime puts the numbers in another order.
                " ORDER BY (question.id * :factor) % 2147483647, question.id LIMIT :limit",
                {"annotator": annotator, "factor": 1 + seed % 2147483646, "limit": limit},
            ).fetchall()
        return [Question(number, Path(path), emotion) for number, path, emotion in rows]

    def question(self, number: int) -> Question | None:
        """Return a question by its number."""
        with self._lock:
            row = self._db.execute(
                "SELECT path, emotion FROM question JOIN image ON image.id = question.image"
                " WHERE question.id = ?",
                (number,),
            ).fetchone()
        return None if row is None else Question(number, Path(row[0]), row[1])

    def vote(self, number: int, annotator: str, verdict: Verdict) -> None:
        """Store an answer; a second one by the same reviewer replaces the first.

        Raises:
            DataError: there is no such question.
        """
        if self.question(number) is None:
            raise DataError(f"there is no question {number}")
        at = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock:
            self._db.execute(
                "INSERT OR REPLACE INTO vote (question, annotator, verdict, at)"
                " VALUES (?, ?, ?, ?)",
                (number, annotator, verdict, at),
            )

    def undo(self, annotator: str) -> Question | None:
        """Return the question of a reviewer's last answer, which is taken back."""
        with self._lock:
            row = self._db.execute(
                "SELECT id, question FROM vote WHERE annotator = ? ORDER BY id DESC LIMIT 1",
                (annotator,),
            ).fetchone()
            if row is None:
                return None
            self._db.execute("DELETE FROM vote WHERE id = ?", (row[0],))
        return self.question(row[1])

    def progress(self, annotator: str) -> tuple[Counter[str], int]:
        """Return a reviewer's answers by verdict, and the number of all questions."""
        with self._lock:
            rows = self._db.execute(
                "SELECT verdict, count(*) FROM vote WHERE annotator = ? GROUP BY verdict",
                (annotator,),
            ).fetchall()
            return Counter(dict(rows)), self._count()

    def votes(self) -> list[Vote]:
        """Return all answers, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT path, verdict, sha256, width, height, url, emotion, keyword, annotator, at"
                " FROM vote JOIN question ON question.id = vote.question"
                " JOIN image ON image.id = question.image ORDER BY vote.id"
            ).fetchall()
        return [Vote(Path(path), Verdict(verdict), *rest) for path, verdict, *rest in rows]

    def _count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM question").fetchone()[0])

    def _add(self, candidate: Candidate) -> None:
        width, height = candidate.size
        self._db.execute(
            "INSERT INTO image (sha256, path, url, width, height) VALUES (?, ?, ?, ?, ?)"
            # The file may have been moved since; its votes stay its own.
            " ON CONFLICT (sha256) DO UPDATE SET path = excluded.path",
            (candidate.sha256, str(candidate.path.absolute()), candidate.url, width, height),
        )
        self._db.executemany(
            "INSERT INTO question (image, emotion, keyword)"
            " VALUES ((SELECT id FROM image WHERE sha256 = ?), ?, ?)"
            " ON CONFLICT (image, emotion) DO NOTHING",
            [(candidate.sha256, emotion, word) for emotion, word in candidate.emotions.items()],
        )
