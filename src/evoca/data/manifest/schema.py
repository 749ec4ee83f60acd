"""The columns of a manifest: names, prefixes and order, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from evoca.emotions import SUM_TOLERANCE
from evoca.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AFFECT_COLUMNS",
    "DISAGREE",
    "DISTRIBUTION_TOLERANCE",
    "PROBABILITY",
    "SPLITS",
    "SPLIT_ALIASES",
    "TABLE_SUFFIXES",
    "VOTES",
    "check_columns",
    "column_order",
    "emotion_columns",
    "is_known",
    "with_image_column",
]

VOTES = "votes_"
"""Prefix of the columns that count the viewers who chose an emotion."""
DISAGREE = "disagree_"
"""Prefix of the columns that count the viewers who rejected an emotion."""
PROBABILITY = "p_"
"""Prefix of the columns that hold a distribution over the emotions, 0..1."""

SPLITS: tuple[str, ...] = ("train", "val", "test")
"""What the column ``split`` may hold; an empty cell is allowed too."""

AFFECT_COLUMNS: tuple[str, ...] = (
    "valence",
    "valence_sd",
    "valence_n",
    "arousal",
    "arousal_sd",
    "arousal_n",
)
"""Ratings of valence and arousal: mean, standard deviation and number of raters."""

TABLE_SUFFIXES: frozenset[str] = frozenset({".csv", ".parquet"})
"""File name endings, in lower case, that a manifest may have."""

DISTRIBUTION_TOLERANCE = SUM_TOLERANCE
"""How far a stated distribution may sum from 1, as everywhere."""

SPLIT_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "training": "train",
        "valid": "val",
        "validation": "val",
        "dev": "val",
        "testing": "test",
    }
)
"""Names that data sets use for the three splits."""

_PREFIXES = (VOTES, DISAGREE, PROBABILITY)
_HEAD = ("image", "emotion")
_TAIL = (*AFFECT_COLUMNS, "split", "group", "source", "url", "taxonomy", "sha256")
_SIZE = ("width", "height")


def with_image_column(columns: Iterable[str]) -> tuple[str, ...]:
    """Return names of columns, ``path`` as ``image`` where there is no ``image``.

    Evoca's own tables of predictions name their images so.

    >>> with_image_column(["path", "emotion"]), with_image_column(["image", "path"])
    (('image', 'emotion'), ('image', 'path'))
    """
    columns = tuple(columns)
    if "image" in columns:
        return columns
    return tuple("image" if column == "path" else column for column in columns)


def emotion_columns(prefix: str, labels: Iterable[str]) -> tuple[str, ...]:
    """Return the column of each label under a prefix.

    >>> emotion_columns(VOTES, ["awe", "fear"])
    ('votes_awe', 'votes_fear')
    """
    return tuple(prefix + label for label in labels)


def column_order(columns: Iterable[str], labels: Iterable[str]) -> tuple[str, ...]:
    """Return columns in the manifest's order; unknown columns come last, in their own order.

    >>> column_order(["photographer", "split", "votes_awe", "image"], ["awe"])
    ('image', 'votes_awe', 'split', 'photographer')
    """
    known = _known(tuple(labels))
    rank = {column: position for position, column in enumerate(known)}
    return tuple(sorted(columns, key=lambda column: rank.get(column, len(rank))))


def is_known(column: str, labels: Iterable[str]) -> bool:
    """Return whether a column is one of the manifest's.

    >>> is_known("votes_awe", ["awe"]), is_known("emotoin", ["awe"])
    (True, False)
    """
    return column in _known(tuple(labels))


def check_columns(columns: Iterable[str], labels: Iterable[str], where: str) -> None:
    """Refuse columns that are nearly the manifest's, and would be overlooked.

    Raises:
        DataError: a known column in other case, or votes for something that is not a
            label of the taxonomy, such as ``votes_joy`` among Mikels' eight. Columns that
            merely start with ``p_`` pass: a distribution that lacks a label does not sum
            to 1.
    """
    labels = tuple(labels)
    known = frozenset(_known(labels))
    for column in columns:
        if column not in known and column.lower() in known:
            raise DataError(f"{where}: column {column}: call it {column.lower()}")
        for prefix in (VOTES, DISAGREE):
            label = column.removeprefix(prefix)
            if label != column and label not in labels:
                raise DataError(
                    f"{where}: column {column}: unknown emotion {label!r}; "
                    f"the taxonomy has {', '.join(labels)}"
                )


def _known(labels: tuple[str, ...]) -> tuple[str, ...]:
    by_emotion = (column for prefix in _PREFIXES for column in emotion_columns(prefix, labels))
    return (*_HEAD, *by_emotion, *_TAIL, *_SIZE)
