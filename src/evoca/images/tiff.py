"""What a TIFF says of its pixels."""

from __future__ import annotations

import io

from PIL import Image

__all__ = ["is_inverted", "tiff_kind", "white_point"]

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO = 0
_FORMATS = {2: "signed integer", 3: "floating-point", 5: "complex integer", 6: "complex"}


def white_point(image: Image.Image) -> float | None:
    """Return the value that stands for white in 16-bit grey, by the bits that are in use.

    Args:
        image: of mode I;16 and its like.

    Returns:
        4095 for 12 bits, 65535 for 16; ``None`` for what is no TIFF.
    """
    bits = _tag(image, _BITS)
    return None if bits is None or not 1 <= bits <= 16 else float(2**bits - 1)


def is_inverted(image: Image.Image) -> bool:
    """Whether zero stands for white, as Pillow heeds for up to 8 bits alone."""
    return _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO


def tiff_kind(data: bytes) -> str | None:
    """Return what unusual samples a TIFF has, in words.

    Returns:
        ``None`` where they are ordinary, or the file is too damaged to tell.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    try:
        directory = ImageFileDirectory_v2(data[:8])
        stream = io.BytesIO(data)
        stream.seek(directory.next)
        directory.load(stream)
        bits = tuple(directory[_BITS])
        formats = tuple(directory.get(_SAMPLE_FORMAT, (1,)))
    except Exception:  # whatever is wrong with it, the reader is told that it is damaged
        return None
    kind = _FORMATS.get(formats[0])
    if kind is None:
        return None
    return f"{len(bits)} x {bits[0]}-bit {kind} samples"


def _tag(image: Image.Image, tag: int) -> int | None:
    value = getattr(image, "tag_v2", {}).get(tag)
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else None
