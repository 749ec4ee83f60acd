"""Twitter I: You, Luo, Jin and Yang (2015), AAAI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evoca.data.manifest.schema import VOTES
from evoca.data.readers.base import Row, reader, text_rows
from evoca.errors import DataError
from evoca.images import printable_name

__all__ = ["read"]

_WORKERS = 5
_LEVELS = (("five", 5), ("four", 4), ("three", 3))
_LABELS = {"0": "negative", "1": "positive"}


@reader("twitter1", taxonomy="polarity")
def read(source: Path) -> Iterator[Row]:
    """Twitter I: 1,269 photographs, five workers' votes on positive or negative.

    ``twitter_five_agrees.txt``, ``twitter_four_agrees.txt`` and
    ``twitter_three_agrees.txt`` (also seen as ``five_agree.txt`` and so on, beside the
    images or in ``ground_truth/``) list the images on which at least that many workers
    agree: a file name, a space, 1 for positive or 0 for negative. The list of most
    agreement that has an image therefore gives its votes. Images lie in
    ``Agg_AMT_Candidates/`` or ``images/``.

    Sources: You et al. (2015), "Robust Image Sentiment Analysis Using Progressively
    Trained and Domain Transferred Deep Networks"; https://qzyou.github.io/; file names as
    in public loaders.
    """
    folder = next((n for n in ("Agg_AMT_Candidates", "images") if (source / n).is_dir()), "")
    seen: set[str] = set()
    for path, agreeing in _lists(source):
        where = printable_name(path)
        for row, cells in text_rows(path, delimiter=" "):
            name, label = cells[0], _LABELS.get(cells[-1])
            if len(cells) != 2 or label is None:
                yield Row(where, row, {"image": name}, "a file name and 0 or 1 wanted")
            elif name not in seen:
                seen.add(name)
                other = "negative" if label == "positive" else "positive"
                votes = {VOTES + label: agreeing, VOTES + other: _WORKERS - agreeing}
                yield Row(where, row, {"image": f"{folder}/{name}".lstrip("/"), **votes})


def _lists(source: Path) -> list[tuple[Path, int]]:
    found = []
    for word, agreeing in _LEVELS:
        for folder in (source, source / "ground_truth"):
            names = (f"twitter_{word}_agrees.txt", f"{word}_agrees.txt", f"{word}_agree.txt")
            present = [folder / name for name in names if (folder / name).is_file()]
            found += [(path, agreeing) for path in present[:1]]
    if not found:
        raise DataError(f"{printable_name(source)}: no twitter_three_agrees.txt or its like")
    return found
