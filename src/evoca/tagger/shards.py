"""Shares of a run, for several machines: each computes the images of one, ``I/N``."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Shard"]

_SHARD = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True)
class Shard:
    """The ``number``-th of ``count`` shares, from 1 on.

    >>> Shard.of("2/3").positions(10), str(Shard.of("2/3"))
    ((3, 6), '2/3')
    """

    number: int = 1
    count: int = 1

    @classmethod
    def of(cls, text: str) -> Shard:
        """Return the share that a text such as ``2/3`` names.

        Raises:
            ValueError: it names none.
        """
        found = _SHARD.fullmatch(text)
        if found is None:
            raise ValueError(f"{text}: write I/N, such as 2/16 for the second of 16")
        shard = cls(int(found[1]), int(found[2]))
        if not 1 <= shard.number <= shard.count:
            raise ValueError(f"{text}: the first number goes from 1 to the second")
        return shard

    def positions(self, images: int) -> tuple[int, int]:
        """Return the first position of this share among so many images, and the first after it."""
        return (
            images * (self.number - 1) // self.count,
            images * self.number // self.count,
        )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"
