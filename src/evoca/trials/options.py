"""How a system is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """How a system is evaluated.

    Attributes:
        split: which rows; all where none has a split.
        restrict: leave the model only the labels that it shares with the data and, where
            those are all, that have an image there.
        allow_missing: evaluate although no image has some label.
        draws: of the bootstrap.
        seed: of the bootstrap.
        without_copies: leave out the images that the system has learnt from or was chosen by,
            and copies of them.
        record: note the use of test images in the user's record.
    """

    split: str = "test"
    restrict: bool = False
    allow_missing: bool = False
    draws: int = 1000
    seed: int = 0
    without_copies: bool = False
    record: bool = True
