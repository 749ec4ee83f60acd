"""The chunks of a PNG that define its colours, and a copy without texts.

Pillow unpacks every text of a PNG and refuses the picture if one is longer than a megabyte,
as those of image generators are.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from evoca.images.colour import MAX_PROFILE_BYTES

__all__ = ["PngChunks", "read_chunks"]

_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_SIGNATURE = 8
_MAX_CHUNKS = 1_000_000
_UNUSABLE = b"not a profile"


@dataclass(frozen=True)
class PngChunks:
    """A PNG without its texts and its profile.

    Attributes:
        data: the file; the same object where nothing was left out.
        profile: the ICC profile; invalid bytes where it is damaged or above
            :data:`~evoca.images.colour.MAX_PROFILE_BYTES`; ``None`` where there is none.
        cicp: primaries, transfer function, matrix and range of the chunk cICP
            (ITU-T H.273), each 0..255; ``None`` where there is none.
    """

    data: bytes
    profile: bytes | None = None
    cicp: tuple[int, ...] | None = None


def read_chunks(data: bytes) -> PngChunks:
    """Return the chunks of a PNG; a truncated file is left for the decoder to refuse.

    >>> read_chunks(b"")
    PngChunks(data=b'', profile=None, cicp=None)
    """
    profile: bytes | None = None
    cicp: tuple[int, ...] | None = None
    kept, copied = [], 0
    for kind, start, end in _chunks(data):
        if kind == b"cICP" and end - start == 16:
            cicp = tuple(data[start + 8 : start + 12])
        if kind not in _TEXTS and kind != b"iCCP":
            continue
        if kind == b"iCCP":
            profile = _unpacked(data[start + 8 : end - 4])
        kept.append(data[copied:start])
        copied = end
    if not copied:
        return PngChunks(data, profile, cicp)
    return PngChunks(b"".join([*kept, data[copied:]]), profile, cicp)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the kind of each chunk, with its start and end."""
    start = _SIGNATURE
    for _ in range(_MAX_CHUNKS):
        end = start + 12 + int.from_bytes(data[start : start + 4])
        kind = data[start + 4 : start + 8]
        if end > len(data) or kind == b"IEND":
            return
        yield kind, start, end
        start = end


def _unpacked(body: bytes) -> bytes:
    """Return the profile in the body of a chunk iCCP: a name, a zero, a method, the rest."""
    _, _, packed = body.partition(b"\0")
    try:
        profile = zlib.decompressobj().decompress(packed[1:], MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return _UNUSABLE
    return profile if packed[:1] == b"\0" and profile else _UNUSABLE
