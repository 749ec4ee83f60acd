"""Sample files, made from the example photographs or byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"

ORIENTATION = 0x0112
# What a camera does: how an upright picture lies in the file under each orientation tag.
_AS_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@cache
def _photo(name: str, size: tuple[int, int]) -> Image.Image:
    with Image.open(EXAMPLES / f"{name}.jpg") as opened:
        return opened.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def photo(name: str = "coffee", size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A small photograph, mode RGB, the caller's own copy."""
    return _photo(name, size).copy()


def encode(picture: Image.Image, image_format: str, **options: Any) -> bytes:
    """A picture as a file's bytes."""
    target = io.BytesIO()
    picture.save(target, image_format, **options)
    return target.getvalue()


def animation(image_format: str, **options: Any) -> bytes:
    """Three frames: coffee, chelsea, flower."""
    frames = [photo(name) for name in ("chelsea", "flower")]
    options = {"save_all": True, "append_images": frames, **options}
    return encode(photo("coffee"), image_format, **options)


def as_stored(upright: Image.Image, orientation: int) -> Image.Image:
    """Turn an upright picture to where the orientation tag turns it back from."""
    method = _AS_STORED[orientation]
    return upright if method is None else upright.transpose(method)


def exif(orientation: int) -> bytes:
    """An EXIF block with nothing but an orientation."""
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block.tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int, height: int, *, depth: int, colour: int, rows: bytes, before: bytes = b""
) -> bytes:
    """A PNG by hand: ``rows`` are unfiltered, ``before`` are chunks ahead of the pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    stride = len(rows) // height if rows else 0
    lines = b"".join(
        b"\0" + rows[i * stride : (i + 1) * stride] for i in range(height if rows else 0)
    )
    pixels = png_chunk(b"IDAT", zlib.compress(lines, 9))
    return b"\x89PNG\r\n\x1a\n" + header + before + pixels + png_chunk(b"IEND", b"")


def png_of(array: np.ndarray, *, depth: int, colour: int, before: bytes = b"") -> bytes:
    """A PNG by hand of an array (H, W) or (H, W, C) of unsigned integers."""
    height, width = array.shape[:2]
    rows = array.astype(">u2" if depth == 16 else "u1").tobytes()
    return png(width, height, depth=depth, colour=colour, rows=rows, before=before)


def mean_difference(a: Image.Image, b: Image.Image) -> float:
    """Mean absolute difference of two RGB pictures of one size, in grey levels."""
    return float(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).mean())


@cache
def one_of_each() -> dict[str, bytes]:
    """The same small photograph in every format and in the common kinds of each."""
    rgb = photo()
    grey = rgb.convert("L")
    alpha = rgb.copy()
    alpha.putalpha(grey)
    return {
        "jpeg": encode(rgb, "JPEG", quality=90),
        "jpeg progressive": encode(rgb, "JPEG", quality=90, progressive=True),
        "jpeg grey": encode(grey, "JPEG", quality=90),
        "jpeg cmyk": encode(rgb.convert("CMYK"), "JPEG", quality=90),
        "jpeg exif": encode(rgb, "JPEG", quality=90, exif=exif(6)),
        "mpo": encode(rgb, "MPO", quality=90, save_all=True, append_images=[photo("flower")]),
        "png": encode(rgb, "PNG"),
        "png grey": encode(grey, "PNG"),
        "png alpha": encode(alpha, "PNG"),
        "png palette": encode(rgb.quantize(32), "PNG"),
        "png bilevel": encode(rgb.convert("1"), "PNG"),
        "png animated": animation("PNG"),
        "gif": encode(rgb, "GIF"),
        "gif animated": animation("GIF"),
        "webp": encode(rgb, "WEBP", quality=90),
        "webp lossless": encode(alpha, "WEBP", lossless=True),
        "webp animated": animation("WEBP"),
        "avif": encode(rgb, "AVIF", quality=90, speed=10),
        "avif animated": animation("AVIF", quality=60, speed=10),
        "bmp": encode(rgb, "BMP"),
        "tiff": encode(rgb, "TIFF"),
        "tiff lzw": encode(rgb, "TIFF", compression="tiff_lzw"),
        "tiff deflate": encode(rgb, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": encode(rgb, "TIFF", compression="jpeg"),
        "tiff float": encode(grey.convert("F"), "TIFF"),
        "tiff pages": animation("TIFF"),
        "jpeg 2000": encode(rgb, "JPEG2000"),
        "ppm": encode(rgb, "PPM"),
        "pgm": encode(grey, "PPM"),
        "pbm": encode(rgb.convert("1"), "PPM"),
    }
