"""Any PIL mode to 8-bit RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca.images.tiff import is_inverted, white_point

__all__ = ["to_rgb"]


def to_rgb(image: Image.Image) -> Image.Image:
    """Bring a loaded picture to 8-bit RGB.

    Transparency is laid on white. Pixels are taken for sRGB, CMYK for plain ink, as
    :func:`evoca.images.profiles.to_srgb` leaves them where there is no profile.

    Args:
        image: a loaded PIL image of any mode.

    Returns:
        The image itself where it is RGB already, else a new one.

    Raises:
        ValueError: the mode has no conversion to RGB.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _grey_from_wide(image)
    if image.has_transparency_data and not _alpha_is_unused(image):
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _alpha_is_unused(image: Image.Image) -> bool:
    """Whether this is a BMP that leaves its fourth byte 0, as many programs do."""
    return (
        image.format == "BMP"
        and image.mode == "RGBA"
        and image.getchannel("A").getextrema() == (0, 0)
    )


def _on_white(image: Image.Image) -> Image.Image:
    # La, grey with premultiplied alpha, converts to nothing but LA.
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def _grey_from_wide(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and floating-point grey to 8 bits by the range it uses."""
    values = np.asarray(image).astype(np.float32)
    transparent = image.info.get("transparency")
    holes = values == transparent if isinstance(transparent, int) else None
    top = _white_point(image, values)
    np.nan_to_num(values, copy=False, nan=0.0, posinf=top, neginf=0.0)
    values.clip(0.0, top, out=values)
    values *= 255.0 / top
    if is_inverted(image):
        np.subtract(255.0, values, out=values)
    grey = values.round(out=values).astype(np.uint8)
    if holes is not None:
        grey[holes] = 255
    return Image.fromarray(grey).convert("RGB")


def _white_point(image: Image.Image, values: NDArray[np.float32]) -> float:
    """Return the value that stands for white.

    A file of up to 16 bits says its range. In 32-bit and floating-point files 0..1, 0..255 and
    0..65535 are all in use, so the smallest that holds the brightest pixel is taken. What
    is a little above 1 is the overshoot of a filter, not a nearly black 0..255.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return white_point(image) or 65535.0
    highest = float(values.max(initial=0.0, where=np.isfinite(values)))
    if image.mode == "F" and highest <= 2.0:
        return 1.0
    return next((top for top in (255.0, 65535.0) if highest <= top), highest)
