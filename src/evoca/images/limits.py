"""What is refused before it can exhaust memory."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from evoca.errors import EvocaError, ImageError

__all__ = ["MAX_PIXELS_VARIABLE", "ImageLimits"]

MAX_PIXELS_VARIABLE = "EVOCA_MAX_PIXELS"
"""The environment variable that sets the largest picture for every command."""

_MAX_PIXELS = 100_000_000
# A JPEG decoded at reduced scale needs no memory for what it leaves out, only time.
_STORED_JPEG = 4
# Decoders that need several times the memory of others, or are written in Python.
_COSTLY = {"JPEG2000": 4, "lossless WebP": 4, "BMP RLE": 25}


def _max_pixels() -> int:
    given = os.environ.get(MAX_PIXELS_VARIABLE)
    if given is None:
        return _MAX_PIXELS
    if not given.isdecimal() or not int(given):
        raise EvocaError(
            f"{MAX_PIXELS_VARIABLE}={given}: not a number of pixels, such as {_MAX_PIXELS}"
        )
    return int(given)


@dataclass(frozen=True)
class ImageLimits:
    """The largest image that is read.

    Attributes:
        max_bytes: the largest encoded size in bytes.
        max_pixels: the largest decoded size in pixels (width times height), checked in
            the header before any pixel is decoded; 100 million, or what the environment
            variable ``EVOCA_MAX_PIXELS`` says. Of a JPEG decoded at reduced scale the
            reduced size counts, and four times as many pixels may be stored. JPEG 2000
            and lossless WebP may have a quarter of it and a run-length BMP a 25th, since
            decoding them costs so much more. Pillow's own limit, twice
            ``PIL.Image.MAX_IMAGE_PIXELS`` (179 million), stays in force beside it for all
            formats but JPEG.

    Raises:
        EvocaError: the environment variable is no number.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = field(default_factory=_max_pixels)

    def check_bytes(self, count: int) -> None:
        """Raise :class:`ImageError` where a file has too many bytes."""
        if count > self.max_bytes:
            raise ImageError(
                f"the file has {count:,} bytes, the limit is {self.max_bytes:,} "
                "(ImageLimits.max_bytes)"
            )

    def check_pixels(self, size: tuple[int, int], kind: str | None = None) -> None:
        """Raise :class:`ImageError` where a picture of (width, height) has too many pixels.

        Args:
            size: width and height to be decoded.
            kind: the format, where decoding it may cost more than others.
        """
        limit = self.max_pixels // _COSTLY.get(kind or "", 1)
        if size[0] * size[1] > limit:
            raise self._too_large(f"{size[0]} x {size[1]} pixels", limit)

    def check_stored(self, size: tuple[int, int], *, whole: bool) -> None:
        """Raise :class:`ImageError` where a file stores too many pixels.

        Args:
            size: width and height in the file.
            whole: whether all of them are in memory at once while it is decoded.
        """
        limit = self.max_pixels * (1 if whole else _STORED_JPEG)
        if size[0] * size[1] > limit:
            raise self._too_large(f"{size[0]} x {size[1]} pixels", limit)

    def above_pillows_limit(self, size: str, limit: int) -> ImageError:
        """Return the error for a picture above Pillow's limit, or this one if it is lower."""
        if limit < self.max_pixels:
            return _bomb(size, limit, "PIL.Image.MAX_IMAGE_PIXELS")
        return self._too_large(size, self.max_pixels)

    def _too_large(self, size: str, limit: int) -> ImageError:
        return _bomb(size, limit, f"{MAX_PIXELS_VARIABLE} (ImageLimits.max_pixels)")


def _bomb(size: str, limit: int, name: str) -> ImageError:
    return ImageError(
        f"{size}, a decompression bomb? The limit is {limit:,} pixels: make it smaller first, "
        f"or raise {name} where you trust the file"
    )
