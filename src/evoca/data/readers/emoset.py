"""EmoSet-118K: Yang et al. (2023), ICCV."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evoca.data.manifest.schema import SPLITS
from evoca.data.readers.base import Cell, Row, reader
from evoca.errors import DataError
from evoca.images import LeftOut, find_images, printable_name

__all__ = ["read"]

_ATTRIBUTES = (
    "brightness",
    "colorfulness",
    "scene",
    "object",
    "facial_expression",
    "human_action",
)
_MAX_ANNOTATION_BYTES = 1 << 20


@reader("emoset")
def read(source: Path) -> Iterator[Row | LeftOut]:
    """EmoSet-118K: 118,102 images, eight emotions and six attributes, published split.

    ``train.json``, ``val.json`` and ``test.json`` are lists of
    ``[emotion, (image id,) image path, annotation path]`` relative to the root;
    ``image/<emotion>/*.jpg``; ``annotation/<emotion>/*.json`` are objects with
    ``emotion`` and those of brightness, colorfulness, scene, object, facial_expression
    and human_action that apply. Without the lists, the image tree is read and no split is
    given. Several objects are joined by ``; ``.

    Sources: Yang et al. (2023), "EmoSet: A Large-scale Visual Emotion Dataset with Rich
    Attributes"; README and ``EmoSet.py`` of https://github.com/JingyuanYY/EmoSet.
    """
    lists = [(split, source / f"{split}.json") for split in SPLITS]
    present = [(split, path) for split, path in lists if path.is_file()]
    if not present:
        yield from _from_tree(source)
    for split, path in present:
        where = printable_name(path)
        entries = _load(path, limit=None)
        if not isinstance(entries, list):
            raise DataError(f"{where}: not a JSON list")
        for number, entry in enumerate(entries, start=1):
            yield _from_entry(source, where, number, entry, split)


def _from_entry(source: Path, where: str, number: int, entry: Any, split: str) -> Row:
    if not (
        isinstance(entry, list)
        and len(entry) in {3, 4}
        and all(isinstance(part, str) for part in entry)
    ):
        return Row(where, number, {"image": ""}, "not [emotion, (id,) image, annotation]")
    emotion, image, annotation = entry[0], entry[-2], entry[-1]
    cells: dict[str, Cell] = {"image": image, "emotion": emotion, "split": split}
    return _annotated(Row(where, number, cells), source, annotation)


def _from_tree(source: Path) -> Iterator[Row | LeftOut]:
    images = source / "image"
    if not images.is_dir():
        raise DataError(f"{printable_name(source)}: neither train.json nor a folder image/")
    left_out = LeftOut()
    for path in find_images(images, on_left_out=left_out):
        below = path.relative_to(images)
        cells: dict[str, Cell] = {
            "image": path.relative_to(source).as_posix(),
            "emotion": below.parts[0],
        }
        annotation = (Path("annotation") / below.with_suffix(".json")).as_posix()
        yield _annotated(Row(printable_name(images), 0, cells), source, annotation)
    yield left_out


def _annotated(row: Row, source: Path, annotation: str) -> Row:
    """Return a row with its annotation, refused where the two contradict."""
    path = (source / annotation).resolve()
    if not path.is_relative_to(source.resolve()):
        return Row(row.file, row.row, row.cells, f"annotation outside the data set: {annotation}")
    if not path.is_file():
        return row
    try:
        found = _load(path, limit=_MAX_ANNOTATION_BYTES)
    except DataError as error:
        return Row(row.file, row.row, row.cells, str(error))
    if not isinstance(found, dict):
        return Row(row.file, row.row, row.cells, f"{printable_name(path)}: not a JSON object")
    emotion = str(found.get("emotion", row.cells["emotion"])).strip().lower()
    if emotion != str(row.cells["emotion"]).strip().lower():
        cause = f"listed as {row.cells['emotion']}, annotated as {emotion}"
        return Row(row.file, row.row, row.cells, cause)
    attributes = {name: _text(found.get(name)) for name in _ATTRIBUTES}
    return Row(row.file, row.row, {**row.cells, **attributes})


def _text(value: Any) -> Cell:
    if isinstance(value, list):
        return "; ".join(str(part) for part in value)
    return None if value is None else str(value)


def _load(path: Path, limit: int | None) -> Any:
    name = printable_name(path)
    try:
        too_large = limit is not None and path.stat().st_size > limit
        raw = b"" if too_large else path.read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}") from error
    if too_large:
        raise DataError(f"{name}: larger than {limit:,} bytes")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not valid JSON: {error}") from error
