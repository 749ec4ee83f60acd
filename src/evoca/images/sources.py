"""The inputs that are accepted as images, loaded in one form."""

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

from evoca.errors import ImageError, single_line
from evoca.images.arrays import picture_of_array
from evoca.images.decode import DecodedImage, ImageLimits, decode, decode_picture
from evoca.images.preprocess import Preprocessing, shrunk
from evoca.images.screening import screen
from evoca.images.walk import backslash_hint, printable_name

__all__ = [
    "ONE_IMAGE",
    "ImageInput",
    "LoadedImage",
    "load_image",
    "open_picture",
    "open_without_waiting",
    "pixels_of",
    "read_file",
]

ImageInput: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | NDArray[Any]
)
"""A path, an encoded file's bytes, a PIL image, or an array of shape (H, W), (H, W, 3)
or (H, W, 4): uint8 0..255, uint16 0..65535, or floating point 0..1."""


ONE_IMAGE = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image, np.ndarray)
"""The types of :data:`ImageInput`, to tell one image from several."""


@dataclass(frozen=True)
class LoadedImage:
    """An input, decoded and resized for one model.

    Attributes:
        pixels: uint8 (height, width, 3), RGB, at the model's input size.
        size: (width, height) of the picture in pixels, after orientation.
        sha256: of the encoded bytes; ``None`` for PIL images and arrays.
        warnings: what a reader should know about this input.
        picture: as decoded, shrunk; ``None`` unless ``picture_side`` was given.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    sha256: str | None
    warnings: tuple[str, ...]
    picture: Image.Image | None = None


def load_image(
    source: ImageInput,
    preprocessing: Preprocessing,
    limits: ImageLimits | None = None,
    *,
    picture_side: int | None = None,
) -> LoadedImage:
    """Return one input, decoded, upright and resized for a model.

    Args:
        source: any input.
        preprocessing: of the model.
        limits: what to refuse.
        picture_side: keep the decoded picture too, its longer side at most this many
            pixels. A JPEG is decoded no larger than the model needs.

    Raises:
        ImageError: the input cannot be read as an image; its ``source`` is the
            printable path where there is one.
        TypeError: the input is of a kind that :data:`ImageInput` does not name.
    """
    limits = limits or ImageLimits()
    data = _encoded(source, limits)
    decoded = _decoded(source, data, preprocessing.decode_size, limits)
    pixels = preprocessing(decoded.image)
    return LoadedImage(
        pixels=pixels,
        size=decoded.size,
        sha256=None if data is None else hashlib.sha256(data).hexdigest(),
        warnings=decoded.notes + screen(pixels),
        picture=None if picture_side is None else shrunk(decoded.image, picture_side),
    )


def pixels_of(
    source: ImageInput, preprocessing: Preprocessing, limits: ImageLimits | None = None
) -> NDArray[np.uint8]:
    """Return the pixels of :func:`load_image`, without its warnings.

    Training loads a picture in every epoch and does not use the warnings.

    Args:
        source: any input.
        preprocessing: of the model.
        limits: what to refuse.

    Returns:
        uint8 (height, width, 3), RGB.

    Raises:
        ImageError: as :func:`load_image` does.
        TypeError: as :func:`load_image` does.
    """
    limits = limits or ImageLimits()
    data = _encoded(source, limits)
    return preprocessing(_decoded(source, data, preprocessing.decode_size, limits).image)


def open_picture(
    source: ImageInput,
    *,
    min_size: tuple[int, int] | None = None,
    limits: ImageLimits | None = None,
) -> DecodedImage:
    """Return one input, decoded and upright, as :func:`load_image` does, without resizing.

    Args:
        source: any input.
        min_size: (width, height) that a scaled JPEG decode must not fall below.
        limits: what to refuse.

    Raises:
        ImageError: the input cannot be read as an image.
        TypeError: the input is of a kind that :data:`ImageInput` does not name.
    """
    limits = limits or ImageLimits()
    return _decoded(source, _encoded(source, limits), min_size, limits)


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
    limits: ImageLimits,
) -> DecodedImage:
    if isinstance(source, Image.Image):
        return decode_picture(source, limits)
    if isinstance(source, np.ndarray):
        return decode_picture(picture_of_array(source, limits), limits)
    try:
        return decode(data or b"", min_size=min_size, limits=limits)
    except ImageError as error:
        name = printable_name(source) if isinstance(source, str | os.PathLike) else ""
        raise ImageError(error.cause, name) from error


def read_file(path: Path, limits: ImageLimits) -> bytes:
    """Return the content of a regular file of limited size.

    Raises:
        ImageError: missing, a folder, not a regular file, unreadable, too large, or of
            another size than the system reports.
    """
    try:
        _refuse_unfit(path.stat())  # without opening it, since that may affect a device
        with open(path, "rb", opener=open_without_waiting) as file:
            status = os.fstat(file.fileno())
            _refuse_unfit(status)  # the path may be another file by now
            limits.check_bytes(status.st_size)
            data = file.read(status.st_size + 1)
    except ImageError:  # is a ValueError too
        raise
    except FileNotFoundError as error:
        raise ImageError(f"no such file{backslash_hint(str(path))}") from error
    except PermissionError as error:
        raise ImageError("no permission to read it") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ImageError(f"cannot be read: {single_line(reason or str(error))}") from error
    if len(data) != status.st_size:
        raise ImageError(
            "its size is not what the system says: still being written, or not a file on a disk"
        )
    return data


def _refuse_unfit(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ImageError("a folder, where one image is wanted")
    # A pipe or a device could block for ever or never end.
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a regular file")


def open_without_waiting(path: str, flags: int) -> int:
    """Open a file as ``os.open`` does, a pipe or device too without waiting for the other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
