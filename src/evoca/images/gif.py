"""Removal of the comments of a GIF; a small file can have millions."""

from __future__ import annotations

from evoca.errors import ImageError

__all__ = ["without_comments"]

_EXTENSION, _IMAGE = 0x21, 0x2C
_CONTROL = 0xF9
_MAX_BLOCKS = 500_000  # of up to 255 bytes: more than 100 megapixels take


def without_comments(data: bytes) -> bytes:
    """Return a GIF without extensions up to the second frame, except frame controls.

    Pillow joins comments one by one, and reads nothing after the second frame.

    Args:
        data: a GIF, whole or not; a damaged part is left for the decoder.

    Raises:
        ImageError: it has more blocks than a picture within the limits needs.
    """
    if len(data) < 13:
        return data
    position = 13 + _table(data[10])
    kept, copied, images, blocks = [], 0, 0, 0
    while position + 1 < len(data) and images < 2:
        start = position
        if data[position] == _EXTENSION:
            position, count = _after_blocks(data, position + 2)
            if data[start + 1] != _CONTROL:
                kept.append(data[copied:start])
                copied = position
        elif data[position] == _IMAGE and position + 10 < len(data):
            position, count = _after_blocks(data, position + 11 + _table(data[position + 9]))
            images += 1
        else:
            break
        blocks += count
        if blocks > _MAX_BLOCKS:
            raise ImageError(
                f"a GIF of more than {_MAX_BLOCKS:,} blocks before its second frame: "
                "save it again with an image editor"
            )
    return b"".join([*kept, data[copied:]]) if copied else data


def _table(flags: int) -> int:
    """Return the size in bytes of the colour table that follows a field of flags."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> tuple[int, int]:
    """Return the end of a chain of blocks, and their number."""
    count = 0
    while position < len(data) and count <= _MAX_BLOCKS:
        length = data[position]
        position += 1 + length
        if not length:
            break
        count += 1
    return min(position, len(data)), count
