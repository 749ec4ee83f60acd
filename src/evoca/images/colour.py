"""Colours converted to 8-bit sRGB, as a browser shows them: profiles, gAMA, cHRM and cICP.

Sources: the PNG specification (third edition, section 11.3.2), ITU-T H.273 for the code
points, ITU-R BT.2100 for PQ and HLG, BT.2408 for the white of 203 cd/m2.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca.images.tiff import is_inverted, is_unsigned, white_point

if TYPE_CHECKING:
    from PIL import ImageCms

__all__ = [
    "IGNORED",
    "MAX_PROFILE_BYTES",
    "as_rgb",
    "describes_colours",
    "to_rgb",
    "to_srgb",
    "to_srgb_by_chunks",
]


def to_rgb(image: Image.Image) -> Image.Image:
    """Return a loaded picture as 8-bit RGB.

    Transparency becomes white. Pixels are taken for sRGB, CMYK for plain ink, as
    :func:`evoca.images.colour.to_srgb` leaves them where there is no profile.

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
    """Return whether this is a BMP whose fourth bytes are all 0, as many programs write."""
    return (
        image.format == "BMP"
        and image.mode == "RGBA"
        and image.getchannel("A").getextrema() == (0, 0)
    )


def _on_white(image: Image.Image) -> Image.Image:
    # La, grey with premultiplied alpha, converts only to LA.
    rgba = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def _grey_from_wide(image: Image.Image) -> Image.Image:
    """Return 16-bit, 32-bit and floating-point grey as 8 bits, by the range it uses."""
    stored = np.asarray(image)
    values = (stored.view(np.uint32) if is_unsigned(image) else stored).astype(np.float32)
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
    """Return the value of white.

    The range of a file of up to 16 bits is known. In 32-bit and floating-point files 0..1,
    0..255 and 0..65535 are all in use, so the smallest that contains the brightest pixel is
    taken. Values a little above 1 are the overshoot of a filter, not a nearly black 0..255.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return white_point(image) or 65535.0
    highest = float(values.max(initial=0.0, where=np.isfinite(values)))
    if image.mode == "F" and highest <= 2.0:
        return 1.0
    return next((top for top in (255.0, 65535.0) if highest <= top), highest)


_IGNORED = "colour information ignored: {} is not known"
_CLIPPED = "high dynamic range: what is brighter than paper white is shown white"

Floats = NDArray[np.float64]
_Curve = Callable[[Floats], Floats]

_D65 = (0.3127, 0.3290)
# Red, green and blue as x, y.
_BT709 = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_PRIMARIES = {
    1: _BT709,
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
_PAPER_WHITE, _PQ_PEAK, _HLG_PEAK = 203.0, 10_000.0, 1_000.0
_HIGH_RANGE = {16, 18}
# A gamma this close to sRGB's is taken for sRGB, as libpng does.
_CLOSE = 0.05
_ROWS = 256  # at a time, so that a large picture is never floating point as a whole


def describes_colours(image: Image.Image) -> bool:
    """Return whether cICP or gAMA define the colours of a PNG, and no stronger chunk does.

    The order is that of the specification: cICP, iCCP, sRGB, then gAMA with cHRM.
    """
    info = image.info
    if "cicp" in info:
        return True
    return "gamma" in info and not ("srgb" in info or info.get("icc_profile"))


def to_srgb_by_chunks(image: Image.Image) -> tuple[Image.Image, str | None]:
    """Return a picture for which :func:`describes_colours` holds in sRGB.

    Args:
        image: loaded, of any mode.

    Returns:
        The image itself where it is in sRGB already or its colours are unknown, else a new
        one of mode RGB or RGBA; and a note where the reader must know something.
    """
    if "cicp" in image.info:
        primaries, transfer, matrix, full = image.info["cicp"]
        if primaries not in _PRIMARIES or transfer not in _CURVES or matrix or full != 1:
            return image, _IGNORED.format(f"cICP {primaries}/{transfer}/{matrix}/{full}")
        note = _CLIPPED if transfer in _HIGH_RANGE else None
        return _converted(image, _CURVES[transfer], _to_bt709(_PRIMARIES[primaries], _D65)), note
    gamma = float(image.info["gamma"])
    if not 0.01 <= gamma <= 10:
        return image, _IGNORED.format(f"a gamma of {gamma:g}")
    matrix = _by_chromaticity(image)
    if matrix is None and abs(gamma * 2.2 - 1) <= _CLOSE:
        return image, None
    return _converted(image, _power(1 / gamma), matrix), None


def _converted(image: Image.Image, curve: _Curve, matrix: Floats | None) -> Image.Image:
    if curve is _srgb and matrix is None:
        return image
    wide = image.mode.startswith(("I", "F"))
    has_alpha = image.has_transparency_data and not wide
    straight = to_rgb(image) if wide else image.convert("RGBA" if has_alpha else "RGB")
    light = curve(np.linspace(0.0, 1.0, 256))
    if matrix is None:
        converted = straight.convert("RGB").point(_encoded(light).tolist() * 3)
    else:
        pixels = np.array(straight.convert("RGB"))
        for top in range(0, len(pixels), _ROWS):
            part = light.astype(np.float32)[pixels[top : top + _ROWS]]
            pixels[top : top + _ROWS] = _encoded(part @ matrix.T.astype(np.float32))
        converted = Image.fromarray(pixels)
    if has_alpha:
        converted.putalpha(straight.getchannel("A"))
    return converted


def _encoded(light: NDArray[Any]) -> NDArray[np.uint8]:
    """Return linear light 0..1 as sRGB 0..255."""
    light = np.clip(light, 0.0, 1.0)
    coded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray((coded * 255.0).round(), dtype=np.uint8)


def _srgb(coded: Floats) -> Floats:
    return np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def _bt1886(coded: Floats) -> Floats:
    return np.asarray(coded**2.4)


def _linear(coded: Floats) -> Floats:
    return coded


def _power(exponent: float) -> _Curve:
    return lambda coded: np.asarray(coded**exponent)


def _pq(coded: Floats) -> Floats:
    powered = coded ** (1 / 78.84375)
    light = np.clip(powered - 0.8359375, 0, None) / (18.8515625 - 18.6875 * powered)
    return np.asarray(light ** (1 / 0.1593017578125) * _PQ_PEAK / _PAPER_WHITE)


def _hlg(coded: Floats) -> Floats:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(coded <= 0.5, coded**2 / 3, (np.exp((coded - c) / a) + b) / 12)
    return np.asarray(scene**1.2 * _HLG_PEAK / _PAPER_WHITE)


_CURVES: dict[int, _Curve] = {
    1: _bt1886,
    4: _power(2.2),
    5: _power(2.8),
    6: _bt1886,
    8: _linear,
    13: _srgb,
    14: _bt1886,
    15: _bt1886,
    16: _pq,
    18: _hlg,
}


def _by_chromaticity(image: Image.Image) -> Floats | None:
    """Return the matrix of a chunk cHRM; ``None`` without a valid one."""
    numbers = image.info.get("chromaticity")
    if not isinstance(numbers, tuple) or len(numbers) != 8:
        return None
    (wx, wy), *primaries = zip(numbers[::2], numbers[1::2], strict=True)
    try:
        return _to_bt709(tuple(primaries), (wx, wy))
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None


def _to_bt709(
    primaries: tuple[tuple[float, float], ...], white: tuple[float, float]
) -> Floats | None:
    """Return the (3, 3) matrix to the primaries of sRGB; ``None`` where they are these.

    White stays white, whatever its chromaticity: viewers adapt to it.
    """
    ours, theirs = _to_xyz(_BT709, _D65), _to_xyz(primaries, white)
    # Adaptation of the white by scaling in the space of the cones (Bradford).
    cones = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    scale = (cones @ ours.sum(axis=1)) / (cones @ theirs.sum(axis=1))
    matrix: Floats = np.linalg.inv(ours) @ np.linalg.inv(cones) @ np.diag(scale) @ cones @ theirs
    if not np.isfinite(matrix).all():
        return None
    return None if np.allclose(matrix, np.eye(3), atol=5e-3) else matrix


def _to_xyz(primaries: tuple[tuple[float, float], ...], white: tuple[float, float]) -> Floats:
    def lifted(x: float, y: float) -> list[float]:
        return [x / y, 1.0, (1 - x - y) / y]

    columns = np.array([lifted(x, y) for x, y in primaries]).T
    return np.asarray(columns * np.linalg.solve(columns, np.array(lifted(*white))))


IGNORED = "colour profile ignored: damaged or of another kind of picture"
"""The note on a picture whose profile cannot be used; its pixels are taken for sRGB."""

MAX_PROFILE_BYTES = 8 * 1024 * 1024
"""The largest ICC profile that is read: those of presses are tables of 0.5 to 3 MB."""
_CACHED = 8  # transforms; a folder of photographs has few cameras
_SPACE = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}
_OF_PICTURES = {"scnr", "mntr", "prtr", "spac"}  # not links between devices or names of inks
# An sRGB profile of another maker differs by the rounding of its curves.
_SAME = 2


def to_srgb(image: Image.Image) -> tuple[Image.Image, str | None]:
    """Return a picture in sRGB, by its embedded ICC profile, or by a PNG's cICP or gAMA.

    Transparency is kept. Profiles do not change 16-bit, 32-bit and floating-point grey.

    Args:
        image: a loaded PIL image of any mode.

    Returns:
        The image itself where its colours are not defined, sRGB or invalid, else a new one of
        mode RGB or RGBA; and a note, such as :data:`IGNORED`, where something was not used.
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
        return (image if transform is None else _by_profile(image, mode, transform)), None
    except MemoryError:
        raise
    except Exception:  # of LittleCMS and Pillow: without the profile the picture is still good
        return image, IGNORED


def _is_wide(image: Image.Image) -> bool:
    return image.mode.startswith(("I", "F"))


def _is_grey(image: Image.Image) -> bool:
    return image.mode in {"1", "L", "LA", "La"}


def _by_profile(
    image: Image.Image, mode: str, transform: ImageCms.ImageCmsTransform
) -> Image.Image:
    if not image.has_transparency_data:
        return transform.apply(image if image.mode == mode else image.convert(mode))
    # La, grey with premultiplied alpha, converts only to LA.
    straight = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    colours = transform.apply(straight.convert("RGB").convert(mode))
    colours.putalpha(straight.getchannel("A"))
    return colours


@lru_cache(maxsize=_CACHED)
def _transform(profile: bytes) -> tuple[str, ImageCms.ImageCmsTransform | None]:
    """Return the PIL mode of a profile and its transform to sRGB, ``None`` if it is sRGB.

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
    """Return whether a transform leaves a cube of colours unchanged."""
    steps = np.linspace(0, 255, 18).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 18, 3)
    sample = Image.fromarray(cube).convert(mode)
    before = np.asarray(sample.convert("RGB"), dtype=np.int16)
    after = np.asarray(transform.apply(sample), dtype=np.int16)
    return int(np.abs(after - before).max()) <= _SAME


def as_rgb(image: Image.Image) -> tuple[Image.Image, str | None]:
    """Return a picture as 8-bit sRGB on white, and the note of :func:`to_srgb`.

    Args:
        image: a loaded PIL image of any mode.

    Raises:
        ValueError: the mode has no conversion to RGB.
    """
    converted, note = to_srgb(image)
    return to_rgb(converted), note
