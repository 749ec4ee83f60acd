"""Tables of predictions, of any length, in the form of another tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evoca.adapters.fiftyone import FiftyOneDataset
from evoca.adapters.label_studio import LabelStudioTasks
from evoca.collection.tags import Tags, read_tags
from evoca.drafts import drafted
from evoca.errors import DataError, EvocaError, ImageError, did_you_mean
from evoca.images import printable_name
from evoca.images.addresses import scheme_of
from evoca.prediction import Prediction
from evoca.progress import Advance, advance_silently
from evoca.runtime.tables import row_prediction

__all__ = ["TOOLS", "Converted", "convert"]

TOOLS = ("fiftyone", "label-studio")
"""The tools that predictions are converted for."""


class Export(Protocol):
    """What takes predictions one by one, with the file of the image or its address."""

    def add(self, prediction: Prediction, file: Path | str) -> None:
        """Write a prediction."""

    def close(self) -> None:
        """End what was written."""


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote.

    Attributes:
        images: how many.
        unread: rows without a prediction, which are left out.
        missing: images that are not where the table says.
    """

    images: int
    unread: int
    missing: int


def convert(
    tables: Sequence[Path],
    tool: str,
    out: Path,
    *,
    images: Path | None = None,
    image_url: str | None = None,
    announce: Callable[[int], Advance] | None = None,
) -> Converted:
    """Return the counts of a conversion of tables of predictions for another tool.

    Rows are read and written one by one, so that any number of them takes little memory.

    Args:
        tables: as ``evoca predict --out`` and ``evoca tag`` write them, or folders of them.
        tool: one of :data:`TOOLS`.
        out: a folder, which must be absent or empty; it appears when it is complete.
        images: for Label Studio, the folder below which all images lie, its document root;
            the working folder if omitted.
        image_url: for Label Studio, the address that a path below that folder is added to, such
            as that of a web server; its own local files if omitted.
        announce: called with the number of rows; returns what is called as they are written.

    Raises:
        DataError: no such table; an image that the tool could not show.
        EvocaError: no such tool, or a folder that cannot be written.
        MissingExtraError: DuckDB is not installed.
    """
    if tool not in TOOLS:
        raise EvocaError(f"no tool {tool!r}{did_you_mean(tool, TOOLS)}")
    if tool != "label-studio" and (images is not None or image_url is not None):
        raise EvocaError("--images and --image-url are for label-studio, which shows by address")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise EvocaError(f"--out {printable_name(out)}: is there already: name another folder")
    tags = read_tags(tables)
    advance = advance_silently if announce is None else announce(len(tags))
    try:
        with drafted(out) as draft:
            export: Export = (
                FiftyOneDataset(draft)
                if tool == "fiftyone"
                else LabelStudioTasks(draft, tags.labels, images or Path(), image_url)
            )
            with closing(export):
                return _written(tags, export, advance)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EvocaError(f"--out {printable_name(out)}: cannot be written: {reason}") from error


def _written(tags: Tags, export: Export, advance: Advance) -> Converted:
    """Write every row with a prediction, and return the counts."""
    written = unread = missing = 0
    for row in tags.rows("SELECT * FROM {tags}"):
        predicted = row_prediction(row, tags.labels)
        if isinstance(predicted, ImageError):
            unread += 1
        elif not predicted.path:
            raise DataError(f"{tags.source}: a prediction without a path")
        elif scheme_of(predicted.path):
            export.add(predicted, predicted.path)
            written += 1
        else:
            file = tags.file_of(predicted.path)
            missing += not file.is_file()
            export.add(predicted, file)
            written += 1
        advance(1)
    return Converted(written, unread, missing)
