"""Boxes in a picture: their area, how to hide them, and equally large boxes elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageStat

__all__ = ["Box", "boxes_elsewhere", "covered_share", "hide"]

_STEPS = 33  # positions tried along each side


@dataclass(frozen=True)
class Box:
    """An upright rectangle, in fractions 0..1 of the picture's sides.

    Attributes:
        left: of the width.
        top: of the height.
        right: of the width, above ``left``.
        bottom: of the height, above ``top``.
    """

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of_pixels(
        cls, corners: tuple[float, float, float, float], size: tuple[int, int]
    ) -> Box | None:
        """Return a box from pixels; ``None`` where it lies outside the picture.

        Args:
            corners: left, top, right, bottom in pixels; may exceed the picture.
            size: (width, height) of the picture.
        """
        width, height = size
        left, top = max(corners[0] / width, 0.0), max(corners[1] / height, 0.0)
        right, bottom = min(corners[2] / width, 1.0), min(corners[3] / height, 1.0)
        return cls(left, top, right, bottom) if left < right and top < bottom else None

    def grown(self, share: float) -> Box:
        """Return the box with each side moved out by a share of its own length, cut off at 0..1."""
        x, y = share * (self.right - self.left), share * (self.bottom - self.top)
        return Box(
            max(self.left - x, 0.0),
            max(self.top - y, 0.0),
            min(self.right + x, 1.0),
            min(self.bottom + y, 1.0),
        )

    def meets(self, other: Box) -> bool:
        """Return whether the two boxes share any area."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def eccentricity(self) -> float:
        """Return the distance of its middle from the picture's, in half sides.

        >>> Box(0.0, 0.0, 1.0, 1.0).eccentricity()
        0.0
        """
        return float(np.hypot(self.left + self.right - 1.0, self.top + self.bottom - 1.0))


def covered_share(boxes: Sequence[Box]) -> float:
    """Return the share 0..1 of the picture that lies in at least one box.

    >>> covered_share([Box(0.0, 0.0, 0.5, 1.0), Box(0.25, 0.0, 0.5, 1.0)])
    0.5
    """
    if not boxes:
        return 0.0
    xs = np.unique([x for box in boxes for x in (box.left, box.right)])
    ys = np.unique([y for box in boxes for y in (box.top, box.bottom)])
    inside = np.zeros((len(ys) - 1, len(xs) - 1), dtype=np.bool_)
    for box in boxes:
        inside |= np.outer(
            (ys[:-1] >= box.top) & (ys[1:] <= box.bottom),
            (xs[:-1] >= box.left) & (xs[1:] <= box.right),
        )
    return float((np.outer(np.diff(ys), np.diff(xs)) * inside).sum())


def hide(picture: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """Return a copy of a picture with boxes filled with the picture's mean colour.

    Args:
        picture: mode ``RGB``.
        boxes: to hide; edges are rounded to whole pixels, at least one each.
    """
    width, height = picture.size
    mean = tuple(round(value) for value in ImageStat.Stat(picture).mean)
    covered = picture.copy()
    for box in boxes:
        left, top = round(box.left * width), round(box.top * height)
        right = max(round(box.right * width), left + 1)
        bottom = max(round(box.bottom * height), top + 1)
        covered.paste(mean, (left, top, right, bottom))
    return covered


def boxes_elsewhere(boxes: Sequence[Box], clear_of: Sequence[Box]) -> list[Box] | None:
    """Return boxes of the same sizes at places without anything of interest.

    Of the free places each box takes the one whose distance from the picture's middle is
    closest to its own, so that hiding the middle is not compared with hiding the edge.

    Args:
        boxes: whose sizes to use.
        clear_of: boxes that the new ones must not touch; they do not touch each other either.

    Returns:
        A box for each, in order, or ``None`` where one does not fit.
    """
    placed: list[Box] = []
    for box in boxes:
        taken = (*clear_of, *placed)
        free = [place for place in _places(box) if not any(place.meets(other) for other in taken)]
        if not free:
            return None
        own = box.eccentricity()
        placed.append(min(free, key=lambda place: abs(place.eccentricity() - own)))
    return placed


def _places(box: Box) -> Iterator[Box]:
    width, height = box.right - box.left, box.bottom - box.top
    for left in np.linspace(0.0, 1.0 - width, _STEPS):
        for top in np.linspace(0.0, 1.0 - height, _STEPS):
            yield Box(float(left), float(top), float(left) + width, float(top) + height)
