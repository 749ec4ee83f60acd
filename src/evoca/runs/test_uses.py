"""The record of earlier uses of test data.

A test set estimates the error on new images only if nothing was chosen on it. Every
evaluation on test images is recorded in one SQLite file of the user, whatever folder it is
run in. So the next one reports how often these images were evaluated on before. The record
holds fingerprints and names, no image and no path. ``EVOCA_LEDGER`` names another file;
``EVOCA_LEDGER=off`` turns the record off.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evoca.errors import EvocaError
from evoca.images import printable_name
from evoca.words import by_number

__all__ = ["LEDGER_VARIABLE", "PastUses", "ledger_file", "record_use"]

LEDGER_VARIABLE = "EVOCA_LEDGER"
"""Environment variable: the file of the record, or ``off``."""

_TABLE = """
CREATE TABLE IF NOT EXISTS test_use (
    time TEXT NOT NULL, data TEXT NOT NULL, split TEXT NOT NULL, model TEXT NOT NULL,
    name TEXT NOT NULL
)
"""


@dataclass(frozen=True)
class PastUses:
    """How often test images were used before now.

    Attributes:
        by_this: evaluations of the same model.
        by_others: evaluations of other models.
        others: how many other models those were.
        last: date of the latest, ISO 8601; empty where there is none.
    """

    by_this: int
    by_others: int
    others: int
    last: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "by_this_model": self.by_this,
            "by_other_models": self.by_others,
            "other_models": self.others,
            "last": self.last or None,
        }

    def __str__(self) -> str:
        parts = []
        if self.by_this:
            parts.append(f"by this model {_times(self.by_this)}")
        if self.by_others:
            models = by_number(self.others, "another model", f"{self.others} other models")
            parts.append(f"by {models} {_times(self.by_others)}")
        return f"{' and '.join(parts)}, last on {self.last[:10]}" if parts else "never"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def ledger_file() -> Path | None:
    """Return the file of the record; ``None`` if it is turned off."""
    named = os.environ.get(LEDGER_VARIABLE, "")
    if named.lower() == "off":
        return None
    if named:
        return Path(named)
    state = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "evoca" / "ledger.sqlite3"


def record_use(data: str, split: str, model: str, name: str) -> PastUses | None:
    """Return the earlier uses of test images, and record this one.

    Predictions that were saved state the name of the model that made them, and not its
    SHA-256: they count as the model of that name.

    Args:
        data: fingerprint of the images and their labels.
        split: name of the split.
        model: what identifies the model, such as its SHA-256; empty where only its name is
            known.
        name: of the model, to identify it in the record.

    Returns:
        The uses before this one; ``None`` if the record is turned off.

    Raises:
        EvocaError: the record cannot be written or read.
    """
    file = ledger_file()
    if file is None:
        return None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
            connection.execute(_TABLE)
            connection.execute("BEGIN IMMEDIATE")
            rows = connection.execute(
                "SELECT model, name, count(*), max(time) FROM test_use "
                "WHERE data = ? AND split = ? GROUP BY model, name",
                (data, split),
            ).fetchall()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            connection.execute(
                "INSERT INTO test_use VALUES (?, ?, ?, ?, ?)", (now, data, split, model, name)
            )
    except (OSError, sqlite3.Error) as error:
        raise EvocaError(
            f"{printable_name(file)}: the record of test uses cannot be kept: {error}; name "
            f"another file with {LEDGER_VARIABLE}, or set it to off"
        ) from error
    by_this, by_others, others, called = 0, 0, set(), set()
    for known, its_name, count, _ in rows:
        if (its_name == name) if "" in (known, model) else (known == model):
            by_this += count
            continue
        by_others += count
        if known:
            others.add(known)
            called.add(its_name)
    unknown = {its_name for known, its_name, *_ in rows if not known} - {name} - called
    return PastUses(
        by_this=by_this,
        by_others=by_others,
        others=len(others | unknown),
        last=max((str(time) for *_, time in rows), default=""),
    )
