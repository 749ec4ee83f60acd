"""Tables of predictions, as ``evoca predict --out`` and ``evoca tag`` write them, in DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from evoca.collection.expression import Kind
from evoca.data.manifest.duckdb import (
    Database,
    connect,
    duck_errors,
    sql_file,
    sql_name,
    sql_string,
)
from evoca.data.manifest.schema import PROBABILITY
from evoca.errors import DataError, listed
from evoca.images import printable_name
from evoca.metrics.ties import order_labels
from evoca.runtime.tables import number_columns, table_columns

__all__ = ["TAG_SUFFIXES", "Tags", "read_tags"]

TAG_SUFFIXES = (".parquet", ".csv", ".jsonl")
"""Endings of the names of tables of predictions."""

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
_ROWS_AT_ONCE = 10_000
_names = count()


@dataclass(frozen=True, eq=False)
class Tags:
    """Predictions of n images, on disk.

    Attributes:
        connection: where :attr:`relation` can be queried.
        relation: name of the view of all rows; its columns are those of :attr:`kinds`.
        kinds: name to kind of every column: those of
            :func:`evoca.runtime.tables.table_columns`, then all others.
        labels: the emotions, in the order of their taxonomy.
        source: printable names of the files.
        folder: of the first file, where relative paths may start.
    """

    connection: Database
    relation: str
    kinds: Mapping[str, Kind]
    labels: tuple[str, ...]
    source: str
    folder: Path

    @property
    def predicted(self) -> str:
        """The condition, in SQL, on rows with a prediction: those of images that were read."""
        cells = (f"{sql_name(PROBABILITY + label)} IS NOT NULL" for label in self.labels)
        return f"(coalesce(error, '') = '' AND {' AND '.join(cells)})"

    def rows(self, query: str, parameters: Sequence[object] = ()) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query as column to value, a few thousand in memory at a time.

        Args:
            query: in SQL; ``{tags}`` stands for the table.
            parameters: what stands for each ``?`` in it.

        Raises:
            DataError: a file holds what its column cannot.
        """
        with duck_errors(self.source):
            found = self.connection.cursor().execute(self._filled(query), parameters)
            columns = found.columns()
            while batch := found.fetchmany(_ROWS_AT_ONCE):
                for row in batch:
                    yield dict(zip(columns, row, strict=True))

    def arrays(self, query: str) -> dict[str, NDArray[Any]]:
        """Return the columns of a query, as (masked) arrays; ``{tags}`` stands for the table."""
        with duck_errors(self.source):
            return self.connection.execute(self._filled(query)).fetchnumpy()

    def number(self, query: str, parameters: Sequence[object] = ()) -> int:
        """Return the whole number that a query counts; ``{tags}`` stands for the table."""
        with duck_errors(self.source):
            row = self.connection.cursor().execute(self._filled(query), parameters).fetchone()
        return int(row[0]) if row else 0

    def _filled(self, query: str) -> str:
        return query.replace("{tags}", self.relation)

    def __len__(self) -> int:
        return self.number("SELECT count(*) FROM {tags}")

    def made_by(self) -> list[tuple[str, str]]:
        """Return the models, and the names of the priors, that the predictions come from."""
        rows = self.rows(
            "SELECT DISTINCT coalesce(model, '') AS model, coalesce(prior, '') AS prior "
            f"FROM {{tags}} WHERE {self.predicted} ORDER BY ALL"
        )
        return [(row["model"], row["prior"]) for row in rows]

    def file_of(self, path: str) -> Path:
        """Return where an image lies: from here, or else from the folder of the table."""
        here, there = Path(path), self.folder / path
        return there if not here.exists() and there.exists() else here


def read_tags(paths: Sequence[Path], connection: Database | None = None) -> Tags:
    """Return one or more tables of predictions as one.

    Args:
        paths: Parquet, CSV and JSON lines (``.jsonl``), or folders of them. Each needs the
            columns ``path`` (or ``image``) and ``p_<emotion>``; others may be absent.
        connection: to a database that will hold the view; a new one if omitted.

    Raises:
        DataError: no such file, another kind, no table of predictions, or damaged.
        MissingExtraError: DuckDB is not installed.
    """
    files = [file for path in paths for file in _files_of(path)]
    if not files:
        raise DataError("no table of predictions is given")
    database = connection or connect()
    source = listed([printable_name(path) for path in paths], "and")
    by_kind: dict[str, list[Path]] = {}
    for file in files:
        by_kind.setdefault(file.suffix.lower(), []).append(file)
    with duck_errors(source):
        parts = [_Part.of(database, suffix, same) for suffix, same in by_kind.items()]
        labels = _labels(parts, source)
        kinds = _kinds(parts, labels)
        relation = f"tags_{next(_names)}"
        selects = " UNION ALL ".join(part.select(kinds) for part in parts)
        database.execute(f"CREATE VIEW {relation} AS {selects}")
    return Tags(database, relation, kinds, labels, source, files[0].absolute().parent)


def _files_of(path: Path) -> list[Path]:
    name = printable_name(path)
    if path.is_dir():
        found = sorted(one for one in path.iterdir() if one.suffix.lower() in TAG_SUFFIXES)
        if not found:
            raise DataError(f"{name}: no {', '.join(TAG_SUFFIXES)} in this folder")
        return found
    if path.suffix.lower() not in TAG_SUFFIXES:
        raise DataError(
            f"{name}: tables of predictions end in {', '.join(TAG_SUFFIXES)}; "
            "evoca predict --out FILE writes one"
        )
    if not path.is_file():
        raise DataError(f"{name}: no such file")
    return [path]


@dataclass(frozen=True)
class _Part:
    """The files of one format, as something to select from."""

    reader: str
    types: Mapping[str, str]

    @classmethod
    def of(cls, database: Database, suffix: str, files: Sequence[Path]) -> _Part:
        listed_files = f"[{', '.join(sql_file(file) for file in files)}]"
        if suffix == ".parquet":
            reader = f"read_parquet({listed_files}, union_by_name=true)"
            return cls(reader, _described(database, reader))
        if suffix == ".csv":
            options = (
                "header=true, delim=',', quote='\"', escape='\"', nullstr='', union_by_name=true"
            )
            names = _described(database, f"read_csv({listed_files}, {options}, all_varchar=true)")
            forced = _structure(_known_types(names))
            reader = f"read_csv({listed_files}, {options}, types={forced})"
            return cls(reader, _described(database, reader))
        options = "format='newline_delimited', union_by_name=true"
        found = _described(database, f"read_json({listed_files}, {options})")
        # A key that only a few rows have may be absent from those that were looked at.
        types = {**found, **_known_types([*found, "error", "warnings"])}
        columns = _structure({**types, "prediction_set": "JSON"})
        return cls(f"read_json({listed_files}, {options}, columns={columns})", types)

    def select(self, kinds: Mapping[str, Kind]) -> str:
        """Return the query of its rows, with every column of the view."""
        cells = (f"{self._cell(name, kind)} AS {sql_name(name)}" for name, kind in kinds.items())
        return f"SELECT {', '.join(cells)} FROM {self.reader}"

    def _cell(self, name: str, kind: Kind) -> str:
        held = "image" if name == "path" and "path" not in self.types else name
        to = "DOUBLE" if kind == "number" else "VARCHAR"
        if held not in self.types:
            return f"CAST(NULL AS {to})"
        return sql_name(held) if self.types[held] == to else f"CAST({sql_name(held)} AS {to})"


def _described(database: Database, reader: str) -> dict[str, str]:
    rows = database.execute(f"DESCRIBE SELECT * FROM {reader}").fetchall()
    return {name: str(kind) for name, kind, *_ in rows}


def _known_types(names: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    """Return the type of each column that Evoca writes."""
    labels = [name.removeprefix(PROBABILITY) for name in names if name.startswith(PROBABILITY)]
    numbers = number_columns(labels)
    known = {"image", *table_columns(labels)}
    return {n: "DOUBLE" if n in numbers else "VARCHAR" for n in names if n in known}


def _structure(types: Mapping[str, str]) -> str:
    pairs = (f"{sql_string(name)}: {sql_string(kind)}" for name, kind in types.items())
    return f"{{{', '.join(pairs)}}}"


def _labels(parts: Sequence[_Part], source: str) -> tuple[str, ...]:
    found = [{name for name in part.types if name.startswith(PROBABILITY)} for part in parts]
    if not all(found) or not all({"path", "image"} & set(part.types) for part in parts):
        raise DataError(
            f"{source}: no columns path and p_<emotion>: this is no table of predictions, as "
            "evoca predict --out FILE writes one"
        )
    if any(names != found[0] for names in found):
        raise DataError(f"{source}: tables of different emotions cannot be read as one")
    return order_labels([name.removeprefix(PROBABILITY) for name in found[0]])


def _kinds(parts: Sequence[_Part], labels: Sequence[str]) -> dict[str, Kind]:
    own, numbers = table_columns(labels), number_columns(labels)
    kinds: dict[str, Kind] = {name: "number" if name in numbers else "text" for name in own}
    for part in parts:
        for name, kind in part.types.items():
            if name not in kinds and name != "image":
                kinds[name] = "number" if kind.startswith(_NUMBERS) else "text"
    return kinds
