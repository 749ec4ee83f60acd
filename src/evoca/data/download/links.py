"""Lists of links: read, checked and brought to one form."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import httpx2
import numpy as np
from numpy.typing import NDArray

from evoca.data.manifest.columns import read_columns, texts
from evoca.data.manifest.csv_table import csv_batches, csv_header
from evoca.errors import DataError
from evoca.images import printable_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = [
    "IMAGE_FOLDER",
    "Link",
    "LinkList",
    "Rejected",
    "checked_url",
    "file_name",
    "links_of",
    "read_links",
]

IMAGE_FOLDER = "images"
"""Where images go, below the download folder."""
_MAX_URL = 4096
# What file systems take, less what temporary files add to it.
_MAX_PART, _MAX_NAME = 240, 1_000
# How a file of each kind begins, to find its true suffix.
_SIGNATURES: tuple[tuple[str, str], ...] = (
    (r"\xff\xd8\xff", ".jpg"),
    (r"\x89PNG\r\n", ".png"),
    (r"GIF8[79]a", ".gif"),
    (r"RIFF....WEBP", ".webp"),
    (r"....ftypavi[fs]", ".avif"),
    (r"....ftyp(hei[cxms]|hev[cx]|mif1|msf1)", ".heic"),
    (r"BM", ".bmp"),
    (r"II\*\x00|MM\x00\*", ".tif"),
    (r"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", ".jp2"),
    (r"\x00\x00\x01\x00", ".ico"),
    (r"P[1-6]\s", ".ppm"),
)


@dataclass(frozen=True)
class Link:
    """A link to fetch, checked when it is made.

    Attributes:
        url: brought to the form of :func:`checked_url`.
        name: relative path requested for the file below :data:`IMAGE_FOLDER`, with ``/``;
            a name that begins with that folder, as readers of link lists give, means the
            same place. Empty to choose one, also where it is itself an address.

    Raises:
        DataError: the address or the name cannot be used.
    """

    url: str
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", checked_url(self.url))
        object.__setattr__(self, "name", _checked_name(self.name))


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be used.

    Attributes:
        row: its number in the file, from 1, the header included.
        text: of the row.
        cause: what is wrong.
    """

    row: int
    text: str
    cause: str


@dataclass(frozen=True)
class LinkList:
    """The content of a link list.

    Attributes:
        links: every link once, in order.
        columns: the table's column names; ``url`` alone for a plain list.
        rows: one per usable row, all columns, ``url`` in checked form.
        rejects: the rows that cannot be used.
        source: printable name of the file.
    """

    links: list[Link] = field(default_factory=list)
    columns: list[str] = field(default_factory=lambda: ["url"])
    rows: list[dict[str, str]] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    source: str = ""


def checked_url(text: str) -> str:
    """Return the address of an image in one form.

    Raises:
        DataError: it is no http or https address, or carries a user name.

    >>> checked_url("HTTP://Example.com/a b.jpg#top")
    'http://example.com/a%20b.jpg'
    """
    text = text.strip()
    if len(text) > _MAX_URL:
        raise DataError(f"an address of {len(text):,} characters; the limit is {_MAX_URL:,}")
    try:
        url = httpx2.URL(text).copy_with(fragment=None)
        host = url.host
    # Beside InvalidURL: what decoding a name of other scripts raises, on asking for the host.
    except (httpx2.InvalidURL, ValueError, IndexError) as error:
        raise DataError(f"not an address: {error}") from error
    if url.scheme not in {"http", "https"} or not host:
        raise DataError("not an address that begins with http:// or https://")
    if "%" in host or (url.port is not None and not 0 < url.port < 65536):
        raise DataError("not an address: its host or port is not valid")
    if url.userinfo:
        raise DataError("an address with a user name or password in it")
    return str(url)


def read_links(path: Path) -> LinkList:
    """Return a list of links.

    Args:
        path: a table (CSV or TSV in UTF-8 with a header, or Parquet) that has the column
            ``url``, and may name the requested file in ``image``; or plain text, one address
            per line, where lines that begin with ``#`` do not count.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or is a table without ``url``.
        MissingExtraError: Parquet without DuckDB.
    """
    source = printable_name(path)
    if path.is_dir():
        raise DataError(f"{source}: a folder, and no list of links")
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, source)
    if path.suffix.lower() in {".csv", ".tsv"}:
        return _read_text_table(path, source)
    return _read_lines(path, source)


def file_name(url: str, data: bytes) -> str:
    """Return a file name that is readable, safe everywhere, and unique to the link.

    >>> file_name("http://farm1.example/12/345_ab.php?x=1", b"GIF89a...")
    '345_ab-fa880fb2ea.gif'
    """
    stem = PurePosixPath(httpx2.URL(url).path).stem
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-")[:60] or "image"
    return f"{stem}-{hashlib.sha256(url.encode()).hexdigest()[:10]}{_suffix(data)}"


def _suffix(data: bytes) -> str:
    head = data[:16].decode("latin-1")
    for signature, suffix in _SIGNATURES:
        if re.match(signature, head, re.DOTALL):
            return suffix
    return ".img"


def links_of(
    rows: Iterable[Mapping[str, str]],
    columns: Sequence[str],
    source: str,
    *,
    numbers: Iterable[int] | None = None,
) -> LinkList:
    """Return the checked links of a table, such as a manifest.

    Args:
        rows: with the column ``url``, and ``image`` where they name the requested file.
        columns: all column names, in order.
        source: printable name of the table.
        numbers: of the rows; from 2 on, as below a header, if omitted.
    """
    result = LinkList(columns=list(columns), source=source)
    names = _Names()
    for number, row in zip(count(2) if numbers is None else numbers, rows, strict=False):
        try:
            link = Link(row["url"], row.get("image", ""))
            names.take(link)
        except DataError as error:
            result.rejects.append(Rejected(number, row["url"].strip(), str(error)))
            continue
        result.rows.append({**row, "url": link.url})
        result.links.append(link)
    return result


class _Names:
    """The files and folders that links request."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._folders: set[str] = set()

    def take(self, link: Link) -> None:
        """Give a link its requested name.

        Raises:
            DataError: it is another link's, or one of the two would be a folder.
        """
        if not link.name:
            return
        folders = {str(folder) for folder in PurePosixPath(link.name).parents} - {"."}
        if link.name in self._folders or folders & self._files.keys():
            raise DataError(f"the file name {link.name} is a folder's of another link's file")
        if self._files.setdefault(link.name, link.url) != link.url:
            raise DataError(f"the file name {link.name} is another link's already")
        self._folders |= folders


def _read_lines(path: Path, source: str) -> LinkList:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: not UTF-8 text: save it as UTF-8") from error
    lines = ["" if line.lstrip().startswith("#") else line.strip() for line in text.splitlines()]
    result = links_of(({"url": line} for line in lines), ["url"], source, numbers=count(1))
    result.rejects[:] = [item for item in result.rejects if item.text]
    return result


def _read_text_table(path: Path, source: str) -> LinkList:
    # A table of one column has neither; a comma is as good as any then.
    tabs = any("\t" in name for name in csv_header(path))
    ragged: list[Rejected] = []

    def refuse(row: int, cause: str) -> None:
        ragged.append(Rejected(row, "", cause))

    batches = list(csv_batches(path, refuse, delimiter="\t" if tabs else ","))
    columns = _with_url(batches[0].values, source)
    rows = chain.from_iterable(_rows(batch.values) for batch in batches)
    numbers = chain.from_iterable(batch.rows.tolist() for batch in batches)
    result = links_of(rows, columns, source, numbers=numbers)
    result.rejects[:] = sorted([*result.rejects, *ragged], key=lambda item: item.row)
    return result


def _read_parquet(path: Path, source: str) -> LinkList:
    columns = read_columns(path)
    names = _with_url(columns.values, source)
    rows = _rows({name: texts(columns, name, source) for name in names})
    return links_of(rows, names, source, numbers=columns.rows.tolist())


def _with_url(values: Mapping[str, object], source: str) -> list[str]:
    if "url" not in values:
        raise DataError(f"{source}: no column url; it has {', '.join(values)}")
    return list(values)


def _rows(values: Mapping[str, NDArray[np.object_]]) -> Iterator[dict[str, str]]:
    for cells in zip(*(column.tolist() for column in values.values()), strict=True):
        yield dict(zip(values, cells, strict=True))


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or "://" in name:
        return ""
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") for part in parts)
    if name.startswith("/") or hidden or re.search(r'[\x00-\x1f\\:*?"<>|]', name):
        raise DataError(f"the file name {printable_name(name)!r} would leave the folder or hide")
    if not parts:
        raise DataError(f"the file name {printable_name(name)!r} names no file")
    if len(name.encode(errors="surrogateescape")) > _MAX_NAME or any(
        len(part.encode(errors="surrogateescape")) > _MAX_PART for part in parts
    ):
        raise DataError(
            f"a file name of {len(name):,} characters; the limit is {_MAX_PART} bytes a part and "
            f"{_MAX_NAME:,} in all"
        )
    if parts[0] == IMAGE_FOLDER and len(parts) > 1:
        parts = parts[1:]
    return "/".join(parts)
