"""Write images that lie inside other files to files of their own."""

from __future__ import annotations

from pathlib import Path

from evoca.data.readers.base import ReadOptions
from evoca.errors import DataError
from evoca.images import IMAGE_SUFFIXES, ImageLimits, printable_name

__all__ = ["extract", "extraction_folder"]


def extraction_folder(options: ReadOptions, what: str) -> Path:
    """Return where to write.

    Raises:
        DataError: the caller has said nothing.
    """
    if options.images is None:
        raise DataError(f"{what} holds images inside: say where to write them (--images FOLDER)")
    return options.images


def extract(data: bytes, folder: Path, number: int, suffix: str) -> Path:
    """Write an image under a name of our own, whole or not at all.

    The name in the archive is not used: it could lead anywhere. A file that is there
    already with the same size is kept, so that a second run continues the first.

    Raises:
        DataError: larger than an image may be, or the folder cannot be written to.
    """
    limit = ImageLimits().max_bytes
    if len(data) > limit:
        raise DataError(f"the image has {len(data):,} bytes, the limit is {limit:,}")
    suffix = suffix.lower() if suffix.lower() in IMAGE_SUFFIXES else ".jpg"
    path = folder / f"{number:08d}{suffix}"
    try:
        if path.is_file() and path.stat().st_size == len(data):
            return path
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise DataError(f"{printable_name(path)}: cannot be written: {error.strerror}") from error
    return path
