"""Emotion6: Peng, Sadovnik, Gallagher and Chen (2015), CVPR."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evoca.data.manifest.schema import PROBABILITY
from evoca.data.readers.base import Cell, Row, reader, source_file, text_rows
from evoca.images import printable_name
from evoca.words import counted

__all__ = ["ground_truth_rows", "read"]

# The file's own order; its header only describes the columns in words.
_COLUMNS = (
    "valence",
    "arousal",
    *(
        PROBABILITY + emotion
        for emotion in ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
    ),
)


@reader("emotion6", taxonomy="ekman7", scale=(1, 9))
def read(source: Path) -> Iterator[Row]:
    """Emotion6: 1,980 photographs with a distribution over 7 emotions, valence, arousal.

    ``images/<keyword>/<n>.jpg`` and ``ground_truth.txt``: tabs between cells, a first
    line that describes the columns, then the image below ``images/``, valence, arousal
    and the probabilities of anger, disgust, fear, joy, sadness, surprise, neutral. The
    folder is the word it was searched by, kept as ``keyword``; the label is the most
    frequent vote.

    Sources: Peng et al. (2015), "A Mixed Bag of Emotions: Model, Predict, and Transfer
    Emotion Distributions", and the ``readme.txt`` distributed with the set.
    """
    yield from ground_truth_rows(source_file(source, "ground_truth.txt"))


def ground_truth_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of an Emotion6 ground-truth table."""
    where = printable_name(path)
    for row, cells in text_rows(path, delimiter="\t"):
        if row == 1:
            continue
        if len(cells) != 1 + len(_COLUMNS):
            cause = f"{counted(len(cells), 'cell')}, {1 + len(_COLUMNS)} wanted"
            yield Row(where, row, {"image": cells[0]}, cause)
            continue
        found: dict[str, Cell] = dict(zip(_COLUMNS, cells[1:], strict=True))
        keyword = cells[0].split("/", 1)[0]
        yield Row(where, row, {"image": f"images/{cells[0]}", "keyword": keyword, **found})
