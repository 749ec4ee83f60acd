"""Formats of encoded images, recognised by their first bytes, each with its one decoder.

Not all formats of Pillow are opened: EPS starts Ghostscript, ICO decodes a nested picture of
any size when it is opened, and old or exotic decoders are attack surface without users. The
formats here are those of photographs.
"""

from __future__ import annotations

import importlib
import io
import logging
import re
import warnings
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import jpeg_factory

from evoca.errors import ImageError, install_hint
from evoca.images.gif import without_comments
from evoca.images.jpeg import JpegStructure, ended, structure_of
from evoca.images.png import read_chunks
from evoca.images.tiff import silence_libtiff, tiff_kind

__all__ = ["FORMAT_NAMES", "OpenedImage", "is_known_format", "open_image"]

FORMAT_NAMES = "JPEG, PNG, GIF, WebP, AVIF, BMP, TIFF, JPEG 2000, PPM; HEIC with the extra heic"
"""The formats that are decoded, for messages."""

# Importing one plugin takes milliseconds; Pillow by itself imports all 40 to find a rarer one.
# A plugin that is imported here first is also safe with several threads.
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

# Stricter than Pillow's own for BMP and PPM, which accept many texts as pictures.
_SIGNATURES = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "BMP": re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", re.DOTALL),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "JPEG2000": re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
    # Not P1 to P3, numbers as text: they are not in use, and Pillow reads them very slowly.
    "PPM": re.compile(rb"P[4-6f]\s+[\d#]"),
}
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})

_MAX_PPM_HEADER = 4096
# Pillow reads the header byte by byte, and a comment in it may be as long as the file.
_PPM_HEADER = re.compile(
    rb"P(?:4(?:T){2}|[56f](?:T){3})\s".replace(b"T", rb"(?:\s|#[^\r\n]*[\r\n])+[-+.\deE]+")
)

# Pillow warns about odd metadata and about sizes that the limits here allow, once for each
# file. Appended, so that filters of the caller come first. A log handler of the caller still
# gets what Pillow logs, which without a handler goes to standard error.
for _category in (UserWarning, Image.DecompressionBombWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"PIL\.", append=True)
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class OpenedImage:
    """An image whose header was read.

    Attributes:
        image: lazy; no pixel is decoded yet.
        structure: of a JPEG's file; ``None`` for the other formats.
    """

    image: Image.Image
    structure: JpegStructure | None = None


def open_image(data: bytes) -> OpenedImage:
    """Return an encoded image with its header read; no pixel is decoded yet.

    Text and other data that are no part of the picture are removed before it is decoded. An
    end marker is added to a JPEG without one.

    Args:
        data: the encoded file.

    Raises:
        ImageError: not an image, of a kind that is not decoded, damaged at its start, or
            made to cost far more than a picture.
    """
    name = _format_of(data)
    if name is None:
        raise ImageError(f"not an image in a known format ({FORMAT_NAMES})")
    try:
        importlib.import_module(_PLUGINS[name])
    except ImportError as error:
        if name != "HEIF":
            raise
        raise ImageError(
            f"HEIC images need the package pillow-heif: install it with {install_hint('heic')}"
        ) from error
    try:
        return _open(name, data)
    except UnidentifiedImageError as error:
        kind = tiff_kind(data) if name == "TIFF" else None
        raise ImageError(
            f"a TIFF of {kind}, which cannot be decoded: save it with 8 or 16 bits per channel"
            if kind
            else f"it starts like {name}, but it is damaged or of a kind that cannot be decoded"
        ) from error


def _open(name: str, data: bytes) -> OpenedImage:
    if name == "JPEG":
        structure = structure_of(data)
        stream = io.BytesIO(ended(data, structure))
        return OpenedImage(_open_jpeg(stream), structure)
    if name == "PNG":
        chunks = read_chunks(data)
        image = Image.open(io.BytesIO(chunks.data), formats=(name,))
        if chunks.profile is not None:
            image.info["icc_profile"] = chunks.profile
        if chunks.cicp is not None:
            image.info["cicp"] = chunks.cicp
        return OpenedImage(image)
    if name == "GIF":
        data = without_comments(data)
    elif name == "TIFF":
        silence_libtiff()
    elif name == "PPM" and not _PPM_HEADER.match(data[:_MAX_PPM_HEADER]):
        raise ImageError("it starts like PPM, but its header is damaged, or longer than 4 kB")
    return OpenedImage(Image.open(io.BytesIO(data), formats=(name,)))


def _open_jpeg(stream: io.BytesIO) -> Image.Image:
    """Return a JPEG, opened without Pillow's limit: it may be decoded at reduced scale."""
    try:
        return jpeg_factory(stream)
    except Exception as error:  # Image.open raises this error for all of them
        raise UnidentifiedImageError(str(error)) from error


def is_known_format(data: bytes) -> bool:
    """Return whether bytes begin like an image of a known format; 1,024 are enough."""
    return _format_of(data) is not None


def _format_of(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return _format_of_brands(data)
    return next((name for name, start in _SIGNATURES.items() if start.match(data)), None)


def _format_of_brands(data: bytes) -> str | None:
    """Return AVIF or HEIF by the brands: both may have the major brand ``mif1``."""
    end = min(int.from_bytes(data[:4]), 1024)
    major, compatible = data[8:12], {data[i : i + 4] for i in range(16, end, 4)}
    if major in _AVIF_BRANDS:
        return "AVIF"
    if major not in _HEIF_BRANDS:
        return None
    return "AVIF" if major in {b"mif1", b"msf1"} and compatible & _AVIF_BRANDS else "HEIF"
