"""The plain files inside a tar archive that may come from anyone.

Python's own ``tarfile`` trusts its archive: it reads a header of any size into memory, keeps
every member that it has seen, follows chains of headers by recursion, fills holes with zeros
and, before 3.11.10 and 3.12.6, takes hours for the digits of a hostile header. Shards need
little of it: names and sizes, one after the other.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from evoca.data.readers.extracted import Allowance, RefusedArchiveError
from evoca.errors import DataError

__all__ = ["TarMember", "TarReader"]

_BLOCK = 512
_CHUNK = 1 << 20
# Paths have up to 4,096 bytes; access lists and other attributes may take some more.
_MAX_HEADER = 1 << 20
_GZIP = b"\x1f\x8b"
# The types of members, and of headers that extend the next one.
_FILES, _SPARSE, _NO_DATA = frozenset(b"\x0007S"), ord("S"), frozenset(b"123456")
_LONG_NAME, _EXTENDED, _IGNORED = ord("L"), frozenset(b"xX"), frozenset(b"Kg")
# Where a header, and each block after it, states that its list of holes goes on.
_HEADER_GOES_ON, _HOLES_GO_ON = 482, 504


@dataclass(frozen=True)
class TarMember:
    """A plain file inside an archive.

    Attributes:
        name: its path, with ``/``; bytes that are not UTF-8 are surrogates.
        size: bytes that the archive stores of it.
        sparse: it has holes, which are not stored: its data are not what was packed.
    """

    name: str
    size: int
    sparse: bool


@dataclass
class _Extension:
    """The extension headers of a member."""

    name: bytes | None = None
    size: int | None = None
    sparse: bool = False


class TarReader:
    """An archive, plain or compressed by gzip, read from front to back; a context manager.

    It iterates over the plain files, and holds the data of none of them.

    Args:
        file: the archive, or its path.
        where: its printable name, for messages.
        allowance: what may come out of it.

    Raises:
        DataError: it cannot be opened.
    """

    def __init__(self, file: Path | IO[bytes], where: str, allowance: Allowance) -> None:
        self._where, self._allowance = where, allowance
        self._left = self._padding = 0
        try:
            self._file: IO[bytes] = file.open("rb") if isinstance(file, Path) else file
            packed = self._file.read(len(_GZIP)) == _GZIP
            self._file.seek(0)
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from error
        self._stream: IO[bytes] = gzip.GzipFile(fileobj=self._file) if packed else self._file  # type: ignore[assignment]

    def __enter__(self) -> TarReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._file.close()

    def __iter__(self) -> Iterator[TarMember]:
        """Yield the plain files; what of their data is not read is skipped.

        Raises:
            DataError: damaged, or no tar archive.
            RefusedArchiveError: a header is too large, or too much comes out.
        """
        about, begun = _Extension(), False
        while (block := self._header(begun=begun)) is not None:
            begun = True
            kind, size = block[156], self._number(block[124:136])
            if kind == _LONG_NAME:
                about.name = self._payload(size).partition(b"\0")[0]
            elif kind in _EXTENDED:
                self._extend(about, self._payload(size))
            elif kind in _IGNORED:
                self._skip(size + -size % _BLOCK)
            else:
                yield from self._member(block, about, size)
                about = _Extension()
        if about != _Extension() or not begun:
            raise self._unreadable("no member follows a header" if begun else "it is empty")

    def read(self) -> bytes:
        """Return the data of the file that the iteration is at; it can be read once.

        Raises:
            DataError: the archive ends within them.
            RefusedArchiveError: too much comes out of it.
        """
        count, self._left = self._left, 0
        return self._take(count)

    def _member(self, block: bytes, about: _Extension, size: int) -> Iterator[TarMember]:
        """Yield a member where it is a plain file, then skip its data."""
        kind = block[156]
        if kind == _SPARSE:
            more = block[_HEADER_GOES_ON]
            while more:
                more = self._take(_BLOCK)[_HOLES_GO_ON]
        name = about.name if about.name is not None else _name(block)
        if about.size is not None:
            size = about.size
        stored = 0 if kind in _NO_DATA else size
        self._left, self._padding = stored, -stored % _BLOCK
        # Before there was a type for folders, a slash made one.
        if kind in _FILES and not name.endswith(b"/"):
            sparse = about.sparse or kind == _SPARSE
            yield TarMember(name.decode("utf-8", "surrogateescape"), stored, sparse)
        self._skip(self._left + self._padding)

    def _header(self, *, begun: bool) -> bytes | None:
        """Return the next header; ``None`` at the end."""
        self._allowance.spend(_BLOCK, self._where)
        block = self._read(_BLOCK)
        if not block and begun:  # some writers leave out the empty blocks at the end
            return None
        if block and not block.strip(b"\0") and len(block) == _BLOCK:
            return None
        if not block:
            raise self._unreadable("it is empty")
        if len(block) < _BLOCK:
            raise self._unreadable("it ends within a header")
        stated, total = self._number(block[148:156]), _sum(block)
        # Old writers summed signed bytes.
        if stated != total and stated != total - 256 * sum(byte > 127 for byte in block):
            raise self._unreadable("a header is damaged, or it is none")
        return block

    def _payload(self, size: int) -> bytes:
        """Return the data of an extension header."""
        if size > _MAX_HEADER:
            raise RefusedArchiveError(
                f"{self._where}: a header of {size:,} bytes, where names and attributes of files "
                f"have up to {_MAX_HEADER:,}: unpack it and pack the files alone"
            )
        data = self._take(size)
        self._skip(-size % _BLOCK)
        return data

    def _extend(self, about: _Extension, data: bytes) -> None:
        """Add the records of a POSIX header, each ``length key=value`` and a line's end."""
        at = 0
        while at < len(data):
            digits = data[at : at + 20].partition(b" ")[0]
            if not digits.isdigit() or int(digits) <= len(digits) + 1:
                raise self._unreadable("a header is damaged")
            record = data[at + len(digits) + 1 : at + int(digits) - 1]
            at += int(digits)
            key, _, value = record.partition(b"=")
            if key == b"size":
                if not value.isdigit() or len(value) > 20:
                    raise self._unreadable("a header is damaged")
                about.size = int(value)
            elif key in {b"path", b"GNU.sparse.name"}:
                about.name = value
            about.sparse |= key.startswith(b"GNU.sparse.")

    def _number(self, field: bytes) -> int:
        """Return a number: octal digits, or binary where the first bit is set."""
        if field[0] == 0x80:
            return int.from_bytes(field[1:], "big")
        digits = field.partition(b"\0")[0].strip()
        try:
            number = int(digits or b"0", 8)
        except ValueError:
            number = -1
        if number < 0:
            raise self._unreadable("a header is damaged, or it is none")
        return number

    def _take(self, count: int) -> bytes:
        self._allowance.spend(count, self._where)
        data = self._read(count)
        if len(data) < count:
            raise self._unreadable("it ends too early")
        return data

    def _skip(self, count: int) -> None:
        self._allowance.spend(count, self._where)
        self._left = self._padding = 0
        while count:
            found = len(self._read(min(count, _CHUNK)))
            if not found:
                raise self._unreadable("it ends too early")
            count -= found

    def _read(self, count: int) -> bytes:
        """Return the next bytes; fewer only at the end."""
        try:
            return self._stream.read(count)
        except (OSError, EOFError, zlib.error) as error:
            raise self._unreadable(str(error)) from error

    def _unreadable(self, cause: str) -> DataError:
        return DataError(f"{self._where}: not a readable tar file: {cause}")


def _sum(block: bytes) -> int:
    """Return the checksum of a header: its bytes, with spaces in the sum's own place."""
    return sum(block) - sum(block[148:156]) + 8 * ord(" ")


def _name(block: bytes) -> bytes:
    name = block[:100].partition(b"\0")[0]
    # GNU's own format has other things in that place.
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name
