"""Decode untrusted bytes to an upright 8-bit RGB image, within limits."""

from __future__ import annotations

import io
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from evoca.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DecodedImage", "ImageLimits", "decode", "decode_picture"]

# Everything Pillow can open is not welcome: EPS starts Ghostscript, and old or exotic
# decoders are attack surface without users. This is what photographs come in. The first
# five are the plugins Pillow has at hand; it imports all the others to find a later one.
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "PPM", "WEBP", "TIFF", "AVIF", "JPEG2000", "ICO")
_HEIF_FORMATS = ("HEIF",)
# An MPO is a JPEG with a depth map or preview behind it, not an animation.
_STILL_FORMATS = frozenset({"MPO", "ICO", "HEIF"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})

_heif_lock = threading.Lock()
_heif_ready: bool | None = None


@dataclass(frozen=True)
class ImageLimits:
    """What is refused before it can exhaust memory.

    Attributes:
        max_bytes: the largest encoded size in bytes.
        max_pixels: the largest decoded size in pixels (width times height), checked in
            the header before any pixel is decoded. Pillow's own limit of about 179
            million stays in force above it.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 100_000_000


@dataclass(frozen=True)
class DecodedImage:
    """An upright RGB picture.

    Attributes:
        image: mode ``RGB``, 8 bit; a JPEG may have been decoded at reduced scale.
        size: width and height in pixels as stored, after orientation.
        notes: what the reader should know, such as ``animated: first frame``.
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
    """Decode an encoded image to upright 8-bit RGB.

    Animations and multi-page files give their first frame; transparency is laid on
    white; 16-bit and floating-point grey is brought to 8 bits; CMYK is converted; all
    eight EXIF orientations are applied.

    Args:
        data: the encoded file.
        min_size: (width, height) that the caller needs. A JPEG is then decoded at the
            smallest of the scales 1, 1/2, 1/4, 1/8 that is not below it, which costs a
            fraction of a full decode.
        limits: what to refuse; the defaults of :class:`ImageLimits` if omitted.

    Raises:
        ImageError: empty, not an image, damaged, or above the limits.
    """
    limits = limits or ImageLimits()
    if not data:
        raise ImageError("the file is empty")
    if len(data) > limits.max_bytes:
        raise ImageError(
            f"the file has {len(data):,} bytes, the limit is {limits.max_bytes:,} "
            "(ImageLimits.max_bytes)"
        )
    with _one_clear_error(limits), _open(data) as opened:
        return _decode_opened(opened, limits, min_size=min_size)


def decode_picture(image: Image.Image, limits: ImageLimits | None = None) -> DecodedImage:
    """Bring a PIL image to upright 8-bit RGB as :func:`decode` does; it is not changed.

    Raises:
        ImageError: it cannot be loaded (Pillow reads lazily), or is above the limits.
    """
    limits = limits or ImageLimits()
    with _one_clear_error(limits):
        return _decode_opened(image, limits)


@contextmanager
def _one_clear_error(limits: ImageLimits) -> Iterator[None]:
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"too many pixels, a decompression bomb? The limit is {limits.max_pixels:,} "
            "(ImageLimits.max_pixels)"
        ) from error
    except MemoryError as error:
        raise ImageError("not enough memory to decode it") from error
    except Exception as error:
        # Pillow's plugins let OSError, SyntaxError, struct.error, EOFError, ValueError,
        # IndexError, zlib.error and more escape on damaged files.
        raise ImageError(_damage(error)) from error


def _damage(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "the file is truncated: part of the image is missing"
    return f"the file is damaged: {text or type(error).__name__}"


def _open(data: bytes) -> Image.Image:
    formats: tuple[str, ...] = _FORMATS
    if _is_heif(data):
        if not _register_heif():
            raise ImageError(
                "HEIC images need the package pillow-heif: "
                "install it with pip install 'evoca[heic]'"
            )
        formats = _FORMATS + _HEIF_FORMATS
    try:
        return Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError as error:
        raise ImageError(
            "not an image in a known format (JPEG, PNG, GIF, WebP, AVIF, BMP, TIFF, "
            "JPEG 2000, PPM, ICO; HEIC with evoca[heic])"
        ) from error


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


def _register_heif() -> bool:
    global _heif_ready
    with _heif_lock:
        if _heif_ready is None:
            try:
                import pillow_heif

                pillow_heif.register_heif_opener()
                _heif_ready = True
            except ImportError:
                _heif_ready = False
        return _heif_ready


def _decode_opened(
    opened: Image.Image, limits: ImageLimits, *, min_size: tuple[int, int] | None = None
) -> DecodedImage:
    width, height = opened.size
    if width == 0 or height == 0:
        raise ImageError(f"{width} x {height} pixels: there is nothing to see")
    if width * height > limits.max_pixels:
        raise ImageError(
            f"{width} x {height} pixels, a decompression bomb? The limit is "
            f"{limits.max_pixels:,} pixels (ImageLimits.max_pixels)"
        )
    notes = ("animated: first frame",) if _is_animated(opened) else ()
    orientation = _orientation(opened)
    if min_size is not None and opened.format in {"JPEG", "MPO"}:
        sideways = orientation in {5, 6, 7, 8}
        opened.draft(None, min_size[::-1] if sideways else min_size)
    opened.load()  # before the file behind it is closed
    picture = _upright(_to_rgb(opened), orientation)
    size = (height, width) if orientation in {5, 6, 7, 8} else (width, height)
    return DecodedImage(picture, size, notes)


def _is_animated(image: Image.Image) -> bool:
    if image.format in _STILL_FORMATS:
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a damaged second frame does not spoil the first
        return True
    finally:
        if image.tell() != 0:
            image.seek(0)


def _orientation(image: Image.Image) -> int:
    """Read the EXIF orientation, 1..8; 1 where it is absent or the EXIF is damaged."""
    try:
        value = image.getexif().get(0x0112, 1)
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
    # libheif already turns the pixels upright and pillow-heif resets the tag.
    method = _TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I") or image.mode == "F":
        return _grey_from_wide(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _grey_from_wide(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and floating-point grey to 8 bits by the range it uses."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    if image.mode == "F":
        top = 1.0 if values.max(initial=0.0) <= 1.0 else 255.0
    else:
        top = 65535.0 if image.mode.startswith("I;16") or values.max(initial=0.0) > 255 else 255.0
    grey = np.clip(values * (255.0 / top), 0.0, 255.0).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
