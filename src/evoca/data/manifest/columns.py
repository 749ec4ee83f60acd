"""Read a CSV or Parquet table into NumPy columns, for the in-memory view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.csv_table import csv_batches, raise_bad_row
from evoca.data.manifest.duckdb import connect, duck_errors, sql_file
from evoca.data.manifest.schema import TABLE_SUFFIXES, with_image_column
from evoca.errors import DataError
from evoca.images import printable_name

__all__ = ["Columns", "numbers", "read_columns", "texts"]


@dataclass(frozen=True)
class Columns:
    """A table, column by column.

    Attributes:
        values: column name to an array of n cells; text cells may be ``None``.
        rows: int64 (n,), the row of the file that holds each record, counted from 1; the
            header of a CSV is row 1.
    """

    values: Mapping[str, NDArray[Any]]
    rows: NDArray[np.int64]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.values[name]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, keep: NDArray[np.bool_]) -> Columns:
        """Return some of the records."""
        values = {name: cells[keep] for name, cells in self.values.items()}
        return Columns(values, self.rows[keep])


def read_columns(path: Path) -> Columns:
    """Return a CSV (standard library) or Parquet table (DuckDB); ``path`` is read as ``image``.

    Raises:
        DataError: missing, of another kind, or not readable as its suffix states.
        MissingExtraError: Parquet without DuckDB.
    """
    where = printable_name(path)
    if path.suffix.lower() not in TABLE_SUFFIXES:
        if not path.exists():
            raise DataError(f"{where}: no such file or folder")
        raise DataError(f"{where}: not a manifest; give a .csv, a .parquet or a folder")
    if not path.is_file():
        raise DataError(f"{where}: no such file")
    found = _read_csv(path, where) if path.suffix.lower() == ".csv" else _read_parquet(path)
    names = with_image_column(found.values)
    return Columns(dict(zip(names, found.values.values(), strict=True)), found.rows)


def texts(
    columns: Columns, name: str, where: str, *, required: bool = False
) -> NDArray[np.object_]:
    """Return a column as text, object (n,): stripped, empty where there is no cell.

    Raises:
        DataError: the column is required and absent.
    """
    if name not in columns:
        if required:
            have = ", ".join(columns.values) or "none"
            raise DataError(f"{where}: no column {name!r}; the columns are {have}")
        return np.full(len(columns), "", dtype=object)
    cells = ("" if cell is None else str(cell).strip() for cell in columns[name].tolist())
    return np.fromiter(cells, dtype=object, count=len(columns))


def numbers(columns: Columns, name: str, where: str) -> NDArray[np.float64]:
    """Return a column as float64 (n,); NaN where it is absent or a cell is empty.

    Raises:
        DataError: a cell is not a finite number.
    """
    if name not in columns:
        return np.full(len(columns), np.nan)
    if columns[name].dtype.kind in "iuf":
        values = np.ma.filled(np.ma.asarray(columns[name], dtype=np.float64), np.nan)
        bad = np.flatnonzero(np.isinf(values))
        if len(bad):
            raise _not_a_number(columns, int(bad[0]), name, where)
        return np.asarray(values)
    cells = texts(columns, name, where)
    result = np.full(len(cells), np.nan)
    for i in np.flatnonzero(cells != ""):
        try:
            result[i] = float(cells[i])
        except ValueError:
            raise _not_a_number(columns, int(i), name, where) from None
        if not np.isfinite(result[i]):
            raise _not_a_number(columns, int(i), name, where)
    return result


def _not_a_number(columns: Columns, index: int, name: str, where: str) -> DataError:
    cell = columns[name].tolist()[index]
    return DataError(f"{where}: row {columns.rows[index]}: {name} is {cell!r}, not a finite number")


def _read_csv(path: Path, where: str) -> Columns:
    batches = list(csv_batches(path, raise_bad_row(where)))
    values = {
        name: np.concatenate([batch.values[name] for batch in batches])
        for name in batches[0].values
    }
    return Columns(values, np.concatenate([batch.rows for batch in batches]))


def _read_parquet(path: Path) -> Columns:
    connection = connect()
    with duck_errors(printable_name(path)):
        found = connection.execute(f"SELECT * FROM read_parquet({sql_file(path)})").fetchnumpy()
    n = len(next(iter(found.values())))
    return Columns(found, np.arange(1, n + 1))
