"""Lists of links: read, checked and brought to one form."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import httpx2

from evoca.errors import DataError
from evoca.images import printable_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Link", "LinkList", "Rejected", "checked_url", "file_name", "links_of", "read_links"]

_MAX_URL = 4096
# How a file of each kind begins: which suffix tells the truth about it.
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
        name: relative path wanted for the file, with ``/``; empty to choose one, also
            where it is itself an address.

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
        text: what stands there.
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
        rows: one a usable row, all columns, ``url`` in checked form.
        rejects: the rows that cannot be used.
        source: printable name of the file.
    """

    links: list[Link] = field(default_factory=list)
    columns: list[str] = field(default_factory=lambda: ["url"])
    rows: list[dict[str, str]] = field(default_factory=list)
    rejects: list[Rejected] = field(default_factory=list)
    source: str = ""


def checked_url(text: str) -> str:
    """Bring the address of an image to one form.

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
    except httpx2.InvalidURL as error:
        raise DataError(f"not an address: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise DataError("not an address that begins with http:// or https://")
    if "%" in url.host or (url.port is not None and not 0 < url.port < 65536):
        raise DataError("not an address: its host or port is not valid")
    if url.userinfo:
        raise DataError("an address with a user name or password in it")
    return str(url)


def read_links(path: Path) -> LinkList:
    """Read a list of links.

    Args:
        path: a table (UTF-8, comma or tab, with a header) that has the column ``url``,
            and may name the file wanted in ``image``; or plain text, one address a line,
            where lines that begin with ``#`` do not count.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or is a table without ``url``.
    """
    source = printable_name(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: not UTF-8 text: save it as UTF-8") from error
    is_table = path.suffix.lower() in {".csv", ".tsv"}
    return _read_table(text, source) if is_table else _read_lines(text, source)


def file_name(url: str, data: bytes) -> str:
    """Choose a file name that is readable, safe everywhere, and the link's own.

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
    rows: Iterable[Mapping[str, str]], columns: Sequence[str], source: str, *, first_row: int = 2
) -> LinkList:
    """Check the rows of a table, such as a manifest's.

    Args:
        rows: with the column ``url``, and ``image`` where they name the file wanted.
        columns: all column names, in order.
        source: printable name of the table.
        first_row: number of the first row; 2 where a header stands above it.
    """
    result = LinkList(columns=list(columns), source=source)
    taken: dict[str, str] = {}
    for number, row in enumerate(rows, start=first_row):
        try:
            link = Link(row["url"], row.get("image", ""))
            if link.name and taken.setdefault(link.name, link.url) != link.url:
                raise DataError(f"the file name {link.name} is another link's already")
        except DataError as error:
            result.rejects.append(Rejected(number, row["url"].strip(), str(error)))
            continue
        result.rows.append({**row, "url": link.url})
        result.links.append(link)
    return result


def _read_lines(text: str, source: str) -> LinkList:
    lines = ["" if line.lstrip().startswith("#") else line.strip() for line in text.splitlines()]
    result = links_of(({"url": line} for line in lines), ["url"], source, first_row=1)
    result.rejects[:] = [item for item in result.rejects if item.text]
    return result


def _read_table(text: str, source: str) -> LinkList:
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter="\t" if "\t" in header else ",")
    columns = [name.strip() for name in reader.fieldnames or []]
    if "url" not in columns:
        raise DataError(f"{source}: no column url; it has {', '.join(columns) or 'nothing'}")
    reader.fieldnames = columns
    # Cells beyond the header stand under None; cells that are missing are None.
    rows = ({column: row[column] or "" for column in columns} for row in reader)
    try:
        return links_of(rows, columns, source)
    except csv.Error as error:
        raise DataError(f"{source}: line {reader.line_num}: {error}") from error


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or "://" in name:
        return ""
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") for part in parts)
    if name.startswith("/") or hidden or re.search(r'[\x00-\x1f\\:*?"<>|]', name):
        raise DataError(f"the file name {printable_name(name)!r} would leave the folder or hide")
    return "/".join(parts)
