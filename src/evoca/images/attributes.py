"""Attributes of a picture, to find the kinds of pictures that a model gets wrong.

Sreenivas et al. 2018 sorted their confusions by hand: many were black-and-white, warm red
close-ups, faces, or had text in them. Here rules find the same. Their thresholds were set on
1,245 research photographs (600 of FI, 645 of OASIS), by viewing the pictures that they flag:

- greyscale: 108, all without visible colour
- toned: 23; 17 are prints in one tone or drawings, and six show things without colour, such as
  snow or cotton; sepia prints with strong JPEG noise are missed
- warm: 88, mostly fire, sunsets, red cloth, and faces in warm light; brown wood and fur count too
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evoca.images.boxes import Box, covered_share
from evoca.images.detectors import Detectors, installed_detectors
from evoca.images.sources import ImageInput, open_picture

__all__ = ["Attributes", "Tone", "attributes_of", "brightness_of", "tone_of", "warm_share_of"]

Tone = Literal["colour", "greyscale", "toned"]

_DECODE = (1024, 1024)  # JPEG at reduced scale is not decoded below this
_SIDE = 128  # colours are measured at this side, which averages JPEG noise
_QUANTILE = (
    0.99  # a few coloured pixels, such as noise or a small mark, do not make a colour picture
)
_GREY_CHROMA = 6.0
_TONED_SPREAD = 5.0
_LUMA_BINS = 16
_WARM_FROM, _WARM_TO = 335.0, 45.0  # degrees of hue, through red
_WARM_SATURATION, _WARM_VALUE = 0.4, 0.2
_WARM_SHARE = 0.5


@dataclass(frozen=True)
class Attributes:
    """Attributes of a picture.

    Attributes:
        tone: ``greyscale`` without colour, ``toned`` in shades of one colour (sepia, a
            cyanotype), else ``colour``.
        warm_share: share 0..1 of the picture in saturated red, orange or amber.
        faces: boxes of faces; ``None`` where faces were not searched for.
        text: boxes of lines of readable text; ``None`` where text was not searched for.
    """

    tone: Tone
    warm_share: float
    faces: tuple[Box, ...] | None = None
    text: tuple[Box, ...] | None = None

    @property
    def monochrome(self) -> bool:
        """Whether it is greyscale or toned."""
        return self.tone != "colour"

    @property
    def warm_toned(self) -> bool:
        """Whether warm colours cover at least half of the picture."""
        return self.warm_share >= _WARM_SHARE

    @property
    def face_share(self) -> float | None:
        """The share 0..1 of the picture inside boxes of faces; ``None`` where not searched."""
        return None if self.faces is None else covered_share(self.faces)

    @property
    def text_share(self) -> float | None:
        """The share 0..1 of the picture inside boxes of text; ``None`` where not searched."""
        return None if self.text is None else covered_share(self.text)


def attributes_of(image: ImageInput, detectors: Detectors | None = None) -> Attributes:
    """Return the attributes of a picture.

    Args:
        image: any input.
        detectors: of faces and text; those that are installed (extra ``vision``) if
            omitted.

    Raises:
        ImageError: the input cannot be read as an image.

    >>> attributes_of(Image.new("RGB", (64, 64), "grey"), Detectors()).tone
    'greyscale'
    """
    used = installed_detectors() if detectors is None else detectors
    picture = open_picture(image, min_size=_DECODE).image
    return Attributes(
        tone=tone_of(picture),
        warm_share=warm_share_of(picture),
        faces=None if used.faces is None else used.faces(picture),
        text=None if used.text is None else used.text(picture),
    )


def tone_of(picture: Image.Image) -> Tone:
    """Return whether a picture is without colour, in shades of one colour, or in colours.

    Chroma is the distance from grey in the CbCr plane of ITU-R BT.601, 0 to about 128. A
    toned picture has one chroma at each brightness: 99% of its pixels lie within 5 of the
    mean chroma of their brightness (16 bins). Greyscale: 99% lie within 6 of grey.

    Args:
        picture: mode ``RGB``.
    """
    pixels = np.asarray(_small(picture).convert("YCbCr"), dtype=np.float64).reshape(-1, 3)
    chroma = pixels[:, 1:] - 128.0
    if _radius(chroma) <= _GREY_CHROMA:
        return "greyscale"
    bins = (pixels[:, 0] * _LUMA_BINS / 256.0).astype(np.int64)
    count = np.maximum(np.bincount(bins, minlength=_LUMA_BINS), 1)
    sums = [np.bincount(bins, axis, _LUMA_BINS) for axis in chroma.T]
    mean = np.stack(sums, axis=1) / count[:, None]
    return "toned" if _radius(chroma - mean[bins]) <= _TONED_SPREAD else "colour"


def brightness_of(picture: Image.Image) -> float:
    """Return the mean brightness of a picture, 0 (black) to 1 (white): luma of ITU-R BT.601.

    Args:
        picture: mode ``RGB``.

    >>> brightness_of(Image.new("RGB", (64, 64), "white"))
    1.0
    """
    return float(np.asarray(_small(picture).convert("L"), dtype=np.float64).mean() / 255)


def warm_share_of(picture: Image.Image) -> float:
    """Return the share 0..1 of a picture in saturated red, orange or amber.

    Hue 335 to 45 degrees, saturation at least 0.4, value at least 0.2 (HSV).

    Args:
        picture: mode ``RGB``.
    """
    pixels = np.asarray(_small(picture).convert("HSV"), dtype=np.float64).reshape(-1, 3)
    hue = pixels[:, 0] * 360.0 / 256.0
    warm = (hue >= _WARM_FROM) | (hue <= _WARM_TO)
    strong = (pixels[:, 1] >= _WARM_SATURATION * 255) & (pixels[:, 2] >= _WARM_VALUE * 255)
    return float((warm & strong).mean())


def _small(picture: Image.Image) -> Image.Image:
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX, reducing_gap=None)
    return small


def _radius(points: NDArray[np.float64]) -> float:
    return float(np.quantile(np.hypot(points[:, 0], points[:, 1]), _QUANTILE))
