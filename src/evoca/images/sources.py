"""What a caller may hand over as an image, brought to one form."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca.errors import ImageError
from evoca.images.decode import DecodedImage, ImageLimits, decode, decode_picture
from evoca.images.preprocess import Preprocessing
from evoca.images.screening import screen
from evoca.images.walk import printable_name

__all__ = ["ImageInput", "LoadedImage", "load_image", "open_picture", "read_file"]

ImageInput: TypeAlias = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]
"""A path, an encoded file's bytes, a PIL image, or an array of shape (H, W), (H, W, 3)
or (H, W, 4): uint8 0..255, or floating point 0..1."""


@dataclass(frozen=True)
class LoadedImage:
    """An input, decoded and resized for one model.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, at the model's input size.
        size: (width, height) of the picture in pixels, after orientation.
        sha256: of the encoded bytes; ``None`` for PIL images and arrays.
        warnings: what the reader should know about this input.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    sha256: str | None
    warnings: tuple[str, ...]


def load_image(
    source: ImageInput, preprocessing: Preprocessing, limits: ImageLimits | None = None
) -> LoadedImage:
    """Read, decode, orient and resize one input.

    Raises:
        ImageError: the input cannot be read as an image; its ``source`` is the
            printable path where there is one.
        TypeError: the input is of a kind that :data:`ImageInput` does not name.
    """
    data = _encoded(source, limits or ImageLimits())
    decoded = _decoded(source, data, preprocessing.decode_size, limits)
    pixels = preprocessing(decoded.image)
    return LoadedImage(
        pixels=pixels,
        size=decoded.size,
        sha256=None if data is None else hashlib.sha256(data).hexdigest(),
        warnings=decoded.notes + screen(pixels),
    )


def open_picture(
    source: ImageInput,
    *,
    min_size: tuple[int, int] | None = None,
    limits: ImageLimits | None = None,
) -> DecodedImage:
    """Read, decode and orient one input, as :func:`load_image` does, without resizing.

    Args:
        source: any input.
        min_size: (width, height) that a scaled JPEG decode must not fall below.
        limits: what to refuse.

    Raises:
        ImageError: the input cannot be read as an image.
        TypeError: the input is of a kind that :data:`ImageInput` does not name.
    """
    return _decoded(source, _encoded(source, limits or ImageLimits()), min_size, limits)


def _encoded(source: ImageInput, limits: ImageLimits) -> bytes | None:
    """Return the file's bytes, or ``None`` for a PIL image or an array."""
    if isinstance(source, Image.Image | np.ndarray):
        return None
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            f"an image is a path, bytes, a PIL image or a NumPy array, not {type(source).__name__}"
        )
    try:
        return read_file(Path(source), limits)
    except ImageError as error:
        raise ImageError(error.cause, printable_name(source)) from error


def _decoded(
    source: ImageInput,
    data: bytes | None,
    min_size: tuple[int, int] | None,
    limits: ImageLimits | None,
) -> DecodedImage:
    if isinstance(source, Image.Image):
        return decode_picture(source, limits)
    if isinstance(source, np.ndarray):
        return decode_picture(_picture_of(source), limits)
    try:
        return decode(data or b"", min_size=min_size, limits=limits)
    except ImageError as error:
        name = printable_name(source) if isinstance(source, str | os.PathLike) else ""
        raise ImageError(error.cause, name) from error


def read_file(path: Path, limits: ImageLimits) -> bytes:
    """Read a regular file of limited size.

    Raises:
        ImageError: missing, a folder, not a regular file, unreadable or too large.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("a folder, where one image is wanted")
        # A pipe or a device could block for ever or never end.
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("not a regular file")
        if status.st_size > limits.max_bytes:
            raise ImageError(
                f"the file has {status.st_size:,} bytes, the limit is "
                f"{limits.max_bytes:,} (ImageLimits.max_bytes)"
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except PermissionError as error:
        raise ImageError("no permission to read it") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ImageError(f"cannot be read: {reason or error}") from error


def _picture_of(array: NDArray[Any]) -> Image.Image:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in {2, 3} or (array.ndim == 3 and array.shape[2] not in {3, 4}):
        raise ImageError(
            f"an array of shape {array.shape}: give (H, W), (H, W, 3) or (H, W, 4); "
            "channels come last"
        )
    if array.size == 0:
        raise ImageError(f"an empty array of shape {array.shape}")
    if array.dtype == np.uint8:
        return Image.fromarray(np.ascontiguousarray(array))
    if array.dtype == np.uint16:
        return Image.fromarray((array / 257.0).round().astype(np.uint8))
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all():
            raise ImageError("an array with NaN or infinite values")
        if array.min() < 0 or array.max() > 1:
            raise ImageError(
                f"a floating-point array with values from {array.min():g} to {array.max():g}: "
                "give 0..1, or uint8 0..255"
            )
        return Image.fromarray((array * 255.0).round().astype(np.uint8))
    raise ImageError(f"an array of {array.dtype}: give uint8 0..255 or floating point 0..1")
