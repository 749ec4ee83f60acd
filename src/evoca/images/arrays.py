"""NumPy arrays as pictures: unambiguous ones are converted, others are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca.errors import ImageError
from evoca.images.decode import ImageLimits

__all__ = ["picture_of_array"]

# Filters overshoot and float32 rounds; a picture in 0..255 exceeds this by far.
_TOLERANCE = 1e-3


def picture_of_array(array: NDArray[Any], limits: ImageLimits) -> Image.Image:
    """Return an array as a PIL image.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); uint8 0..255, uint16 0..65535 or
            floating point 0..1.
        limits: on the size of the picture.

    Returns:
        An 8-bit image of mode ``L``, ``RGB`` or ``RGBA`` with its own pixels.

    Raises:
        ImageError: another shape, type or range, NaN or infinite values, or too large.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in {2, 3} or (array.ndim == 3 and array.shape[2] not in {3, 4}):
        raise ImageError(
            f"an array of shape {array.shape}: give (H, W), (H, W, 3) or (H, W, 4); "
            "channels come last"
        )
    if array.size == 0:
        raise ImageError(f"an empty array of shape {array.shape}")
    height, width = array.shape[:2]
    limits.check_pixels((width, height))
    return Image.fromarray(_eight_bit(array))


def _eight_bit(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # of either byte order
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype.kind != "f":
        raise ImageError(f"an array of {array.dtype}: give uint8 0..255 or floating point 0..1")
    if not np.isfinite(array).all():
        raise ImageError("an array with NaN or infinite values")
    lowest, highest = float(array.min()), float(array.max())
    if lowest < -_TOLERANCE or highest > 1 + _TOLERANCE:
        raise ImageError(
            f"a floating-point array with values from {lowest:g} to {highest:g}: "
            "give 0..1, or uint8 0..255"
        )
    return (np.clip(array.astype(np.float32), 0.0, 1.0) * 255.0).round().astype(np.uint8)
