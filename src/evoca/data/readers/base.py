"""The definition and registry of readers, and what several of them share."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import cleandoc
from pathlib import Path
from types import MappingProxyType
from urllib.parse import unquote, urlsplit

from evoca.data.manifest.csv_table import CsvBatch
from evoca.data.taxonomies import DEFAULT_TAXONOMY
from evoca.errors import DataError, did_you_mean
from evoca.images import LeftOut, printable_name
from evoca.plugins import plugins

__all__ = [
    "Cell",
    "ReadOptions",
    "Reader",
    "Row",
    "TableBatch",
    "configurable_reader",
    "emotion_alias",
    "get_reader",
    "is_link",
    "linked_name",
    "reader",
    "reader_names",
    "source_file",
    "text_rows",
    "whole_number",
]

Cell = str | int | float | None

_MAX_TEXT_BYTES = 1 << 30
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Row:
    """One labelled image as its source states it.

    Attributes:
        file: printable name of the file it stands in.
        row: the row of that file, counted from 1; 0 where there are no rows.
        cells: column of the manifest to value; ``image`` is relative to the source's
            folder, with ``/``.
        cause: why the row cannot be used; empty where it can.
        annotations: (annotator, emotion) of each vote, where the source has them.
    """

    file: str
    row: int
    cells: Mapping[str, Cell]
    cause: str = ""
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TableBatch:
    """Rows of a table at once, for sources too large to go row by row."""

    file: str
    batch: CsvBatch


@dataclass(frozen=True)
class ReadOptions:
    """The options of readers.

    Attributes:
        columns: column of the manifest to column of the source.
        labels: label of the source to label of the taxonomy.
        images: where images that lie inside other files are written, or those of an
            export start from.
        taxonomy: of the source's labels; ``mikels8`` if empty.
        max_ratio: to how many times its size a source with images inside may unpack,
            beyond 64 MiB; 20 if ``None``.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    images: str | Path | None = None
    taxonomy: str = ""
    max_ratio: int | None = None


PlainRead = Callable[[Path], Iterable[Row | LeftOut]]
ConfigurableRead = Callable[[Path, ReadOptions], Iterable[Row | TableBatch | LeftOut]]


@dataclass(frozen=True)
class Reader:
    """The reader of one data set.

    Attributes:
        name: of the reader in ``evoca data build``.
        summary: one line.
        layout: what it reads, in paragraphs; empty where the summary says all.
        taxonomy: of its labels.
        read: yields the rows of a source, and what of it was left out and why.
        files_required: a row whose image is not there is refused. Lists of votes and
            links are of use without.
        accepts: the fields of :class:`ReadOptions` that it uses.
        ratings: lowest and highest rating of valence of a source that has no labels;
            ``None`` for all others.
        scale: lowest and highest rating of valence and arousal; ``None`` where a source has
            none, or does not say.
    """

    name: str
    summary: str
    taxonomy: str
    read: ConfigurableRead
    files_required: bool
    accepts: frozenset[str] = frozenset()
    ratings: tuple[float, float] | None = None
    scale: tuple[float, float] | None = None
    layout: str = ""


_READERS: dict[str, Reader] = {}


def reader(
    name: str,
    *,
    taxonomy: str = DEFAULT_TAXONOMY,
    files_required: bool = True,
    ratings: tuple[float, float] | None = None,
    scale: tuple[float, float] | None = None,
) -> Callable[[PlainRead], PlainRead]:
    """Return a decorator that registers a reader; its docstring says which layout it reads."""

    def register(function: PlainRead) -> PlainRead:
        def read(source: Path, options: ReadOptions) -> Iterable[Row | LeftOut]:  # noqa: ARG001
            return function(source)

        summary, layout = _described(function)
        _READERS[name] = Reader(
            name,
            summary,
            taxonomy,
            read,
            files_required,
            ratings=ratings,
            scale=scale or ratings,
            layout=layout,
        )
        return function

    return register


def configurable_reader(
    name: str, *accepts: str, files_required: bool = True
) -> Callable[[ConfigurableRead], ConfigurableRead]:
    """Return a decorator like :func:`reader`, for a layout that needs options.

    Args:
        name: of the reader.
        accepts: the fields of :class:`ReadOptions` that it uses.
        files_required: see :class:`Reader`.
    """

    def register(function: ConfigurableRead) -> ConfigurableRead:
        summary, layout = _described(function)
        _READERS[name] = Reader(
            name,
            summary,
            DEFAULT_TAXONOMY,
            function,
            files_required,
            frozenset(accepts),
            layout=layout,
        )
        return function

    return register


def _described(function: Callable[..., object]) -> tuple[str, str]:
    """Return the first line of a reader's docstring, and the rest as plain paragraphs."""
    summary, _, rest = cleandoc(function.__doc__ or "").replace("``", "").partition("\n")
    paragraphs = rest.strip().split("\n\n")
    return summary, "\n\n".join(" ".join(one.split()) for one in paragraphs)


def get_reader(name: str) -> Reader:
    """Return a reader by name.

    Raises:
        DataError: no such reader.
    """
    readers = _all_readers()
    if name not in readers:
        raise DataError(
            f"no reader {name!r}{did_you_mean(name, readers)} (evoca data readers list)"
        )
    return readers[name]


def reader_names() -> tuple[str, ...]:
    """Return the names of all readers."""
    return tuple(_all_readers())


def _all_readers() -> Mapping[str, Reader]:
    # Each registers itself; an import of this file has imported the package.
    plugins("evoca.readers")
    return MappingProxyType(_READERS)


def source_file(source: Path, *names: str) -> Path:
    """Return the source itself where it is a file, else the first of the names inside it.

    Raises:
        DataError: none is there.
    """
    if source.is_file():
        return source
    for name in names:
        if (source / name).is_file():
            return source / name
    raise DataError(f"{printable_name(source)}: none of {', '.join(names)} is there")


def text_rows(
    path: Path, *, delimiter: str = ",", quote: str = '"'
) -> Iterator[tuple[int, list[str]]]:
    r"""Yield (row from 1, stripped cells) of a small delimited text file without empty rows.

    Rows end in ``\n``, ``\r\n`` or ``\r``; a delimiter of one space stands for any white
    space.

    Raises:
        DataError: unreadable, not UTF-8, or not such a table.
    """
    text = io.StringIO(_read_text(path), newline="")
    try:
        if delimiter == " ":
            rows: Iterable[list[str]] = (line.split() for line in text.read().splitlines())
        else:
            rows = csv.reader(text, delimiter=delimiter, quotechar=quote, skipinitialspace=True)
        for number, cells in enumerate(rows, start=1):
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield number, stripped
    except csv.Error as error:
        raise DataError(f"{printable_name(path)}: not a valid table: {error}") from error


def _read_text(path: Path) -> str:
    name = printable_name(path)
    try:
        if path.stat().st_size > _MAX_TEXT_BYTES:
            raise DataError(f"{name}: larger than {_MAX_TEXT_BYTES:,} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 text at byte {error.start}") from error
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error


def whole_number(text: str) -> int | None:
    """Return a count, or ``None`` where the text is no whole number.

    >>> whole_number("3"), whole_number("-1"), whole_number("3.5"), whole_number("many")
    (3, -1, None, None)
    """
    return int(text) if re.fullmatch(r"[+-]?\d{1,9}", text, re.ASCII) else None


_ALIASES = {"content": "contentment", "sad": "sadness"}


def emotion_alias(name: str) -> str:
    """Return an emotion in this project's spelling.

    Machajdik and Hanbury's sets have ``Content`` and ``Sad``.

    >>> emotion_alias("Sad"), emotion_alias("awe")
    ('sadness', 'awe')
    """
    lower = name.strip().lower()
    return _ALIASES.get(lower, lower)


def is_link(text: str) -> bool:
    """Return whether a cell is a web address rather than a file name."""
    return text.lower().startswith(("http://", "https://"))


def linked_name(link: str, folder: str = "images") -> str:
    """Return the path of a link's image, relative to the data set.

    >>> linked_name("https://farm4.staticflickr.com/3821/9415_ab_z.jpg?zz=1")
    'images/9415_ab_z.jpg'
    """
    last = unquote(urlsplit(link).path).rsplit("/", 1)[-1]
    return f"{folder}/{_UNSAFE.sub('_', last).lstrip('.') or 'unnamed'}"
