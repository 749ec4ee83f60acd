"""Changes of a picture that preserve its content, or nearly.

Each function takes an upright picture of mode ``RGB`` and returns another. To add one, write
such a function and a row in the table.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from evoca.images.preprocess import Preprocessing

__all__ = [
    "PERTURBATIONS",
    "Change",
    "Perturbation",
    "blur",
    "centre_crop",
    "greyscale",
    "jpeg",
    "perturbations_for",
    "resize_with",
    "rotate",
]

Change: TypeAlias = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class Perturbation:
    """A change with its parameters.

    Attributes:
        name: what is done, in words.
        apply: from an upright picture of mode ``RGB`` to another.
    """

    name: str
    apply: Change


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """Return a picture compressed as JPEG and decoded again.

    Args:
        picture: mode ``RGB``.
        quality: 1..95, as libjpeg counts.
    """
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=quality)
    with Image.open(target) as opened:
        return opened.convert("RGB")


def blur(picture: Image.Image, share: float) -> Image.Image:
    """Return a picture blurred with a Gaussian.

    Args:
        picture: mode ``RGB``.
        share: standard deviation as a share of the shorter side.
    """
    return picture.filter(ImageFilter.GaussianBlur(share * min(picture.size)))


def centre_crop(picture: Image.Image, area: float) -> Image.Image:
    """Return the middle of a picture, in the same aspect ratio.

    Args:
        picture: mode ``RGB``.
        area: share 0..1 of the picture's area that stays.
    """
    width, height = (max(1, round(side * math.sqrt(area))) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def greyscale(picture: Image.Image) -> Image.Image:
    """Return a picture without colour (luma of ITU-R BT.601)."""
    return picture.convert("L").convert("RGB")


def rotate(picture: Image.Image, degrees: int) -> Image.Image:
    """Return a picture turned counterclockwise, of the same size except for quarter turns.

    The corners are filled with the picture mirrored at its edges: blank corners would be
    another change.

    Args:
        picture: mode ``RGB``.
        degrees: a multiple of 90, or between -45 and 45.
    """
    if degrees % 90 == 0:
        return picture.rotate(degrees, expand=True)
    width, height = picture.size
    sine, cosine = abs(math.sin(math.radians(degrees))), math.cos(math.radians(degrees))
    # The frame that the turned picture fills, and two pixels for the filter.
    x = max(0, math.ceil((width * cosine + height * sine - width) / 2)) + 2
    y = max(0, math.ceil((height * cosine + width * sine - height) / 2)) + 2
    framed = np.pad(np.asarray(picture), ((y, y), (x, x), (0, 0)), mode="reflect")
    turned = Image.fromarray(framed).rotate(degrees, Image.Resampling.BICUBIC)
    return turned.crop((x, y, x + width, y + height))


def resize_with(
    picture: Image.Image, preprocessing: Preprocessing, method: Image.Resampling
) -> Image.Image:
    """Return a picture resized to a model's input with another filter than the model's.

    Args:
        picture: mode ``RGB``.
        preprocessing: of the model, which then has nothing left to resize.
        method: the filter.
    """
    target = (preprocessing.width, preprocessing.height)
    if preprocessing.resize == "cover":
        return ImageOps.fit(picture, target, method)
    return picture.resize(target, method, reducing_gap=3.0)


PERTURBATIONS: tuple[Perturbation, ...] = (
    *(Perturbation(f"JPEG quality {q}", partial(jpeg, quality=q)) for q in (90, 75, 50, 30, 10)),
    *(Perturbation(f"blur {s:.1%}", partial(blur, share=s)) for s in (0.005, 0.01, 0.02, 0.04)),
    *(Perturbation(f"crop to {a:.0%}", partial(centre_crop, area=a)) for a in (0.9, 0.75, 0.5)),
    Perturbation("greyscale", greyscale),
    Perturbation("mirror", ImageOps.mirror),
    *(
        Perturbation(f"rotate {d}", partial(rotate, degrees=d))
        for d in (-15, -5, 5, 15, 90, 180, 270)
    ),
)
"""The changes for all models. The size of a blur is its standard deviation in percent of the
shorter side; of a crop the remaining area; of a rotation the degrees, counterclockwise."""

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def perturbations_for(preprocessing: Preprocessing) -> tuple[Perturbation, ...]:
    """Return :data:`PERTURBATIONS` and the resize filters, which depend on the model.

    The model's own filter is among them. It moves no prediction, which shows that other filters
    cause the movement.
    """
    filters = (
        Perturbation(
            f"resize {name}", partial(resize_with, preprocessing=preprocessing, method=method)
        )
        for name, method in _FILTERS.items()
    )
    return (*PERTURBATIONS, *filters)
