"""The preprocessing of upright RGB pictures to the uint8 input of a model."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import Field

from evoca.strict import Strict

__all__ = ["Preprocessing", "scaled", "shrunk"]

_FILTERS: dict[str, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_Side = Annotated[int, Field(ge=1, le=4096)]


def shrunk(picture: Image.Image, side: int) -> Image.Image:
    """Return a picture whose longer side is at most ``side`` pixels, each at least 1.

    >>> shrunk(Image.new("RGB", (400, 1)), 100).size
    (100, 1)
    """
    return picture if max(picture.size) <= side else scaled(picture, side)


def scaled(picture: Image.Image, side: int) -> Image.Image:
    """Return a picture whose longer side is ``side`` pixels, each at least 1."""
    scale = side / max(picture.size)
    width, height = (max(1, round(own * scale)) for own in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


class Preprocessing(Strict):
    """How a decoded picture becomes model input; recorded in every bundle.

    Attributes:
        height: rows of the model input in pixels.
        width: columns of the model input in pixels.
        resize: ``squash`` scales both sides independently, so the input is the whole
            picture; ``cover`` keeps the aspect ratio, fills the input and cuts off the rest
            evenly on both sides.
        filter: the antialiased resampling filter.
        jpeg_min_scale: a JPEG is decoded at reduced scale, but never below this many
            times the input size; 0 decodes in full.
    """

    height: _Side
    width: _Side
    resize: Literal["squash", "cover"] = "squash"
    filter: Literal["bilinear", "bicubic", "lanczos"] = "bicubic"
    jpeg_min_scale: float = Field(default=2.0, ge=0.0, le=16.0)

    @property
    def decode_size(self) -> tuple[int, int] | None:
        """The least (width, height) of a scaled JPEG decode."""
        if self.jpeg_min_scale == 0:
            return None
        scale = self.jpeg_min_scale
        return math.ceil(self.width * scale), math.ceil(self.height * scale)

    def seen_region(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Return the part of a picture that is in the model's input.

        Args:
            size: (width, height) of the upright picture in pixels.

        Returns:
            left, top, right, bottom as fractions 0..1 of the picture's sides.

        >>> Preprocessing(height=10, width=10, resize="cover").seen_region((40, 20))
        (0.25, 0.0, 0.75, 1.0)
        """
        if self.resize == "squash":
            return 0.0, 0.0, 1.0, 1.0
        width, height = size
        scale = max(self.width / width, self.height / height)
        x, y = self.width / (width * scale), self.height / (height * scale)
        return (1 - x) / 2, (1 - y) / 2, (1 + x) / 2, (1 + y) / 2

    def __call__(self, picture: Image.Image) -> NDArray[np.uint8]:
        """Return an upright RGB picture, resized to the model's input.

        Args:
            picture: a PIL image of mode ``RGB``, any size.

        Returns:
            uint8 array of shape (height, width, 3), RGB.
        """
        method = _FILTERS[self.filter]
        target = (self.width, self.height)
        if self.resize == "cover":
            resized = ImageOps.fit(picture, target, method)
        else:
            # Boxes first, then the filter over what is left: the same picture within
            # rounding at a fraction of the time on large inputs.
            resized = picture.resize(target, method, reducing_gap=3.0)
        return np.asarray(resized, dtype=np.uint8)
