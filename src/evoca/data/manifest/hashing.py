"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evoca.errors import DataError
from evoca.images import printable_name

__all__ = ["sha256_file", "sha256_files"]

_THREADS = 4  # hashing releases the interpreter lock


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal text.

    Raises:
        DataError: missing, not a regular file (a pipe could block for ever), unreadable.
    """
    try:
        if not path.is_file():
            raise DataError(f"{printable_name(path)}: no such file")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{printable_name(path)}: cannot be read: {error.strerror}") from error


def sha256_files(
    paths: Sequence[Path], on_error: Callable[[DataError], str] | None = None
) -> tuple[str, ...]:
    """Return the SHA-256 of each file, several at a time.

    Args:
        paths: the files.
        on_error: returns what stands for a file that cannot be read; such a file is an
            error if omitted.

    Raises:
        DataError: a file cannot be read and ``on_error`` is omitted.
    """

    def digest(path: Path) -> str:
        try:
            return sha256_file(path)
        except DataError as error:
            if on_error is None:
                raise
            return on_error(error)

    with ThreadPoolExecutor(_THREADS) as pool:
        return tuple(pool.map(digest, paths))
