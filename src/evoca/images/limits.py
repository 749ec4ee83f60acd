"""What is refused before it can exhaust memory."""

from __future__ import annotations

from dataclasses import dataclass

from evoca.errors import ImageError

__all__ = ["ImageLimits"]


@dataclass(frozen=True)
class ImageLimits:
    """The largest image that is read.

    Attributes:
        max_bytes: the largest encoded size in bytes.
        max_pixels: the largest decoded size in pixels (width times height), checked in
            the header before any pixel is decoded. Pillow's own limit of about 179
            million stays in force above it.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 100_000_000

    def check_bytes(self, count: int) -> None:
        """Raise :class:`ImageError` where a file has too many bytes."""
        if count > self.max_bytes:
            raise ImageError(
                f"the file has {count:,} bytes, the limit is {self.max_bytes:,} "
                "(ImageLimits.max_bytes)"
            )

    def check_pixels(self, size: tuple[int, int]) -> None:
        """Raise :class:`ImageError` where a picture of (width, height) has too many pixels."""
        width, height = size
        if width * height > self.max_pixels:
            raise ImageError(
                f"{width} x {height} pixels, a decompression bomb? The limit is "
                f"{self.max_pixels:,} pixels (ImageLimits.max_pixels)"
            )
