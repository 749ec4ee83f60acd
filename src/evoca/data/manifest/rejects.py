"""Rows that were refused: what, where and why, in a table beside the manifest."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from evoca.drafts import drafted
from evoca.errors import DataError, single_line

__all__ = ["Reject", "rejects_path", "write_rejects"]


@dataclass(frozen=True)
class Reject:
    """One refused row.

    Attributes:
        file: printable name of the file that holds it.
        row: counted from 1, the header included; 0 where the whole file is meant.
        image: the row's image as it stands there; may be empty.
        cause: what is wrong.
    """

    file: str
    row: int
    image: str
    cause: str

    def __str__(self) -> str:
        where = f"{self.file}: row {self.row}" if self.row else self.file
        return f"{where}: {self.cause}"

    def error(self) -> DataError:
        """Return the error that reports this row."""
        return DataError(str(self))


def rejects_path(manifest: Path) -> Path:
    """Return the file of a manifest's rejects.

    >>> rejects_path(Path("sets/fi.parquet")).as_posix()
    'sets/fi.rejects.csv'
    """
    return manifest.with_name(manifest.stem + ".rejects.csv")


def write_rejects(rejects: Iterable[Reject], manifest: Path) -> Path | None:
    """Return the file of rejects written beside a manifest; where there are none, remove one.

    Returns:
        The file written, or ``None``.
    """
    path = rejects_path(manifest)
    found = list(rejects)
    if not found:
        path.unlink(missing_ok=True)
        return None
    with drafted(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Reject)])
        # A server's words may be in the cause. The image stays as it stands in its row.
        writer.writerows(astuple(replace(one, cause=single_line(one.cause))) for one in found)
        file.flush()
        os.fsync(file.fileno())
    return path
