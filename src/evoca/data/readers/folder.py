"""A folder of class folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evoca.data.manifest.folders import scan_class_folders
from evoca.data.readers.base import ReadOptions, Row, configurable_reader
from evoca.data.taxonomies import DEFAULT_TAXONOMY
from evoca.images import LeftOut, printable_name

__all__ = ["class_folder_rows", "read"]


@configurable_reader("folder", "taxonomy")
def read(source: Path, options: ReadOptions) -> Iterator[Row | LeftOut]:
    """Images in folders named after emotions, optionally below train, val and test."""
    yield from class_folder_rows(source, options.taxonomy or DEFAULT_TAXONOMY)


def class_folder_rows(source: Path, taxonomy: str) -> Iterator[Row | LeftOut]:
    """Yield a row for each image of a folder of class folders, and what was left out.

    Raises:
        DataError: a class folder that is no emotion of the taxonomy, or no images.
    """
    where = printable_name(source)
    left_out = LeftOut()
    for item in scan_class_folders(source, taxonomy, left_out):
        name = item.path.relative_to(source).as_posix()
        yield Row(where, 0, {"image": name, "emotion": item.label, "split": item.split})
    yield left_out
