"""Recognise an encoded image by its first bytes and open it with that one decoder.

Everything Pillow can open is not welcome: EPS starts Ghostscript, ICO decodes a nested
picture of any size while it is only being opened, and old or exotic decoders are attack
surface without users. This is what photographs come in.
"""

from __future__ import annotations

import importlib
import io
import logging
import re
import warnings

from PIL import Image, UnidentifiedImageError

from evoca.errors import ImageError, install_hint

__all__ = ["FORMAT_NAMES", "is_known_format", "open_image"]

FORMAT_NAMES = "JPEG, PNG, GIF, WebP, AVIF, BMP, TIFF, JPEG 2000, PPM; HEIC with the extra heic"
"""The formats that are decoded, for messages."""

# Importing one plugin takes milliseconds; Pillow left alone imports all 40 to find a rarer
# one. A plugin that is imported here first is also safe to meet from several threads.
_PLUGINS = {
    "JPEG": "PIL.JpegImagePlugin",
    "PNG": "PIL.PngImagePlugin",
    "GIF": "PIL.GifImagePlugin",
    "WEBP": "PIL.WebPImagePlugin",
    "AVIF": "PIL.AvifImagePlugin",
    "BMP": "PIL.BmpImagePlugin",
    "TIFF": "PIL.TiffImagePlugin",
    "JPEG2000": "PIL.Jpeg2KImagePlugin",
    "PPM": "PIL.PpmImagePlugin",
    "HEIF": "pillow_heif.HeifImagePlugin",
}

# Stricter than Pillow's own for BMP and PPM, which take many a text for a picture.
_SIGNATURES = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "BMP": re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "JPEG2000": re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
    "PPM": re.compile(rb"P[1-6f]\s+[\d#]"),
}
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})

_MAX_JPEG_SCANS = 100
# A marker with a length: not stuffing (FF00), fill (FFFF), TEM, a restart or a start of image.
_JPEG_SEGMENT = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")

# Pillow warns about odd metadata and about sizes that the limits here allow, once for each
# file. Appended, so that a filter of the caller's own goes before these; and a handler of
# the caller's own still hears what Pillow logs, which without one lands on standard error.
for _category in (UserWarning, Image.DecompressionBombWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"PIL\.", append=True)
logging.getLogger("PIL").addHandler(logging.NullHandler())


def open_image(data: bytes) -> Image.Image:
    """Read the header of an encoded image; no pixel is decoded yet.

    Args:
        data: the encoded file.

    Returns:
        A lazy PIL image.

    Raises:
        ImageError: not an image, of a kind that is not decoded, damaged at its start, or
            a JPEG with absurdly many scans.
    """
    name = _format_of(data)
    if name is None:
        raise ImageError(f"not an image in a known format ({FORMAT_NAMES})")
    if name == "JPEG":
        _refuse_endless_scans(data)
    try:
        importlib.import_module(_PLUGINS[name])
    except ImportError as error:
        if name != "HEIF":
            raise
        raise ImageError(
            f"HEIC images need the package pillow-heif: install it with {install_hint('heic')}"
        ) from error
    try:
        return Image.open(io.BytesIO(data), formats=(name,))
    except UnidentifiedImageError as error:
        raise ImageError(
            f"it starts like {name}, but it is damaged or of a kind that cannot be decoded"
        ) from error


def is_known_format(data: bytes) -> bool:
    """Say whether bytes begin as an image does that is decoded; 1,024 of them are enough."""
    return _format_of(data) is not None


def _format_of(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return _format_of_brands(data)
    return next((name for name, start in _SIGNATURES.items() if start.match(data)), None)


def _format_of_brands(data: bytes) -> str | None:
    """Tell AVIF from HEIF: both may have the major brand ``mif1``."""
    end = min(int.from_bytes(data[:4]), 1024)
    major, compatible = data[8:12], {data[i : i + 4] for i in range(16, end, 4)}
    if major in _AVIF_BRANDS:
        return "AVIF"
    if major not in _HEIF_BRANDS:
        return None
    return "AVIF" if major in {b"mif1", b"msf1"} and compatible & _AVIF_BRANDS else "HEIF"


def _refuse_endless_scans(data: bytes) -> None:
    """Refuse a JPEG that repaints its pixels for ever.

    Each further scan of a progressive JPEG costs a pass over all pixels and as little as a
    hundred bytes. Encoders write about ten.
    """
    # The quick count can only be too high: it sees thumbnails and what follows the picture.
    if data.count(b"\xff\xda") <= _MAX_JPEG_SCANS:
        return
    scans = _count_scans(data)
    if scans > _MAX_JPEG_SCANS:
        raise ImageError(
            f"a JPEG of {scans:,} scans, a decompression bomb? The limit is {_MAX_JPEG_SCANS}"
        )


def _count_scans(data: bytes) -> int:
    scans, position = 0, 2
    while found := _JPEG_SEGMENT.search(data, position):
        marker = found[1][0]
        if marker == 0xD9:  # end of image
            break
        scans += marker == 0xDA
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
    return scans
