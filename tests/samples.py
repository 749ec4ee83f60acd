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


# Red, green and blue as XYZ under D50, the curve's gamma, and the space by its name.
RGB_SPACES = {
    "Adobe RGB": (
        ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
        2.2,
    ),
    "Display P3": (
        ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
        2.2,
    ),
}
_D50 = (0.9642, 1.0, 0.8249)


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _icc(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile (version 2) by hand: header, table of tags, tags."""
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(content))
        body += padded
    rest = struct.pack(">I", len(tags)) + table + body
    header = struct.pack(">I4sI", 128 + len(rest), bytes(4), 0x02400000) + kind + space
    header += connection + bytes(12) + b"acsp" + bytes(28) + _fixed(*_D50)
    return header.ljust(128, b"\0") + rest


def _gamma(value: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(value * 256))


def _xyz(numbers: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(*numbers)


def rgb_profile(name: str) -> bytes:
    """The ICC profile of a space in :data:`RGB_SPACES`."""
    primaries, gamma = RGB_SPACES[name]
    tags = {b"wtpt": _xyz(_D50)}
    for channel, primary in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags |= {channel + b"XYZ": _xyz(primary), channel + b"TRC": _gamma(gamma)}
    return _icc(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    """The ICC profile of grey with a gamma."""
    return _icc(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz(_D50), b"kTRC": _gamma(gamma)})


def press_profile() -> bytes:
    """The ICC profile of a strange press: its black ink is red, its others are clear."""
    straight = bytes(range(256))
    paper, red = bytes((255, 128, 128)), bytes((136, 208, 195))  # L, a, b
    nodes = b"".join(red if node & 1 else paper for node in range(16))  # K changes fastest
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table += straight * 4 + nodes + straight * 3
    return _icc(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(_D50), b"A2B0": table})
