"""Decoding of untrusted bytes to an upright 8-bit RGB image, within limits."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PIL import Image

from evoca.errors import EvocaError, ImageError, single_line
from evoca.images.colour import as_rgb
from evoca.images.formats import open_image
from evoca.images.jpeg import JpegStructure, is_cut, missing_part

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_PIXELS_VARIABLE", "DecodedImage", "ImageLimits", "decode", "decode_picture"]

MAX_PIXELS_VARIABLE = "EVOCA_MAX_PIXELS"
"""The environment variable that sets the largest picture for every command."""

_MAX_PIXELS = 100_000_000
# A JPEG decoded at reduced scale needs time for the left-out pixels, but no memory.
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
            the header before any pixel is decoded; 100 million, or the value of the
            environment variable ``EVOCA_MAX_PIXELS``. For a JPEG decoded at reduced scale
            the reduced size counts, and four times as many pixels may be stored. JPEG 2000
            and lossless WebP may have a quarter of it and a run-length BMP a 25th, since
            decoding them costs so much more. Pillow's own limit, twice
            ``PIL.Image.MAX_IMAGE_PIXELS`` (179 million), also applies to all formats but
            JPEG.

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


# An MPO is a JPEG with a depth map or preview behind it, a HEIC may hold several pictures:
# neither is an animation.
_STILL_FORMATS = frozenset({"MPO", "HEIF"})
_SCALED_FORMATS = frozenset({"JPEG", "MPO"})
_RUN_LENGTH = frozenset({1, 2})
_MOST_PARTS = 10_000
_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})
_PILLOWS_LIMIT = re.compile(r"\((\d+) pixels\) exceeds limit of (\d+) pixels")


@dataclass(frozen=True)
class DecodedImage:
    """An upright RGB picture.

    Attributes:
        image: mode ``RGB``, 8 bit; a JPEG may have been decoded at reduced scale.
        size: width and height in pixels as stored, after orientation.
        notes: what a reader should know, such as ``animated: first frame``.
    """

    image: Image.Image
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def decode(
    data: bytes,
    *,
    min_size: tuple[int, int] | None = None,
    limits: ImageLimits | None = None,
) -> DecodedImage:
    """Return an encoded image as upright 8-bit RGB.

    Of animations and multi-page files the first frame is decoded. Transparency becomes
    white; 16-bit and floating-point grey becomes 8 bits; CMYK is converted; all eight EXIF
    orientations are applied. An embedded colour profile is converted to sRGB, and so are a
    PNG's cICP and gAMA; damaged ones are noted. A JPEG with a part that seems to be missing
    is noted too.

    The peak of memory is 4 to 12 bytes per pixel, up to 20 for JPEG 2000 and lossless WebP,
    and far less for a JPEG decoded at reduced scale.

    Args:
        data: the encoded file.
        min_size: (width, height) that the caller needs. A JPEG is then decoded at the
            smallest of the scales 1, 1/2, 1/4, 1/8 that is not below it, which costs a
            fraction of a full decode.
        limits: on the size; the defaults of :class:`ImageLimits` if omitted.

    Raises:
        ImageError: empty, not an image, damaged, or above the limits.
    """
    limits = limits or ImageLimits()
    if not data:
        raise ImageError("the file is empty")
    limits.check_bytes(len(data))
    with _one_clear_error("the file is damaged", limits):
        found = open_image(data)
        with found.image as opened:
            return _decoded(data, opened, found.structure, min_size, limits)


def _decoded(
    data: bytes,
    opened: Image.Image,
    structure: JpegStructure | None,
    min_size: tuple[int, int] | None,
    limits: ImageLimits,
) -> DecodedImage:
    stored_size = opened.size
    limits.check_stored(stored_size, whole=structure is None or structure.progressive)
    notes = list(_notes(opened))
    stored_min = _as_stored(min_size, opened) if opened.format in _SCALED_FORMATS else None
    if stored_min is not None:
        opened.draft(None, stored_min)
    limits.check_pixels(opened.size, _costly_kind(data, opened))
    opened.load()  # before its bytes are released
    if structure is not None:
        notes += _what_is_missing(data, structure, opened, stored_min)
    picture, ignored = as_rgb(opened)
    # Only now: a TIFF is turned upright while it loads, a PNG may have its EXIF at the end.
    orientation = _orientation(opened)
    size = stored_size if opened.format in _SCALED_FORMATS else opened.size
    return DecodedImage(
        image=_upright(picture, orientation),
        size=size[::-1] if orientation in _SIDEWAYS else size,
        notes=(*notes, ignored) if ignored else tuple(notes),
    )


def _costly_kind(data: bytes, opened: Image.Image) -> str | None:
    """Return the kind of an image that costs far more than others to decode, for the limits."""
    if opened.format == "WEBP" and _is_lossless(data):
        return "lossless WebP"
    if opened.format == "BMP" and opened.info.get("compression") in _RUN_LENGTH:
        return "BMP RLE"
    return opened.format


def _is_lossless(webp: bytes) -> bool:
    """Return whether a WebP has a lossless picture, or too many parts to search."""
    at = len(b"RIFF....WEBP")
    for _ in range(_MOST_PARTS):
        name, size = webp[at : at + 4], int.from_bytes(webp[at + 4 : at + 8], "little")
        if name in (b"VP8L", b""):
            return name == b"VP8L"
        # A frame of an animation has 16 bytes of its own, then parts like the file's.
        at += 8 + (16 if name == b"ANMF" else size + size % 2)
    return True


def _what_is_missing(
    data: bytes,
    structure: JpegStructure,
    decoded: Image.Image,
    min_size: tuple[int, int] | None,
) -> list[str]:
    """Return notes on the missing parts of a JPEG.

    Raises:
        ImageError: its file is cut short, and so is the picture.
    """
    if structure.ends:
        note = missing_part(data, structure, decoded, min_size)
        return [note] if note else []
    if not structure.whole or structure.hole or is_cut(data, structure, min_size):
        raise ImageError("the file is truncated: part of the image is missing")
    return ["the end of the file is missing, but no part of the picture"]


def decode_picture(picture: Image.Image, limits: ImageLimits | None = None) -> DecodedImage:
    """Return a PIL image as upright 8-bit RGB, as :func:`decode` does.

    Of an animation the current frame is taken. The picture is loaded where it was not yet
    (Pillow reads lazily), but not changed, and the result shares no pixels with it.

    Raises:
        ImageError: it cannot be loaded or converted, or is above the limits.
    """
    limits = limits or ImageLimits()
    with _one_clear_error("the picture cannot be loaded", limits):
        if 0 in picture.size:
            raise ImageError("a picture without pixels")
        limits.check_pixels(picture.size)
        picture.load()
        converted, ignored = as_rgb(picture)
        image = _upright(converted, _orientation(picture))
        return DecodedImage(
            image.copy() if image is picture else image,
            image.size,
            (ignored,) if ignored else (),
        )


@contextmanager
def _one_clear_error(what: str, limits: ImageLimits) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    # The warning is raised only where the caller has made warnings errors.
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _above_pillows_limit(error, limits) from error
    except MemoryError as error:
        raise ImageError("not enough memory to decode it") from error
    except Exception as error:
        # Pillow's plugins let OSError, SyntaxError, struct.error, EOFError, ValueError,
        # IndexError, zlib.error and more escape on damaged files.
        if "truncated" in str(error).lower() or isinstance(error, EOFError):
            raise ImageError("the file is truncated: part of the image is missing") from error
        raise ImageError(f"{what}: {_reason(error)}") from error


def _above_pillows_limit(error: Exception, limits: ImageLimits) -> ImageError:
    """Return our error for a header that is above Pillow's limit."""
    numbers = _PILLOWS_LIMIT.search(str(error))
    if numbers is None:
        return ImageError(f"a decompression bomb? {_reason(error)}")
    return limits.above_pillows_limit(f"{int(numbers[1]):,} pixels", int(numbers[2]))


def _reason(error: Exception) -> str:
    text = single_line(" ".join(str(error).split())) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."


def _notes(opened: Image.Image) -> tuple[str, ...]:
    if opened.format in _STILL_FORMATS:
        return ()
    try:
        several = bool(getattr(opened, "is_animated", False))
    except Exception:  # a damaged second frame does not affect the first
        several = True
        opened.seek(0)
    if not several:
        return ()
    return ("several pages: first page" if opened.format == "TIFF" else "animated: first frame",)


def _as_stored(min_size: tuple[int, int] | None, opened: Image.Image) -> tuple[int, int] | None:
    """Return the size of an upright picture as it is stored in the file, before rotation."""
    if min_size is None:
        return None
    width, height = max(min_size[0], 1), max(min_size[1], 1)
    return (height, width) if _orientation(opened) in _SIDEWAYS else (width, height)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1..8; 1 where it is absent or the EXIF is damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    # HEIC is upright already: libheif turns the pixels and pillow-heif resets the tag.
    method = _TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)
