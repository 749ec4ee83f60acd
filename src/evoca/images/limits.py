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
            the header before any pixel is decoded. Pillow's own limit, twice
            ``PIL.Image.MAX_IMAGE_PIXELS`` (179 million), stays in force beside it.
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
            raise self.too_large(f"{width} x {height} pixels", self.max_pixels)

    def too_large(self, size: str, limit: int) -> ImageError:
        """Return the error for a picture above a limit, this one or Pillow's."""
        name = "PIL.Image.MAX_IMAGE_PIXELS" if limit < self.max_pixels else "ImageLimits.max_pixels"
        return ImageError(
            f"{size}, a decompression bomb? The limit is {min(limit, self.max_pixels):,} pixels: "
            f"make it smaller first, or raise {name} where you trust the file"
        )
