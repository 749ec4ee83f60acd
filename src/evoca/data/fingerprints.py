"""What identifies a picture: the checksum of its file and a hash of what it looks like."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from evoca.errors import ImageError, MissingExtraError
from evoca.images import ImageLimits, decode
from evoca.images.jpeg import PART_MISSING
from evoca.images.sources import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Fingerprint", "fingerprint", "fingerprint_all"]

# A JPEG is decoded at reduced scale down to this short side: the hashes look at 32 pixels.
_DECODE_SIZE = (256, 256)
# The plainest of 1,245 research photographs (a bare wall) has 5.3.
_FLAT = 2.0

Words = tuple[int, int]


@dataclass(frozen=True)
class Fingerprint:
    """What identifies one picture.

    Attributes:
        sha256: of the file, hexadecimal; empty where it cannot be read.
        size: (width, height) in pixels, upright; (0, 0) where it cannot be decoded.
        looks: 128 bits as two 64-bit words: the DCT hash ("pHash") and the difference
            hash ("dHash") of the picture; ``None`` where it is flat or undecodable.
        mirrored: the same of the mirrored picture.
        error: why the file cannot be read as an image; empty where it can.
        damage: which part of the picture its file lacks; empty where it is whole.
    """

    sha256: str
    size: tuple[int, int] = (0, 0)
    looks: Words | None = None
    mirrored: Words | None = None
    error: str = ""
    damage: str = ""


def fingerprint(path: Path, limits: ImageLimits | None = None) -> Fingerprint:
    """Fingerprint one file; a file that is no readable image gives its ``error``.

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
    looks, mirrored = _looks(grey), _looks(ImageOps.mirror(grey))
    return Fingerprint(digest, decoded.size, looks, mirrored, damage=damage)


def fingerprint_all(
    paths: Iterable[Path], *, limits: ImageLimits | None = None, threads: int | None = None
) -> Iterator[Fingerprint]:
    """Fingerprint files in their order, several at once.

    Args:
        paths: the files.
        limits: what to refuse; the defaults of :class:`ImageLimits` if omitted.
        threads: how many to use; one a core if omitted (decoding runs in parallel).

    Raises:
        MissingExtraError: imagehash is not installed.
    """
    _hashing()  # here, since threads that import what cannot be see it half made
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        yield from pool.map(lambda path: fingerprint(path, limits), paths)


def _is_flat(grey: Image.Image) -> bool:
    """Say whether a picture is too plain to be told from other plain pictures."""
    return float(np.asarray(grey.resize((32, 32), Image.Resampling.BOX)).std()) < _FLAT


def _looks(grey: Image.Image) -> Words:
    imagehash = _hashing()
    return _word(imagehash.phash(grey).hash), _word(imagehash.dhash(grey).hash)


def _hashing() -> ModuleType:
    try:
        import imagehash
    except ImportError as error:
        raise MissingExtraError("finding near-duplicates", "data", "imagehash") from error
    return imagehash


def _word(bits: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> int:
    return int.from_bytes(np.packbits(bits).tobytes(), "big")
