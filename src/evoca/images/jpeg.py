"""The structure of a JPEG: where it ends, how many scans it has, and whether parts are missing.

libjpeg fills what is missing with even grey and only warns about it, where nobody hears it.
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
"""How the note on a picture begins of which a part is not in its file."""

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
# What libjpeg fills in: mid-grey, off by one where it passes through CMYK.
_FILLED = {127, 128}
_HOLE = bytes(256)
# What an erased block of flash memory holds: between markers no encoder writes it.
_ERASED = b"\xff" * 64
# Any bits that decode to something: whatever a table makes of them, it is not nothing.
_FILLER = bytes((91 * i * i + 37 * i) % 251 for i in range(512))


@dataclass(frozen=True)
class JpegStructure:
    """What the markers of a JPEG tell.

    Attributes:
        end: where the end of image stands, in bytes; where the data end if there is none.
        ends: whether there is one; those of thumbnails do not count.
        scans: how many passes over the pixels there are.
        progressive: whether a decoder must keep the whole picture while it reads.
        whole: whether the scans of a progressive picture bring every coefficient to its
            last bit; true of any other.
        hole: whether the pixels' data have a stretch of bytes 00 or FF that no picture has.
    """

    end: int
    ends: bool
    scans: int
    progressive: bool
    whole: bool
    hole: bool


def structure_of(data: bytes) -> JpegStructure:
    """Walk the markers of a JPEG.

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
    # Behind the picture may stand anything: padding, a film, another picture.
    last = end if ends else len(data.rstrip(_ERASED[:1] + b"\0"))
    empty = data.find(_HOLE, first_scan, last) >= 0
    hole = not progressive and first_code != _END_OF_BLOCK and empty
    hole |= data.find(_ERASED, first_scan, last) >= 0
    return JpegStructure(
        end, ends, scans, progressive, not progressive or not any(shifts.values()), hole
    )


def ended(data: bytes, structure: JpegStructure) -> bytes:
    """Give a JPEG that stops without an end of image that end, in place of zero bytes."""
    return data if structure.ends else data[: structure.end] + _END


def is_cut(data: bytes, structure: JpegStructure, min_size: tuple[int, int] | None) -> bool:
    """Whether the data of the pixels stop before the last pixel.

    Then, and only then, does it change the picture what stands behind them. A progressive
    picture is decoded in full, since a reduced one does not need its last scans.

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
    """Return a note on a JPEG that ends, but of which a part is missing.

    One of several scans that ends within the last is nowhere grey, only coarser: it is decoded
    once more, at the scale it is used at. At 1/8, which needs no detail, it may lack some.

    Args:
        data: the file.
        structure: of it.
        decoded: the picture as it is stored, at any scale.
        min_size: what it was scaled for.
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
    """Whether the last pixel is what libjpeg fills in."""
    pixel = decoded.getpixel((decoded.width - 1, decoded.height - 1))
    return _FILLED.issuperset(pixel if isinstance(pixel, tuple) else (pixel,))


def _filled_rows(decoded: Image.Image) -> int:
    """Count the rows from the lower edge that are filling throughout."""
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
    """Return the extremes of each band, which Pillow gives bare where there is one."""
    return [pair if isinstance(pair, tuple) else (pair,) for pair in extremes]


def _shortest_code(tables: bytes, known: int) -> int:
    """Return the symbol of the shortest code of the first AC table, which is all zero bits.

    Where this is an end of block, a flat part of a picture is a row of zero bytes; where
    it is another, zero bytes are no picture's.
    """
    at = 0
    while at + 17 < len(tables):
        count = sum(tables[at + 1 : at + 17])
        if tables[at] == 0x10:
            return tables[at + 17]
        at += 17 + count
    return known


def _shifts_of(header: bytes) -> dict[tuple[int, int], int]:
    """Return how many bits of which coefficients a scan leaves to later ones."""
    count = header[0] if header else 0
    if len(header) < 4 + 2 * count:
        return {}
    first, last, shift = header[1 + 2 * count], header[2 + 2 * count], header[3 + 2 * count] & 15
    return {
        (header[1 + 2 * i], k): shift for i in range(count) for k in range(first, min(last, 63) + 1)
    }
