"""The pixel format of a TIFF; and libtiff without messages."""

from __future__ import annotations

import ctypes
import io
from contextlib import suppress
from functools import cache

from PIL import Image, _imaging

__all__ = ["is_inverted", "is_unsigned", "silence_libtiff", "tiff_kind", "white_point"]

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO = 0
_FORMATS = {2: "signed integer", 3: "floating-point", 5: "complex integer", 6: "complex"}


@cache
def silence_libtiff() -> None:
    """Turn off the messages of libtiff about damaged files, for the whole process.

    The C library writes to file descriptor 2, not to ``sys.stderr``. Pillow does not need the
    messages: it raises errors by the return values of libtiff. Handlers with a client's data,
    which a program may have set, are left. Set once, this is safe where several threads decode;
    to redirect the descriptor while one of them decodes would not be.
    """
    # A symbol is searched for in Pillow's extension and in its linked libraries, such as the
    # libtiff that decodes. It is not found where Pillow contains libtiff, as on Windows.
    with suppress(OSError, AttributeError):
        linked = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            set_handler = getattr(linked, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


def white_point(image: Image.Image) -> float | None:
    """Return the value of white in 16-bit grey, by the bits that are in use.

    Args:
        image: of mode I;16 or similar.

    Returns:
        4095 for 12 bits, 65535 for 16; ``None`` if it is no TIFF.
    """
    bits = _tag(image, _BITS)
    return None if bits is None or not 1 <= bits <= 16 else float(2**bits - 1)


def is_inverted(image: Image.Image) -> bool:
    """Return whether zero is white, which Pillow handles only for up to 8 bits."""
    return _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO


def is_unsigned(image: Image.Image) -> bool:
    """Return whether 32-bit grey is unsigned; Pillow reads it as signed."""
    return (
        image.mode == "I" and _tag(image, _BITS) == 32 and _tag(image, _SAMPLE_FORMAT) in {None, 1}
    )


def tiff_kind(data: bytes) -> str | None:
    """Return the unusual samples of a TIFF, in words.

    Returns:
        ``None`` where they are ordinary, or the file is too damaged to read them.
    """
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    try:
        directory = ImageFileDirectory_v2(data[:8])
        stream = io.BytesIO(data)
        stream.seek(directory.next)
        directory.load(stream)
        bits = tuple(directory[_BITS])
        formats = tuple(directory.get(_SAMPLE_FORMAT, (1,)))
    except Exception:  # any error: the caller reports the file as damaged
        return None
    kind = _FORMATS.get(formats[0])
    if kind is None:
        return None
    return f"{len(bits)} x {bits[0]}-bit {kind} samples"


def _tag(image: Image.Image, tag: int) -> int | None:
    value = getattr(image, "tag_v2", {}).get(tag)
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else None
