"""WEBEmo: Panda et al. (2018), ECCV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from evoca.data.readers.base import Row, linked_name, reader, text_rows
from evoca.errors import DataError
from evoca.images import printable_name

__all__ = ["read"]

_LISTS = (("train25.txt", "train"), ("test25.txt", "test"))


@reader("webemo", taxonomy="parrott6", files_required=False)
def read(source: Path) -> Iterator[Row]:
    """WEBEmo: 267,441 links to stock photographs under Parrott's hierarchy of emotions.

    ``category.txt`` has a line ``('affection', 'love', '+')`` for each of 25 categories:
    its name, its level-2 emotion, its polarity. ``train25.txt`` (213,952 lines) and
    ``test25.txt`` (53,489) hold a link, a space and the category's number from 0. The
    label is the level-2 emotion; the category is kept as ``category``. The labels were
    made by search words, not by viewers.

    Sources: Panda et al. (2018), "Contemplating Visual Emotions: Understanding and
    Overcoming Dataset Bias", and the README distributed with the lists
    (https://rpand002.github.io/emotion.html).
    """
    categories = _categories(source / "category.txt")
    for name, split in _LISTS:
        path = source / name
        where = printable_name(path)
        for row, cells in text_rows(path, delimiter=" "):
            number = cells[-1]
            if len(cells) != 2 or not number.isdecimal() or int(number) >= len(categories):
                cause = f"a link and a number below {len(categories)} wanted"
                yield Row(where, row, {"image": cells[0]}, cause)
                continue
            category, emotion = categories[int(number)]
            image = linked_name(cells[0], f"images/{split}")
            yield Row(
                where,
                row,
                {"image": image, "emotion": emotion, "split": split}
                | {"url": cells[0], "category": category},
            )


def _categories(path: Path) -> list[tuple[str, str]]:
    found = []
    for row, cells in text_rows(path, delimiter="\t"):
        quoted = re.findall(r"['\"]([^'\"]*)['\"]", cells[0])
        if len(quoted) != 3:
            raise DataError(f"{printable_name(path)}: row {row}: not ('category', 'emotion', '+')")
        found.append((quoted[0], quoted[1]))
    return found
