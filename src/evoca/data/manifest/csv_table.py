"""Read delimited text in batches of columns, with the row of the file that each came from.

One reader serves every CSV in this package, so that a manifest read for training and the
same manifest read for checking cannot disagree about a quote or a row number.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoca.errors import DataError
from evoca.images import printable_name
from evoca.words import counted

__all__ = ["BATCH_ROWS", "CsvBatch", "csv_batches", "csv_header", "raise_bad_row"]

BATCH_ROWS = 100_000
"""Rows a batch: about 100 MB of Python text at a dozen columns."""

_MAX_CELL = 1 << 24

# Python refuses cells above 128 KB; captions and embeddings written as text are larger. The
# limit is one for the whole process: it is only ever raised, and ends a quote never closed.
csv.field_size_limit(max(csv.field_size_limit(), _MAX_CELL))

BadRow = Callable[[int, str], None]
"""Called with the row of the file and what is wrong with it; may raise."""


@dataclass(frozen=True)
class CsvBatch:
    """Some consecutive records.

    Attributes:
        values: column name to the cells as text, object (n,).
        rows: int64 (n,), the row of the file of each record; the header is row 1.
    """

    values: dict[str, NDArray[np.object_]]
    rows: NDArray[np.int64]


def raise_bad_row(where: str) -> BadRow:
    """Return a handler that refuses the file at its first bad row."""

    def refuse(row: int, cause: str) -> None:
        raise DataError(f"{where}: row {row}: {cause}")

    return refuse


def csv_header(path: Path, delimiter: str = ",") -> list[str]:
    """Return the column names of a CSV.

    Raises:
        DataError: no such file, not text, empty, or a name twice.
    """
    where = printable_name(path)
    with _one_clear_error(where), path.open(encoding="utf-8-sig", newline="") as file:
        return _header(csv.reader(file, delimiter=delimiter, strict=True), where)


def csv_batches(
    path: Path, on_bad_row: BadRow, *, delimiter: str = ",", batch: int = BATCH_ROWS
) -> Iterator[CsvBatch]:
    r"""Yield the records of a UTF-8 text table; rows end in ``\n``, ``\r\n`` or ``\r``.

    There is always a first batch, so a table without records still has its columns.
    Empty lines are skipped and counted.

    Raises:
        DataError: the file cannot be read as such a table. A record that is too long or
            too short goes to ``on_bad_row`` instead.
    """
    where = printable_name(path)
    with _one_clear_error(where), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header = _header(reader, where)
        start, first = 2, True
        while (records := _take(reader, batch, start, where)) or first:
            rows = np.arange(start, start + len(records))
            start += len(records)
            if not set(map(len, records)) <= {len(header)}:
                good = [len(record) == len(header) for record in records]
                for row, record in zip(rows.tolist(), records, strict=True):
                    if record and len(record) != len(header):
                        on_bad_row(
                            row, f"{counted(len(record), 'cell')}, the header has {len(header)}"
                        )
                records, rows = list(compress(records, good)), rows[good]
            yield _batch(header, records, rows)
            first = False


def _take(reader: Iterator[list[str]], n: int, start: int, where: str) -> list[list[str]]:
    """Return up to n records; a list gives an error's place more exactly than a generator."""
    records: list[list[str]] = []
    try:
        records.extend(islice(reader, n))
    except csv.Error as error:
        # extend keeps the records before the error.
        cause = str(error)
        if "field limit" in cause:
            cause = f"a cell of more than {csv.field_size_limit():,} characters; is a quote open?"
        raise DataError(
            f"{where}: after row {start + len(records) - 1}: not valid CSV: {cause}"
        ) from error
    return records


def _batch(header: list[str], records: list[list[str]], rows: NDArray[np.int64]) -> CsvBatch:
    columns = zip(*records, strict=True) if records else [()] * len(header)
    values = {
        name: np.array(cells, dtype=object) for name, cells in zip(header, columns, strict=True)
    }
    return CsvBatch(values, rows)


def _header(reader: Iterator[list[str]], where: str) -> list[str]:
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise DataError(f"{where}: the first row is not valid CSV: {error}") from error
    if not header:
        raise DataError(f"{where}: the file is empty; its first row must name the columns")
    # DuckDB does not distinguish columns by case.
    lower = [name.lower() for name in header]
    repeated = sorted({name for name in header if lower.count(name.lower()) > 1})
    if repeated:
        raise DataError(f"{where}: the header names {', '.join(repeated)} more than once")
    if header[0] == "" and len(header) > 1:
        raise DataError(
            f"{where}: the header's first column has no name: pandas writes its index so; write "
            "the table with to_csv(..., index=False)"
        )
    if "" in header:
        raise DataError(f"{where}: the header has a column without a name")
    return header


@contextmanager
def _one_clear_error(where: str) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: not UTF-8 text at byte {error.start}") from error
    except FileNotFoundError as error:
        raise DataError(f"{where}: no such file") from error
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror}") from error
