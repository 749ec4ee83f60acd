"""Tables of predictions as files: CSV, JSON lines and Parquet, each with the same columns."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TextIO

from evoca.drafts import drafted, uninterrupted
from evoca.errors import EvocaError, ImageError, visible_json
from evoca.images.walk import printable_name
from evoca.prediction import Prediction
from evoca.runtime.tables import number_columns, table_columns, table_row

__all__ = [
    "TABLE_SUFFIXES",
    "CsvTable",
    "JsonLinesTable",
    "Predicted",
    "TableFile",
    "Writer",
    "require_table",
    "synced",
]

Predicted = Prediction | ImageError
"""A prediction, or the reason why there is none."""

TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
"""How the name of a table ends."""


class Writer(Protocol):
    """What takes predictions one by one."""

    def add(self, predicted: Predicted) -> None:
        """Take a prediction, or the reason why there is none."""

    def close(self) -> None:
        """End what was written."""


def require_table(out: Path) -> None:
    """Refuse, before any work, a table that could not be written in the end.

    Raises:
        EvocaError: its name ends otherwise.
        MissingExtraError: Parquet without DuckDB.
    """
    if out.suffix.lower() not in TABLE_SUFFIXES:
        raise EvocaError(
            f"--out {printable_name(out)}: name a file that ends in {', '.join(TABLE_SUFFIXES)}"
        )
    if out.suffix.lower() == ".parquet":
        from evoca.data.manifest.duckdb import connect

        connect()


class JsonLinesTable:
    """One object per line, with the columns of the table that have a value."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, predicted: Predicted, more: Mapping[str, Any] | None = None) -> None:
        """Write a line."""
        row = table_row(predicted)
        if isinstance(predicted, Prediction):
            row["prediction_set"] = list(predicted.prediction_set)
        row |= more or {}
        text = visible_json(json.dumps(row, ensure_ascii=False, allow_nan=False))
        with uninterrupted():
            self._stream.write(text + "\n")

    def close(self) -> None:
        """Do nothing: every line is whole."""


class CsvTable:
    """A header, then a line per prediction.

    Args:
        stream: to write to.
        labels: of the model.
        more: names of further columns, after those of every table of predictions.
        shown: applied to each text; as it is if omitted.
    """

    def __init__(
        self,
        stream: TextIO,
        labels: Sequence[str],
        *,
        more: Iterable[str] = (),
        shown: Callable[[str], str] | None = None,
    ) -> None:
        self._shown = shown
        columns = [*table_columns(labels), *more]
        self._csv = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        self._csv.writeheader()

    def add(self, predicted: Predicted, more: Mapping[str, Any] | None = None) -> None:
        """Write a line."""
        row = table_row(predicted) | dict(more or {})
        if self._shown is not None:
            row = {key: self._shown(v) if isinstance(v, str) else v for key, v in row.items()}
        with uninterrupted():
            self._csv.writerow(row)

    def close(self) -> None:
        """Do nothing: every line is whole."""


class _CellLines:
    """One object per line, with the cells of a table that are not empty, as Parquet is made of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def add(self, predicted: Predicted, more: Mapping[str, Any] | None = None) -> None:
        """Write a line."""
        row = table_row(predicted) | dict(more or {})
        cells = {name: cell for name, cell in row.items() if cell not in (None, "")}
        self._stream.write(json.dumps(cells, ensure_ascii=False, allow_nan=False) + "\n")


class TableFile:
    """A table in a file that appears when it is complete.

    Args:
        out: the file.
        labels: of the model.
        more: further columns, after those of every table of predictions, and their types in SQL.

    Raises:
        EvocaError: it cannot be written.
    """

    def __init__(
        self, out: Path, labels: Sequence[str], more: Mapping[str, str] | None = None
    ) -> None:
        self._out, self._labels, self._more = out, labels, dict(more or {})
        self._open = ExitStack()
        try:
            self._draft = self._open.enter_context(drafted(out))
            self._stream = self._draft.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise self._failure(error) from error
        self._rows: JsonLinesTable | CsvTable | _CellLines
        if out.suffix.lower() == ".csv":
            self._rows = CsvTable(self._stream, labels, more=self._more)
        elif out.suffix.lower() == ".jsonl":
            self._rows = JsonLinesTable(self._stream)
        else:
            self._rows = _CellLines(self._stream)

    def add(self, predicted: Predicted, more: Mapping[str, Any] | None = None) -> None:
        """Write a row."""
        try:
            self._rows.add(predicted, more)
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Keep the file, unless an error ends the command: then nothing is left."""
        error = sys.exc_info()
        try:
            self._stream.close()
            if error[0] is None and self._out.suffix.lower() == ".parquet":
                self._to_parquet()
            if error[0] is None:
                synced(self._draft)
            self._open.__exit__(*error)
        except OSError as failed:
            raise self._failure(failed) from failed

    def _to_parquet(self) -> None:
        from evoca.data.manifest.duckdb import json_lines_to_parquet

        table = self._draft.with_name("table.jsonl")
        self._draft.rename(table)
        numbers = number_columns(self._labels)
        kinds = {
            column: "DOUBLE" if column in numbers else "VARCHAR"
            for column in table_columns(self._labels)
        } | self._more
        json_lines_to_parquet(table, self._draft, kinds, f"--out {printable_name(self._out)}")

    def _failure(self, error: OSError) -> EvocaError:
        reason = error.strerror or str(error)
        return EvocaError(f"--out {printable_name(self._out)}: cannot be written: {reason}")


def synced(file: Path) -> None:
    """Have the disk hold a file before its name appears, so that no power cut leaves it empty."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
