"""The images that the figures of a run are of: one vocabulary for writing and reading."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

__all__ = ["EvaluatedOn", "evaluated_on"]


class EvaluatedOn(StrEnum):
    """The entry ``kind`` of ``split`` in ``run.json``.

    Attributes:
        FOLDS: every image, predicted by a model that was trained on the other folds.
        PLAIN_FOLDS: the same, where images set aside in each training part chose, and no inner
            folds.
        TEST: the split test, which was not used in training.
        VALIDATION: images that stopped a training or chose its settings.
        VAL: the split val, in an evaluation.
        TRAIN: the split train, in an evaluation.
        ALL: every row, whatever its split.
    """

    FOLDS = "nested cross-validation, stratified and grouped"
    PLAIN_FOLDS = "cross-validation, stratified and grouped"
    TEST = "the test split"
    VALIDATION = "validation images, which chose: the figures flatter"
    VAL = "the split val"
    TRAIN = "the split train"
    ALL = "all images"

    @property
    def of_folds(self) -> bool:
        """Whether every image was predicted by a model that was trained on other folds."""
        return self in {EvaluatedOn.FOLDS, EvaluatedOn.PLAIN_FOLDS}

    @classmethod
    def of_split(cls, name: str) -> EvaluatedOn:
        """Return the kind of an evaluation on a split: ``train``, ``val``, ``test`` or ``all``.

        >>> EvaluatedOn.of_split("test").value
        'the test split'
        """
        return _OF_SPLIT[name]


_OF_SPLIT = {
    "train": EvaluatedOn.TRAIN,
    "val": EvaluatedOn.VAL,
    "test": EvaluatedOn.TEST,
    "all": EvaluatedOn.ALL,
}
_EARLIER = {
    "cross-validation": EvaluatedOn.FOLDS,
    "held-out images": EvaluatedOn.TEST,
    "test": EvaluatedOn.TEST,
}
"""The entries that runs of earlier versions have."""


def evaluated_on(split: object) -> EvaluatedOn | None:
    """Return which images a run was evaluated on, from the entry ``split`` of any ``run.json``.

    Args:
        split: a mapping with ``kind`` or ``folds``; or the kind alone.

    Returns:
        ``None`` where the entry is absent or unknown.

    >>> evaluated_on({"kind": "the test split", "train": 90, "test": 20}).name
    'TEST'
    >>> evaluated_on({"kind": "held-out images", "name": "test"}).name
    'TEST'
    >>> evaluated_on({"folds": 5}).name
    'FOLDS'
    >>> evaluated_on({}) is None
    True
    """
    entry = split if isinstance(split, Mapping) else {"kind": split}
    kind = str(entry.get("kind"))
    if kind in set(EvaluatedOn):
        return EvaluatedOn(kind)
    if kind in _EARLIER:
        return _EARLIER[kind]
    return EvaluatedOn.FOLDS if isinstance(entry.get("folds"), int) else None
