"""Write images that lie inside other files to files of their own, within bounds.

A compressed file of a megabyte can hold gigabytes, and a table can repeat one large cell a
million times. The output of a source is counted against its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from evoca.data.readers.base import ReadOptions
from evoca.drafts import drafted
from evoca.errors import DataError
from evoca.images import IMAGE_SUFFIXES, ImageLimits, printable_name

__all__ = ["Allowance", "Extraction", "RefusedArchiveError", "extraction_folder"]

# Pictures are compressed already: archives of them hold about what they weigh, those of tiny
# ones a few times as much, for headers and padding. Zeros shrink to a thousandth.
_MAX_RATIO = 20
_FREE_BYTES = 64 * 1024 * 1024


class RefusedArchiveError(DataError):
    """A file with images that would unpack to far more than its size."""


def extraction_folder(options: ReadOptions, what: str) -> Path:
    """Return the folder to write images to.

    Raises:
        DataError: the options name none.
    """
    if options.images is None:
        raise DataError(f"{what} holds images inside: say where to write them (--images FOLDER)")
    return Path(options.images)


class Allowance:
    """The bytes that may come out of a source: 64 MiB and so many times its size.

    Args:
        files: of the source; of one that is not on this machine, its bytes.
        max_ratio: how many times; 20 if ``None``.

    Raises:
        DataError: a file's size cannot be read.
    """

    def __init__(self, files: Sequence[Path | int], max_ratio: int | None = None) -> None:
        self._ratio = _MAX_RATIO if max_ratio is None else max_ratio
        try:
            self._weight = sum(
                file if isinstance(file, int) else file.stat().st_size for file in files
            )
        except OSError as error:
            name = printable_name(error.filename or "")
            raise DataError(f"{name}: cannot be read: {error.strerror}") from error
        self._left = _FREE_BYTES + self._ratio * self._weight

    def spend(self, count: int, where: str) -> None:
        """Count bytes that come out, before they do.

        Args:
            count: how many.
            where: printable name of the file that they come out of.

        Raises:
            RefusedArchiveError: they are too many.
        """
        self._left -= count
        if self._left < 0:
            limit = _FREE_BYTES + self._ratio * self._weight
            raise RefusedArchiveError(
                f"{where}: unpacks to more than {limit:,} bytes, where all of the source has "
                f"{self._weight:,}, a decompression bomb? The limit is 64 MiB and {self._ratio} "
                "times its size: raise --max-ratio (ReadOptions.max_ratio) where you trust it"
            )


class Extraction:
    """The images of one file, written to a folder; a context manager.

    After a :class:`RefusedArchiveError` nothing stays of what it wrote; after any other
    error whole images do, for the next run to go on with.

    Args:
        folder: made with the first image.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: list[str] = []
        self._made: list[Path] = []

    def __enter__(self) -> Extraction:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, RefusedArchiveError):
            return
        with suppress(OSError):
            for name in self._written:
                (self._folder / name).unlink(missing_ok=True)
            for folder in self._made:
                folder.rmdir()

    def write(self, data: bytes, number: int, suffix: str) -> Path:
        """Write an image under a name of our own, whole or not at all, and return its path.

        The name in the archive is not used: it could lead anywhere. A file that is there
        already with the same size is kept, so that a second run continues the first.

        Raises:
            DataError: larger than an image may be, or the folder cannot be written to.
        """
        limit = ImageLimits().max_bytes
        if len(data) > limit:
            raise DataError(f"the image has {len(data):,} bytes, the limit is {limit:,}")
        suffix = suffix.lower() if suffix.lower() in IMAGE_SUFFIXES else ".jpg"
        path = self._folder / f"{number:08d}{suffix}"
        try:
            if path.is_file() and path.stat().st_size == len(data):
                return path
            self._make_folder()
            with drafted(path) as draft:
                draft.write_bytes(data)
        except OSError as error:
            name = printable_name(path)
            raise DataError(f"{name}: cannot be written: {error.strerror}") from error
        self._written.append(path.name)
        return path

    def _make_folder(self) -> None:
        if self._folder.is_dir():
            return
        missing = [path for path in (self._folder, *self._folder.parents) if not path.exists()]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._made.extend(missing)
