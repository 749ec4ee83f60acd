"""The structure of a JPEG: where it ends, how many scans it has, and whether parts are missing.

libjpeg fills missing parts with even grey, and its warning about it is not visible.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from evoca.errors import ImageError

__all__ = ["PART_MISSING", "JpegStructure", "ended", "is_cut", "missing_part", "structure_of"]

PART_MISSING = "a part is missing"
"""The start of the note on a picture with a missing part."""

_COARSER = f"{PART_MISSING}: the file ends before its finest detail"
_MAX_SCANS = 100
_MAX_METADATA = 32 * 1024 * 1024
# Pillow reads segments and the filler before them in Python. Encoders write no filler, and
# segments by the hundred at most, where metadata are long.
_MAX_SEGMENTS = 10_000
_MAX_FILLER = 1024 * 1024
_METADATA = {*range(0xE0, 0xF0), 0xFE}
_END = b"\xff\xd9"
# A marker with a length: not stuffing (FF00), fill (FFFF), TEM, a restart or a start of image.
_SEGMENT = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_TABLES, _START_OF_SCAN, _END_OF_IMAGE = 0xC4, 0xDA, 0xD9
_PROGRESSIVE = {0xC2, 0xCA}
_END_OF_BLOCK = 0x00
# The grey that libjpeg fills in, off by one where it passes through CMYK.
_FILLED = {127, 128}
_HOLE = bytes(256)
# The content of an erased block of flash memory; no encoder writes it between markers.
_ERASED = b"\xff" * 64
# Bits that decode to something visible with any table.
_FILLER = bytes((91 * i * i + 37 * i) % 251 for i in range(512))


@dataclass(frozen=True)
class JpegStructure:
    """The structure of a JPEG, from its markers.

    Attributes:
        end: position of the end of image in bytes; the end of the data if there is none.
        ends: whether there is an end of image; those of thumbnails do not count.
        scans: number of passes over the pixels.
        progressive: whether a decoder must have the whole picture in memory while it reads.
        whole: whether the scans of a progressive picture contain every bit of every
            coefficient; true for others.
        hole: whether the pixels' data have a stretch of bytes 00 or FF that no picture has.
    """

    end: int
    ends: bool
    scans: int
    progressive: bool
    whole: bool
    hole: bool


def structure_of(data: bytes) -> JpegStructure:
    """Return the structure of a JPEG.

    Raises:
        ImageError: metadata without end, or more segments, filler or scans than encoders
            write. Each further scan of a progressive JPEG costs a pass over all pixels and
            as little as a hundred bytes.
    """
    scans, position, first_scan, metadata = 0, 2, len(data), 0
    segments, filler = 0, 0
    progressive, ends, first_code = False, False, _END_OF_BLOCK
    end = len(data.rstrip(b"\0"))
    shifts: dict[tuple[int, int], int] = {}
    while found := _SEGMENT.search(data, position):
        marker, start = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            ends, end = True, found.start()
            break
        segments += 1
        filler += 0 if scans else found.start() - position
        if segments > _MAX_SEGMENTS or filler > _MAX_FILLER:
            raise ImageError(
                f"a JPEG of more than {_MAX_SEGMENTS:,} segments or {_MAX_FILLER:,} bytes of "
                "filler: save it again"
            )
        position = start + int.from_bytes(data[start : start + 2])
        body = data[start + 2 : position]
        progressive |= marker in _PROGRESSIVE
        if marker in _METADATA:
            metadata += len(body)
        elif marker == _TABLES and not scans:
            first_code = _shortest_code(body, first_code)
        elif marker == _START_OF_SCAN:
            scans += 1
            first_scan = min(first_scan, position)
            shifts |= _shifts_of(body)
    if metadata > _MAX_METADATA:
        raise ImageError(
            f"a JPEG with {metadata:,} bytes of metadata; the limit is {_MAX_METADATA:,}: save it "
            "without them"
        )
    if scans > _MAX_SCANS:
        raise ImageError(
            f"a JPEG of {scans:,} scans, a decompression bomb? The limit is {_MAX_SCANS}"
        )
    # Anything may follow the picture: padding, a film, another picture.
    last = end if ends else len(data.rstrip(_ERASED[:1] + b"\0"))
    empty = data.find(_HOLE, first_scan, last) >= 0
    hole = not progressive and first_code != _END_OF_BLOCK and empty
    hole |= data.find(_ERASED, first_scan, last) >= 0
    return JpegStructure(
        end, ends, scans, progressive, not progressive or not any(shifts.values()), hole
    )


def ended(data: bytes, structure: JpegStructure) -> bytes:
    """Return a JPEG with an end of image, which replaces zero bytes at the end if it lacks one."""
    return data if structure.ends else data[: structure.end] + _END


def is_cut(data: bytes, structure: JpegStructure, min_size: tuple[int, int] | None) -> bool:
    """Return whether the data of the pixels stop before the last pixel.

    Only then do other bytes behind the data change the picture. A progressive picture is
    decoded in full, since a reduced one does not need its last scans.

    Args:
        data: the file.
        structure: of it.
        min_size: (width, height) that a scaled decode must not fall below.
    """
    scaled = None if structure.progressive else min_size
    return _pixels(data, structure, scaled) != _pixels(data, structure, scaled, _FILLER)


def _pixels(
    data: bytes, structure: JpegStructure, min_size: tuple[int, int] | None, behind: bytes = b""
) -> bytes:
    """Return the pixels of a JPEG with other bytes behind its own."""
    with JpegImageFile(io.BytesIO(data[: structure.end] + behind + _END)) as opened:
        if min_size is not None:
            opened.draft(None, min_size)
        return opened.tobytes()


def missing_part(
    data: bytes, structure: JpegStructure, decoded: Image.Image, min_size: tuple[int, int] | None
) -> str | None:
    """Return a note on a JPEG that has its end, but lacks a part.

    A JPEG of several scans that stops within the last is not grey, only coarser. It is decoded
    once more, at the scale it is used at. At 1/8 no detail is needed, so some may be missing.

    Args:
        data: the file.
        structure: of it.
        decoded: the picture as it is stored, at any scale.
        min_size: the size that it was scaled for.
    """
    if _is_filled(decoded) and is_cut(data, structure, min_size):
        share = _filled_rows(decoded) / decoded.height
        lost = f"lowest {share:.0%}" if share >= 0.01 else "last pixels"
        return f"{PART_MISSING}: the file ends before its {lost}"
    if structure.scans > 1 and decoded.tobytes() != _pixels(data, structure, min_size, _FILLER):
        return _COARSER
    if structure.hole:
        return f"{PART_MISSING}: a stretch of the file is empty"
    if not structure.whole:
        return _COARSER
    return None


def _is_filled(decoded: Image.Image) -> bool:
    """Return whether the last pixel is the grey that libjpeg fills in."""
    pixel = decoded.getpixel((decoded.width - 1, decoded.height - 1))
    return _FILLED.issuperset(pixel if isinstance(pixel, tuple) else (pixel,))


def _filled_rows(decoded: Image.Image) -> int:
    """Return the number of rows from the lower edge that are all filled in."""
    width, height = decoded.size
    last = height
    while last and _is_filled(decoded.crop((0, last - 1, 1, last))):
        extremes = decoded.crop((0, last - 1, width, last)).getextrema()
        ends = {value for pair in _pairs(extremes) for value in pair}
        if not _FILLED.issuperset(ends):
            break
        last -= 1
    return height - last


def _pairs(extremes: tuple[float, float] | tuple[tuple[int, int], ...]) -> list[tuple[float, ...]]:
    """Return the extremes of each band as a list, also of a single band."""
    return [pair if isinstance(pair, tuple) else (pair,) for pair in extremes]


def _shortest_code(tables: bytes, known: int) -> int:
    """Return the symbol of the shortest code of the first AC table, which is all zero bits.

    If it is the end of block, a flat part of a picture is a row of zero bytes. If it is another
    symbol, no picture has a row of zero bytes.
    """
    at = 0
    while at + 17 < len(tables):
        count = sum(tables[at + 1 : at + 17])
        if tables[at] == 0x10:
            return tables[at + 17]
        at += 17 + count
    return known


def _shifts_of(header: bytes) -> dict[tuple[int, int], int]:
    """Return the number of bits per coefficient that a scan leaves to later scans."""
    count = header[0] if header else 0
    if len(header) < 4 + 2 * count:
        return {}
    first, last, shift = header[1 + 2 * count], header[2 + 2 * count], header[3 + 2 * count] & 15
    return {
        (header[1 + 2 * i], k): shift for i in range(count) for k in range(first, min(last, 63) + 1)
    }
