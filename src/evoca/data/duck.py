"""DuckDB, imported on first use: the engine behind manifests."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evoca.errors import DataError, MissingExtraError
from evoca.images import printable_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

__all__ = ["connect", "duck_errors", "sql_file", "sql_name", "sql_string"]

_MEMORY_LIMIT = "1GB"


def connect(*, threads: int | None = None) -> DuckDBPyConnection:
    """Open a private in-memory database that keeps the order of rows.

    It loads no extension and reads nothing over the network: the tables it is pointed at
    may come from anyone.

    Args:
        threads: how many to use; all of the machine's if omitted.

    Raises:
        MissingExtraError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("reading and writing manifests", "data", "duckdb") from error
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY_LIMIT,
        # Made only when memory runs out; the default is a folder in the user's own.
        "temp_directory": os.path.join(tempfile.gettempdir(), f"evoca-{secrets.token_hex(8)}"),  # noqa: PTH118
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_scan_all_frames": False,
        "python_enable_replacements": False,
    }
    if threads is not None:
        config["threads"] = threads
    return duckdb.connect(config=config)


def sql_name(name: str) -> str:
    """Quote a column or table name.

    >>> print(sql_name('odd "name" here'))
    "odd ""name"" here"
    """
    return '"' + name.replace('"', '""') + '"'


def sql_string(value: str | Path) -> str:
    """Quote a text literal.

    >>> sql_string("it's")
    "'it''s'"
    """
    return "'" + os.fspath(value).replace("'", "''") + "'"


def sql_file(path: Path) -> str:
    """Quote the path of one file, for functions that would expand wildcards in it.

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
        first = str(error).strip().splitlines()[0] if str(error).strip() else "unreadable"
        raise DataError(f"{where}: {first}") from error
