"""Build a manifest's table batch by batch: clean, check, type, keep or refuse each row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.duck import sql_file, sql_name
from evoca.data.rejects import Reject
from evoca.data.schema import check_emotion_columns
from evoca.data.taxonomies import TAXONOMIES, labels_of
from evoca.data.validation import cause_expression, clean_expression, typed_expression
from evoca.errors import DataError
from evoca.images import printable_name

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["TableBuilder"]

_ROW = "__row"
_CAUSE = "__cause"


class TableBuilder:
    """Collects rows into the table ``manifest`` of a DuckDB connection."""

    def __init__(self, connection: DuckDBPyConnection, taxonomy: str, *, strict: bool) -> None:
        """Start an empty table.

        Args:
            connection: where the table is made.
            taxonomy: of the rows that do not name theirs.
            strict: raise at the first bad row rather than list it.

        Raises:
            DataError: no such taxonomy.
        """
        labels_of(taxonomy)
        self.connection = connection
        self.taxonomy = taxonomy
        self.strict = strict
        self.rejects: list[Reject] = []
        self._columns: dict[str, str] = {}

    @property
    def started(self) -> bool:
        """Whether any batch has come in."""
        return bool(self._columns)

    def reject(self, file: str, row: int, cause: str, image: str = "") -> None:
        """Refuse a row.

        Raises:
            DataError: while strict.
        """
        found = Reject(file, row, image, cause)
        if self.strict:
            raise found.error()
        self.rejects.append(found)

    def add(
        self,
        values: Mapping[str, NDArray[Any]],
        rows: NDArray[np.int64],
        file: str,
        causes: NDArray[np.object_] | None = None,
    ) -> None:
        """Add n rows.

        Args:
            values: column name to n cells.
            rows: int64 (n,), the row of the file that each came from.
            file: printable name of that file.
            causes: why a row is refused already, object (n,); ``None`` where it is not.

        Raises:
            DataError: no column ``image``, a vote column for an unknown emotion, or a bad
                row while strict.
        """
        incoming = {**values, _ROW: rows}
        if causes is not None:
            incoming[_CAUSE] = causes
        self.connection.register("incoming", incoming)
        try:
            self._add("incoming", file)
        finally:
            self.connection.unregister("incoming")

    def add_parquet(self, path: Path) -> None:
        """Add the rows of a Parquet file.

        Raises:
            DataError: as :meth:`add`.
            duckdb.Error: not a Parquet file.
        """
        self._add(
            f"(SELECT *, row_number() OVER () AS {_ROW} FROM read_parquet({sql_file(path)}))",
            printable_name(path),
        )

    def _add(self, source: str, file: str) -> None:
        described = self.connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        types = {name: str(kind) for name, kind, *_ in described}
        stated = "CAST(NULL AS VARCHAR)" if _CAUSE not in types else _CAUSE
        columns = {name: kind for name, kind in types.items() if name not in {_ROW, _CAUSE}}
        if "image" not in columns:
            have = ", ".join(columns) or "none"
            raise DataError(f"{file}: no column 'image'; the columns are {have}")
        labels = self._labels("taxonomy" in columns)
        check_emotion_columns(columns, labels, file)
        cleaned = ", ".join(
            f"{clean_expression(name, kind)} AS {sql_name(name)}" for name, kind in columns.items()
        )
        cause = cause_expression(tuple(columns), labels, self.taxonomy)
        self.connection.execute(
            "CREATE OR REPLACE TEMP VIEW checked AS "
            f"SELECT *, coalesce({_CAUSE}, {cause}) AS __refused FROM "
            f"(SELECT {cleaned}, {_ROW}, {stated} AS {_CAUSE} FROM {source})"
        )
        self._keep(columns, labels)
        self._refuse(file)

    def _labels(self, taxonomy_by_row: bool) -> tuple[str, ...]:
        names = tuple(TAXONOMIES) if taxonomy_by_row else (self.taxonomy,)
        return tuple(dict.fromkeys(label for name in names for label in labels_of(name)))

    def _keep(self, columns: Mapping[str, str], labels: tuple[str, ...]) -> None:
        chosen = ", ".join(
            f"{typed_expression(name, labels)} AS {sql_name(name)}" for name in columns
        )
        query = f"SELECT {chosen} FROM checked WHERE __refused IS NULL"
        if not self._columns:
            self.connection.execute(f"CREATE TABLE manifest AS {query}")
        else:
            self._add_columns(query)
            self.connection.execute(f"INSERT INTO manifest BY NAME {query}")
        described = self.connection.execute("DESCRIBE manifest").fetchall()
        self._columns = {name: str(kind) for name, kind, *_ in described}

    def _add_columns(self, query: str) -> None:
        for name, kind, *_ in self.connection.execute(f"DESCRIBE {query}").fetchall():
            if name not in self._columns:
                self.connection.execute(f"ALTER TABLE manifest ADD COLUMN {sql_name(name)} {kind}")

    def _refuse(self, file: str) -> None:
        found = self.connection.execute(
            f"SELECT {_ROW}, coalesce(image, ''), __refused FROM checked "
            f"WHERE __refused IS NOT NULL ORDER BY {_ROW}"
        )
        for row, image, cause in found.fetchall():
            self.reject(file, int(row), cause, image)
