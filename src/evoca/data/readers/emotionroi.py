"""EmotionROI: Peng, Sadovnik, Gallagher and Chen (2016), ICIP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from evoca.data.readers.base import Cell, Row, reader, text_rows
from evoca.data.readers.emotion6 import ground_truth_rows
from evoca.errors import DataError
from evoca.images import LeftOut, find_images, printable_name

__all__ = ["read"]

_LISTS = {"training.txt": "train", "testing.txt": "test"}


@reader("emotionroi", taxonomy="ekman7")
def read(source: Path) -> Iterator[Row | LeftOut]:
    """EmotionROI: 1,980 photographs of six emotions with a published train / test split.

    ``images/<emotion>/<n>.jpg``; ``training_testing_split/training.txt`` and
    ``testing.txt`` list ``<emotion>/<n>.jpg``; ``ground_truth/`` holds a map of the
    regions that evoke the emotion, kept as ``region`` where it is there. The images are
    those of Emotion6: where its ``ground_truth.txt`` lies beside them, distribution,
    valence and arousal are taken from it. The label is the folder, as the set's users
    take it (330 per emotion).

    Source: Peng et al. (2016), "Where do emotions come from? Predicting the Emotion
    Stimuli Map".
    """
    images = source / "images"
    if not images.is_dir():
        raise DataError(f"{printable_name(source)}: no folder images/")
    splits, known = _splits(source), {}
    table = source / "ground_truth.txt"
    if table.is_file():
        for row in ground_truth_rows(table):
            if row.cause:
                yield row
            else:
                known[str(row.cells["image"])] = row
    left_out = LeftOut()
    for path in find_images(images, on_left_out=left_out):
        name = path.relative_to(source).as_posix()
        below = path.relative_to(images)
        cells: dict[str, Cell] = {"image": name, "emotion": below.parts[0]}
        region = source / "ground_truth" / below
        cells |= {"split": splits.pop(below.as_posix(), ""), "region": _name(region, source)}
        rated = known.get(name, Row(printable_name(images), 0, {}))
        yield replace(rated, cells={**rated.cells, **cells})
    yield left_out
    for lost in splits:
        yield Row(printable_name(source), 0, {"image": f"images/{lost}"}, "in a split list only")


def _splits(source: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, split in _LISTS.items():
        path = source / "training_testing_split" / name
        if path.is_file():
            found |= {cells[0]: split for _, cells in text_rows(path, delimiter="\t")}
    return found


def _name(region: Path, source: Path) -> str:
    return region.relative_to(source).as_posix() if region.is_file() else ""
