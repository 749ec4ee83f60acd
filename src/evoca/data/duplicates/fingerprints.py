"""What identifies a picture: the checksum of its file and a perceptual hash."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from evoca.errors import ImageError, MissingExtraError
from evoca.images import ImageLimits, decode
from evoca.images.jpeg import PART_MISSING
from evoca.images.sources import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Fingerprint", "Words", "fingerprint", "fingerprint_all", "looks_of"]

# A JPEG is decoded at reduced scale down to this short side: the hashes use 32 pixels.
_DECODE_SIZE = (256, 256)
# The plainest of 1,245 research photographs (a bare wall) has 5.3.
_FLAT = 2.0
# The filter of imagehash, which leaves pictures of its own size as they are.
_SMALL = Image.Resampling.LANCZOS
_TURNS = (None, *Image.Transpose)
_ON_ITS_SIDE = {
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.TRANSVERSE,
}

Words = tuple[int, int]
"""128 bits of a perceptual hash."""


@dataclass(frozen=True)
class Fingerprint:
    """What identifies one picture.

    Attributes:
        sha256: of the file, hexadecimal; empty where it cannot be read.
        size: (width, height) in pixels, upright; (0, 0) where it cannot be decoded.
        orientations: hashes of the picture as it is, and of its seven other quarter turns
            and mirror images; each is 128 bits as two 64-bit words, the DCT hash ("pHash")
            and the difference hash ("dHash"). Empty where it is flat or undecodable.
        error: why the file cannot be read as an image; empty where it can.
        damage: which part of the picture its file lacks; empty where it is whole.
    """

    sha256: str
    size: tuple[int, int] = (0, 0)
    orientations: tuple[Words, ...] = ()
    error: str = ""
    damage: str = ""

    @property
    def looks(self) -> Words | None:
        """The hashes of the picture as it is; ``None`` where it has none."""
        return self.orientations[0] if self.orientations else None

    @property
    def perceptual(self) -> str:
        """``looks`` as 32 hexadecimal digits; empty where there are none."""
        return "" if self.looks is None else "".join(f"{word:016x}" for word in self.looks)


def fingerprint(path: Path, limits: ImageLimits | None = None) -> Fingerprint:
    """Return the fingerprint of one file; of an unreadable image, its ``error``.

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    limits = limits or ImageLimits()
    digest = ""
    try:
        data = read_file(path, limits)
        digest = hashlib.sha256(data).hexdigest()
        decoded = decode(data, min_size=_DECODE_SIZE, limits=limits)
    except ImageError as error:
        return Fingerprint(digest, error=error.cause)
    damage = next((note for note in decoded.notes if note.startswith(PART_MISSING)), "")
    grey = decoded.image.convert("L")
    if _is_flat(grey):
        return Fingerprint(digest, decoded.size, damage=damage)
    return Fingerprint(digest, decoded.size, _orientations(grey), damage=damage)


def looks_of(perceptual: str) -> Words:
    """Return the words of a :attr:`Fingerprint.perceptual`.

    >>> looks_of("000000000000000a00000000000000ff")
    (10, 255)
    """
    return int(perceptual[:16], 16), int(perceptual[16:], 16)


def fingerprint_all(
    paths: Iterable[Path], *, limits: ImageLimits | None = None, threads: int | None = None
) -> Iterator[Fingerprint]:
    """Yield the fingerprints of files in their order, several computed at once.

    Args:
        paths: the files.
        limits: what to refuse; the defaults of :class:`ImageLimits` if omitted.
        threads: how many to use; one per core if omitted (decoding runs in parallel).

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    _hashing()  # here, since threads that import at once can be given a module half made
    limits = limits or ImageLimits()
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        yield from pool.map(lambda path: fingerprint(path, limits), paths)


def _is_flat(grey: Image.Image) -> bool:
    """Return whether a picture is too plain to differ from other plain pictures."""
    return float(np.asarray(grey.resize((32, 32), Image.Resampling.BOX)).std()) < _FLAT


def _orientations(grey: Image.Image) -> tuple[Words, ...]:
    """Return the hashes of a picture in its eight orientations.

    A picture is reduced to the size of the hashes first and turned then, which gives the
    same hashes and reduces it only once.
    """
    imagehash = _hashing()
    # Of a picture on its side, dHash takes rows of 9 pixels that were columns.
    square, wide, high = (grey.resize(size, _SMALL) for size in ((32, 32), (9, 8), (8, 9)))
    found = []
    for turn in _TURNS:
        small = high if turn in _ON_ITS_SIDE else wide
        hashes = (imagehash.phash(_turned(square, turn)), imagehash.dhash(_turned(small, turn)))
        found.append((_word(hashes[0].hash), _word(hashes[1].hash)))
    return tuple(found)


def _turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return image if turn is None else image.transpose(turn)


def _hashing() -> ModuleType:
    try:
        import imagehash
    except ImportError as error:
        raise MissingExtraError("finding near-duplicates", "data", "imagehash") from error
    return imagehash


def _word(bits: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int:
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
