"""Build a manifest's table batch by batch: clean, check, type, keep or refuse each row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.duckdb import Database, sql_file, sql_name, sql_string
from evoca.data.manifest.rejects import Reject
from evoca.data.manifest.rules import (
    cause_expression,
    clean_expression,
    possible_labels,
    typed_expression,
)
from evoca.data.manifest.schema import check_columns, with_image_column
from evoca.data.taxonomies import labels_of
from evoca.errors import DataError
from evoca.images import printable_name

__all__ = ["TableBuilder"]

_ROW = "__row"
_CAUSE = "__cause"


class TableBuilder:
    """Collects rows into the table ``manifest`` of a DuckDB connection."""

    def __init__(self, connection: Database, taxonomy: str, *, strict: bool) -> None:
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
        """Whether any batch has been added."""
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
        *,
        causes: NDArray[np.object_] | None = None,
        constants: Mapping[str, str] | None = None,
    ) -> None:
        """Add n rows.

        Args:
            values: column name to n cells of text, object (n,); empty ones may be ``None``.
            rows: int64 (n,), the row of the file that each came from.
            file: printable name of that file.
            causes: why a row is refused already, object (n,); ``None`` where it is not.
            constants: cells of columns that are the same in all rows, unless the column
                is in ``values``.

        Raises:
            DataError: no column ``image``, a vote column for an unknown emotion, or a bad
                row while strict.
        """
        values = dict(zip(with_image_column(values), values.values(), strict=True))
        text = values if causes is None else {**values, _CAUSE: causes}
        fixed = [
            f"{sql_string(value)} AS {sql_name(name)}"
            for name, value in (constants or {}).items()
            if name not in values
        ]
        # A batch of empty cells would otherwise not be typed as text.
        as_text = ", ".join(f"{sql_name(name)}::VARCHAR AS {sql_name(name)}" for name in text)
        source = f"(SELECT {as_text}, {_ROW} FROM incoming)"
        with self.connection.arrays("incoming", {**text, _ROW: rows}):
            cleaned = ", ".join((*self._cleaned(source), *fixed))
            # Stored, because the rules read each cell several times.
            self.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE batch AS SELECT {cleaned} FROM {source}"
            )
        self._add("batch", file)

    def add_parquet(self, path: Path) -> None:
        """Add the rows of a Parquet file.

        Raises:
            DataError: as :meth:`add`.
            duckdb.Error: not a Parquet file.
        """
        source = f"(SELECT *, row_number() OVER () AS {_ROW} FROM read_parquet({sql_file(path)}))"
        cleaned = ", ".join(self._cleaned(source))
        self._add(f"(SELECT {cleaned} FROM {source})", printable_name(path))

    def _cleaned(self, source: str) -> list[str]:
        described = self.connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        names = with_image_column(str(name) for name, *_ in described)
        return [
            f"{clean_expression(name, str(kind))} AS {sql_name(new)}"
            for new, (name, kind, *_) in zip(names, described, strict=True)
        ]

    def _add(self, source: str, file: str) -> None:
        described = self.connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        present = {name for name, *_ in described}
        columns = tuple(name for name, *_ in described if name not in {_ROW, _CAUSE})
        if "image" not in columns:
            raise DataError(
                f"{file}: no column 'image'; the columns are {', '.join(columns) or 'none'}"
            )
        labels = self._labels("taxonomy" in columns)
        check_columns(columns, labels, file)
        stated = _CAUSE if _CAUSE in present else "NULL"
        cause = cause_expression(columns, labels, self.taxonomy)
        self.connection.execute(
            "CREATE OR REPLACE TEMP VIEW checked AS "
            f"SELECT *, coalesce({stated}, {cause}) AS __refused FROM {source}"
        )
        refused = self._refuse(file)
        # Without bad rows, the common case, the rules need not run a second time.
        self._keep(columns, labels, "WHERE __refused IS NULL" if refused else "")

    def _labels(self, taxonomy_by_row: bool) -> tuple[str, ...]:
        return possible_labels(self.taxonomy, by_row=taxonomy_by_row)

    def _keep(self, columns: tuple[str, ...], labels: tuple[str, ...], where: str) -> None:
        chosen = ", ".join(
            f"{typed_expression(name, labels)} AS {sql_name(name)}" for name in columns
        )
        query = f"SELECT {chosen} FROM checked {where}"
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

    def _refuse(self, file: str) -> int:
        found = self.connection.execute(
            f"SELECT {_ROW}, coalesce(image, ''), __refused FROM checked "
            f"WHERE __refused IS NOT NULL ORDER BY {_ROW}"
        )
        rows = found.fetchall()
        for row, image, cause in rows:
            self.reject(file, int(row), cause, image)
        return len(rows)
