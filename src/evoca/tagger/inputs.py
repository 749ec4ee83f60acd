"""The images that a run of ``evoca tag`` is asked to read, one by one and in order.

Folders, patterns, manifests, lists of links, tar archives and object stores are listed without
reading an image, so that a run knows how many there are, which of them it has already, and
which have changed since.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoca.errors import EvocaError, ImageError, first_line, needs_extra
from evoca.images.addresses import is_address, local_path, scheme_of
from evoca.images.walk import IMAGE_SUFFIXES, Say, folder_images, is_image, printable_name

if TYPE_CHECKING:
    from evoca.data.readers.tar import TarReader

__all__ = ["Listed", "list_inputs", "open_archive"]

_TABLES = (".csv", ".tsv", ".parquet")
_ARCHIVES = (".tar", ".tar.gz", ".tgz")
_ROWS = 10_000
# Object stores, whose hosts the user's own settings name: tables and lists may come from anyone.
_STORES = frozenset(
    ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "hf", "memory")
)


@dataclass(frozen=True)
class Listed:
    """An image that is listed, and not read yet.

    Attributes:
        path: its name in the table; of an image in an archive ``ARCHIVE/MEMBER``.
        place: the file, the archive or the address to read it from.
        member: its name inside the archive; empty elsewhere.
        version: differs once the content differs, as far as its size and time show.
        problem: why it cannot be read; empty where that is not known yet.
    """

    path: str
    place: str = ""
    member: str = ""
    version: str = ""
    problem: str = ""


def list_inputs(paths: Sequence[str], say: Say) -> Iterator[Listed]:
    """Yield every image of some inputs, in the order given, without holding them.

    Args:
        paths: each a file; a folder; a pattern (``*``, ``?``, ``[a-z]``, ``**``); a manifest or
            another table with a column ``image``, ``path`` or ``url`` (.csv, .tsv, .parquet); a
            list of paths and addresses, one per line (.txt); a tar archive, such as a shard of
            WebDataset (.tar, .tar.gz); an address of the web, or of an object store that
            fsspec can read.
        say: called with a line for what a folder leaves out.

    Raises:
        EvocaError: a table or list cannot be read at all, or a package for it is missing.
    """
    for text in paths:
        yield from _inputs_of(text, say)


def _inputs_of(text: str, say: Say) -> Iterator[Listed]:
    if not text:  # Path("") is the current folder: nobody means that
        yield Listed("", problem="an empty path")
    elif is_address(text):
        yield Listed(text, text)
    elif scheme_of(text) not in ("", "file"):
        yield from _stored(text)
    else:
        try:
            path = local_path(text)
        except ImageError as no_path:
            yield _refused(no_path)
            return
        pattern = os.fspath(path) if scheme_of(text) else text  # which may end in a slash
        if not os.path.lexists(path) and glob.has_magic(pattern):
            yield from _matching(pattern, say)
        else:
            yield from _local(path, say)


def _local(path: Path, say: Say) -> Iterator[Listed]:
    name = path.name.lower()
    if _is_folder(path):
        for found in folder_images(path, say):
            yield _refused(found) if isinstance(found, ImageError) else _file(found)
    elif name.endswith(_ARCHIVES):
        yield from _members(os.fspath(path), _file(path).version)
    elif name.endswith(_TABLES):
        yield from _table(path)
    elif name.endswith(".txt"):
        yield from _lines(path)
    else:
        yield _file(path)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False  # reading it gives the reason


def _file(path: Path) -> Listed:
    try:
        status = path.stat()
        version = f"{status.st_size}:{status.st_mtime_ns}"
    except (OSError, ValueError):
        version = ""  # reading it gives the reason
    return Listed(printable_name(path), os.fspath(path), version=version)


def _refused(error: ImageError) -> Listed:
    return Listed(error.source, problem=error.cause)


def _matching(pattern: str, say: Say) -> Iterator[Listed]:
    """Yield what a pattern matches, sorted folder by folder."""
    found = False
    for name in sorted(glob.iglob(pattern, recursive=True)):  # noqa: PTH207 - absolute ones too
        path = Path(name)
        # "**" finds folders and, below them, their files once more.
        if path.is_dir():
            if "**" in pattern:
                continue
        elif not (path.name.lower().endswith((*_ARCHIVES, *_TABLES, ".txt")) or is_image(path)):
            continue
        found = True
        yield from _local(path, say)
    if not found:
        yield Listed(printable_name(pattern), problem="no image, table or archive matches this")


# --- tables and lists -----------------------------------------------------------------------


def _table(path: Path) -> Iterator[Listed]:
    batches = _parquet_rows(path) if path.suffix.lower() == ".parquet" else _text_rows(path)
    for row, cells in batches:
        if isinstance(cells, str):
            yield Listed(f"{printable_name(path)}: row {row}", problem=cells)
        else:
            yield _of_row(cells, path, row)


def _of_row(cells: Mapping[str, str], table: Path, row: int) -> Listed:
    image, url = cells.get("image") or cells.get("path") or "", cells.get("url") or ""
    if image and url and not scheme_of(image) and not (table.parent / image).exists():
        image = ""
    if named := image or url:
        return _entry(named, table.parent)
    return Listed(f"{printable_name(table)}: row {row}", problem="neither image nor url in it")


def _entry(text: str, folder: Path) -> Listed:
    """Return the image that a cell of a table, or a line of a list, names.

    Args:
        text: a path, or an address of the web, of an object store or of a file.
        folder: where a relative path starts.
    """
    if is_address(text) or scheme_of(text) in _STORES:
        return Listed(text, text)
    try:
        return _file(folder / local_path(text))
    except ImageError as no_path:
        return _refused(no_path)


def _wanted(columns: Sequence[str], table: Path) -> list[str]:
    wanted = [name for name in ("image", "path", "url") if name in columns]
    if not wanted:
        raise EvocaError(
            f"{printable_name(table)}: no column image, path or url; it has {', '.join(columns)}"
        )
    return wanted


def _text_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    from evoca.data.manifest.csv_table import csv_batches, csv_header

    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    wanted = _wanted(csv_header(path, delimiter), path)
    bad: list[tuple[int, str]] = []
    for batch in csv_batches(
        path, lambda row, cause: bad.append((row, cause)), delimiter=delimiter, batch=_ROWS
    ):
        yield from bad
        bad.clear()
        columns = [batch.values[name].tolist() for name in wanted]
        for row, *values in zip(batch.rows.tolist(), *columns, strict=True):
            yield row, dict(zip(wanted, values, strict=True))


def _parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    from evoca.data.manifest.duckdb import connect, duck_errors, sql_file, sql_name

    with duck_errors(printable_name(path)):
        database = connect()
        found = database.execute(f"DESCRIBE SELECT * FROM read_parquet({sql_file(path)})")
        wanted = _wanted([str(name) for name, *_ in found.fetchall()], path)
        texts = ", ".join(f"CAST({sql_name(name)} AS VARCHAR)" for name in wanted)
        rows = database.execute(f"SELECT {texts} FROM read_parquet({sql_file(path)})")
        number = 1
        while batch := rows.fetchmany(_ROWS):
            for values in batch:
                yield number, {n: v or "" for n, v in zip(wanted, values, strict=True)}
                number += 1


def _lines(path: Path) -> Iterator[Listed]:
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            for line in file:
                text = line.strip()
                if text and not text.startswith("#"):
                    yield _entry(text, path.parent)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EvocaError(f"{printable_name(path)}: cannot be read: {reason}") from error


# --- archives and object stores -------------------------------------------------------------


@contextmanager
def open_archive(place: str) -> Iterator[TarReader]:
    """Yield a tar archive, to be read from front to back.

    Args:
        place: its path, or its address in an object store.

    Raises:
        EvocaError: it cannot be opened, or be read on.
    """
    from evoca.data.readers.extracted import Allowance
    from evoca.data.readers.tar import TarReader

    name = printable_name(place)
    if not scheme_of(place):
        with TarReader(Path(place), name, Allowance([Path(place)])) as archive:
            yield archive
        return
    with needs_extra("remote"):
        import fsspec
    try:
        with fsspec.open(place, "rb") as file:
            yield TarReader(file, name, Allowance([int(file.size)]))
    except EvocaError:
        raise
    except Exception as error:  # each store has errors of its own
        raise EvocaError(f"{name}: cannot be read: {first_line(error)}") from error


def _members(place: str, version: str) -> Iterator[Listed]:
    """Yield the images of an archive; where it is damaged, its readable part and an error."""
    name = printable_name(place)
    found = False
    try:
        with open_archive(place) as archive:
            for member in archive:
                if _is_image_name(member.name):
                    found = True
                    label = f"{name}/{printable_name(member.name)}"
                    yield Listed(label, place, member.name, version)
    except EvocaError as error:
        yield Listed(name, problem=str(error).removeprefix(f"{name}: "))
        return
    if not found:
        yield Listed(name, problem="no images in this archive")


def _is_image_name(name: str) -> bool:
    """Return whether a name ends as an image's does, and no part of it is hidden."""
    *_, file = name.split("/")
    return not file.startswith(".") and Path(file).suffix.lower() in IMAGE_SUFFIXES


def _stored(address: str) -> Iterator[Listed]:
    """Yield the images below an address of an object store, such as ``s3://bucket/photos``.

    Archives are read where they are named, or match a pattern.
    """
    with needs_extra("remote"):
        import fsspec
    try:
        system, path = fsspec.core.url_to_fs(address)
        infos = _infos(system, path)
    except Exception as error:  # each store has errors of its own
        yield Listed(address, problem=f"cannot be listed: {first_line(error)}")
        return
    for name in sorted(infos):
        info = infos[name]
        version = ":".join(
            str(info.get(key) or "") for key in ("size", "ETag", "LastModified", "mtime")
        )
        found = system.unstrip_protocol(name)
        if name.lower().endswith(_ARCHIVES):
            yield from _members(found, version)
        elif name.lower().endswith((*_TABLES, ".txt")):
            yield Listed(found, problem="a table or list: copy it to this machine first")
        else:
            yield Listed(found, found, "", version)
    if not infos:
        yield Listed(address, problem="no images there")


def _infos(system: Any, path: str) -> dict[str, Mapping[str, Any]]:
    more: tuple[str, ...] = ()
    if glob.has_magic(path):
        found, more = system.glob(path, detail=True), _ARCHIVES
    elif system.isdir(path):
        found = system.find(path, detail=True)
    else:
        return {path: system.info(path)}
    return {
        name: info
        for name, info in found.items()
        if info.get("type") != "directory" and (_is_image_name(name) or name.lower().endswith(more))
    }
