"""Key frames: the frame of each shot that represents it best, as a small picture."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca.report.thumbnails import encoded

__all__ = ["MOST", "KeyFrames"]

MOST = 1_000
"""Key frames whose picture is kept; beyond these, those of the shortest shots have none."""
_CANDIDATES = 32


@dataclass
class KeyFrames:
    """Chooses the key frame of each shot as the film goes by, in bounded memory.

    It is the frame whose distribution is nearest to the mean over its shot, by the Hellinger
    distance: the most representative one. Of a long shot, every second, fourth, ... frame is a
    candidate.

    Attributes:
        side: longer side in pixels of the pictures.
        rows: the row of the table of each shot's key frame.
        pictures: number of a shot to the base64 of a JPEG.
    """

    side: int
    rows: list[int] = field(default_factory=list)
    pictures: dict[int, str] = field(default_factory=dict)
    _candidates: list[tuple[int, NDArray[np.float64], NDArray[np.uint8] | None]] = field(
        default_factory=list, repr=False
    )
    _lengths: list[tuple[float, int]] = field(default_factory=list, repr=False)
    _sum: NDArray[np.float64] | None = field(default=None, repr=False)
    _count: int = 0
    _step: int = 1

    def add(
        self, row: int, probabilities: NDArray[np.float64], picture: NDArray[np.uint8] | None
    ) -> None:
        """Take a frame of the shot that goes on.

        Args:
            row: of the table.
            probabilities: (K,).
            picture: uint8 (height, width, 3); ``None`` where none is wanted.
        """
        self._sum = probabilities if self._sum is None else self._sum + probabilities
        if self._count % self._step == 0:
            self._candidates.append((row, probabilities, picture))
            if len(self._candidates) > _CANDIDATES:
                self._candidates = self._candidates[::2]
                self._step *= 2
        self._count += 1

    def end_shot(self, shot: int, seconds: float) -> None:
        """Choose the key frame of the shot, of so many seconds, whose frames have been added."""
        assert self._sum is not None  # every shot has a frame
        mean = np.sqrt(self._sum / self._count)
        row, _, picture = min(
            self._candidates, key=lambda one: float(((np.sqrt(one[1]) - mean) ** 2).sum())
        )
        self.rows.append(row)
        if picture is not None:
            image = Image.fromarray(picture)
            self.pictures[shot] = encoded(image, self.side, "JPEG")
            heapq.heappush(self._lengths, (seconds, shot))
            if len(self._lengths) > MOST:
                del self.pictures[heapq.heappop(self._lengths)[1]]
        self._candidates, self._sum, self._count, self._step = [], None, 0, 1
