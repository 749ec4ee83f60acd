"""Where a command may write: away from what it reads, and from tables that are not its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evoca.data.manifest.duckdb import connect, duck_errors, sql_file
from evoca.data.manifest.schema import TABLE_SUFFIXES
from evoca.errors import DataError
from evoca.images import printable_name

__all__ = ["check_table_name", "claim_tables", "keep_apart", "keep_tables_of"]


def check_table_name(out: Path) -> None:
    """Refuse a name that is no manifest's, before any work is done.

    Raises:
        DataError: another suffix.
    """
    if out.suffix.lower() not in TABLE_SUFFIXES:
        raise DataError(f"{printable_name(out)}: a manifest's name ends in .parquet or .csv")


def keep_apart(source: Path, outputs: Iterable[Path]) -> None:
    """Refuse to write over the table that is read: its rows may be nowhere else.

    Args:
        source: what is read.
        outputs: what will be written.

    Raises:
        DataError: one of the outputs is the source, by whatever path.
    """
    for output in outputs:
        if output.exists() and source.exists() and output.samefile(source):
            raise DataError(
                f"{printable_name(source)}: is read, and would be written over: "
                "give --out another name"
            )


def keep_tables_of(source: Path, out: Path) -> None:
    """Refuse to write over a table that a data set came with; a manifest in it is ours.

    Args:
        source: the data set's folder, or a file of it.
        out: the table that will be written.

    Raises:
        DataError: it is there, inside the folder, and was no manifest.
    """
    if not (source.is_dir() and out.is_file()):
        return
    if out.resolve().is_relative_to(source.resolve()) and not _is_manifest(out):
        raise DataError(
            f"{printable_name(out)}: belongs to the data set that is read: give --out another name"
        )


def _is_manifest(table: Path) -> bool:
    kind = "read_parquet" if table.suffix.lower() == ".parquet" else "read_csv"
    options = "" if kind == "read_parquet" else ", header = true, all_varchar = true"
    try:
        with duck_errors(printable_name(table)):
            query = f"FROM {kind}({sql_file(table)}{options}) LIMIT 0"
            found = connect().execute(query).columns()
    except DataError:
        return False
    return {"image", "taxonomy"} <= set(found)


def claim_tables(state: Path, names: Iterable[str]) -> None:
    """Refuse a folder whose tables come from elsewhere.

    Args:
        state: the file that marks the folder as the command's own.
        names: of the tables that will be written beside it.

    Raises:
        DataError: a table is there already, and the state is not.
    """
    if state.exists():
        return
    for name in names:
        table = state.with_name(name)
        if table.exists():
            raise DataError(
                f"{printable_name(table)}: is there already and would be written over: "
                "move it away, or give --out another folder"
            )
