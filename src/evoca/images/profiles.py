"""Colours by the profile a picture carries: Adobe RGB, Display P3 or a press's CMYK to sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from evoca.images.transfer import describes_colours, to_srgb_by_chunks

if TYPE_CHECKING:
    from PIL import ImageCms

__all__ = ["IGNORED", "MAX_PROFILE_BYTES", "to_srgb"]

IGNORED = "colour profile ignored: damaged or of another kind of picture"
"""The note on a picture whose profile cannot be used; its pixels are taken for sRGB."""

MAX_PROFILE_BYTES = 8 * 1024 * 1024
"""The largest ICC profile that is read: those of presses are tables of 0.5 to 3 MB."""
_KEPT = 8  # transforms; a folder of photographs has few cameras
_SPACE = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}
_OF_PICTURES = {"scnr", "mntr", "prtr", "spac"}  # not links between devices or names of inks
# An sRGB profile of another maker differs by the rounding of its curves.
_SAME = 2


def to_srgb(image: Image.Image) -> tuple[Image.Image, str | None]:
    """Convert a loaded picture by its embedded ICC profile, or by a PNG's cICP or gAMA.

    Transparency is kept. 16-bit, 32-bit and floating-point grey is left as it is by profiles.

    Args:
        image: a loaded PIL image of any mode.

    Returns:
        The image itself where it says nothing, sRGB or what cannot be used, else a new one
        of mode RGB or RGBA; and a note, such as :data:`IGNORED`, where something was not used.
    """
    if image.format == "PNG" and describes_colours(image):
        return to_srgb_by_chunks(image)
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile or _is_wide(image):
        return image, None
    try:
        mode, transform = _transform(profile)
        if (mode == "CMYK") != (image.mode == "CMYK") or (mode == "L" and not _is_grey(image)):
            return image, IGNORED
        return (image if transform is None else _converted(image, mode, transform)), None
    except MemoryError:
        raise
    except Exception:  # of LittleCMS and Pillow: without the profile the picture is still good
        return image, IGNORED


def _is_wide(image: Image.Image) -> bool:
    return image.mode.startswith(("I", "F"))


def _is_grey(image: Image.Image) -> bool:
    return image.mode in {"1", "L", "LA", "La"}


def _converted(image: Image.Image, mode: str, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    if not image.has_transparency_data:
        return transform.apply(image if image.mode == mode else image.convert(mode))
    # La, grey with premultiplied alpha, converts to nothing but LA.
    straight = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    colours = transform.apply(straight.convert("RGB").convert(mode))
    colours.putalpha(straight.getchannel("A"))
    return colours


@lru_cache(maxsize=_KEPT)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """Return the PIL mode a profile describes and its way to sRGB, ``None`` if it is sRGB.

    Raises:
        ValueError: too large, or not the profile of a picture.
        ImageCms.PyCMSError: damaged.
    """
    from PIL import ImageCms  # few pictures need it

    if len(profile) > MAX_PROFILE_BYTES:
        raise ValueError(f"a profile of {len(profile):,} bytes")
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if space not in _SPACE or source.profile.device_class not in _OF_PICTURES:
        raise ValueError(f"a profile of {space}, {source.profile.device_class}")
    mode = _SPACE[space]
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    return mode, None if mode != "CMYK" and _changes_nothing(transform, mode) else transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Try a transform on a cube of colours."""
    steps = np.linspace(0, 255, 18).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 18, 3)
    sample = Image.fromarray(cube).convert(mode)
    before = np.asarray(sample.convert("RGB"), dtype=np.int16)
    after = np.asarray(transform.apply(sample), dtype=np.int16)
    return int(np.abs(after - before).max()) <= _SAME
