"""DuckDB, imported on first use: the engine behind manifests."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from evoca.errors import DataError, MissingExtraError, first_line
from evoca.images import printable_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

__all__ = [
    "Database",
    "connect",
    "duck_errors",
    "json_lines_to_parquet",
    "sql_file",
    "sql_name",
    "sql_string",
]

_MEMORY_LIMIT = "1GB"


class Database:
    """A connection to DuckDB whose interruption is Python's own.

    DuckDB raises a ``RuntimeError`` on Ctrl-C during a query.
    """

    def __init__(self, connection: DuckDBPyConnection) -> None:
        """Wrap a connection or cursor."""
        self._connection = connection

    def execute(self, query: str, parameters: Sequence[object] = ()) -> Database:
        """Run a query, and return the object from which its rows are fetched.

        Args:
            query: in SQL.
            parameters: what stands for each ``?`` in it.
        """
        with _plain_errors():
            self._connection.execute(query, list(parameters) or None)
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        with _plain_errors():
            return self._connection.fetchall()

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, if any."""
        with _plain_errors():
            return self._connection.fetchone()

    def fetchmany(self, n: int) -> list[tuple[Any, ...]]:
        """Return up to n rows."""
        with _plain_errors():
            return self._connection.fetchmany(n)

    def fetchnumpy(self) -> dict[str, NDArray[Any]]:
        """Return the rows as columns, masked where a cell is NULL."""
        with _plain_errors():
            return self._connection.fetchnumpy()

    def columns(self) -> list[str]:
        """Return the names of the columns of the last query."""
        return [column[0] for column in self._connection.description or ()]

    def cursor(self) -> Database:
        """Return a second connection to the same tables."""
        return Database(self._connection.cursor())

    @contextmanager
    def arrays(self, name: str, columns: Mapping[str, NDArray[Any]]) -> Iterator[None]:
        """Let queries see NumPy columns as the table ``name``."""
        with _plain_errors():
            self._connection.register(name, dict(columns))
        try:
            yield
        finally:
            self._connection.unregister(name)


@contextmanager
def _plain_errors() -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise DataError(f"the table does not fit: {first_line(error)}") from error
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None
    except RuntimeError as error:
        if "interrupted" in str(error).lower():
            raise KeyboardInterrupt from None
        raise


def connect() -> Database:
    """Return a private in-memory database that keeps the order of rows.

    It loads no extension and reads nothing over the network: the tables it is pointed at
    may come from anyone.

    Raises:
        MissingExtraError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("reading and writing tables", "data", "duckdb") from error
    spill = Path(tempfile.gettempdir()) / f"evoca-{secrets.token_hex(8)}"
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY_LIMIT,
        # Made only when memory runs out; the default lies in the user's working folder.
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_scan_all_frames": False,
        "python_enable_replacements": False,
    }
    return Database(duckdb.connect(config=config))


def sql_name(name: str) -> str:
    """Return a column or table name, quoted.

    >>> print(sql_name('odd "name" here'))
    "odd ""name"" here"
    """
    return '"' + name.replace('"', '""') + '"'


def sql_string(value: str | Path) -> str:
    """Return a text literal, quoted.

    >>> sql_string("it's")
    "'it''s'"
    """
    return "'" + os.fspath(value).replace("'", "''") + "'"


def sql_file(path: Path) -> str:
    """Return the path of one file, quoted for functions that would expand wildcards in it.

    Raises:
        DataError: the name is not valid UTF-8, which DuckDB cannot open.

    >>> from pathlib import Path
    >>> sql_file(Path("/data/set[1]*.parquet"))
    "'/data/set[[]1][*].parquet'"
    """
    text = os.fspath(path.absolute())
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        name = printable_name(path)
        raise DataError(f"{name}: the name of a table must be valid UTF-8; rename it") from None
    return sql_string(re.sub(r"([*?[])", r"[\1]", text))


@contextmanager
def duck_errors(where: str) -> Iterator[None]:
    """Turn DuckDB's errors about a file into one line that names it."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise DataError(f"{where}: {first_line(error)}") from error


def json_lines_to_parquet(table: Path, target: Path, kinds: Mapping[str, str], where: str) -> None:
    """Write JSON lines that Evoca wrote as Parquet.

    Of CSV, DuckDB cannot read every text that CSV can hold, such as a lone carriage return.

    Args:
        table: one object per line; absent keys are missing values.
        target: the Parquet file.
        kinds: column to its type in SQL, in the order of the columns.
        where: what errors name.

    Raises:
        DataError: it cannot be written.
        MissingExtraError: DuckDB is not installed.
    """
    columns = ", ".join(f"{sql_string(name)}: '{kind}'" for name, kind in kinds.items())
    source = f"read_json({sql_file(table)}, format='newline_delimited', columns={{{columns}}})"
    with duck_errors(where):
        connect().execute(
            f"COPY (SELECT * FROM {source}) TO {sql_string(str(target))} (FORMAT parquet)"
        )
