"""How a picture is changed each time it is shown, as data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evoca.lab.layered import Strict

__all__ = ["Augmentation", "Colour", "Crop", "Erase", "Mirror", "Rotate"]

Share = Annotated[float, Field(ge=0, le=1)]


class Mirror(Strict):
    """Left and right exchanged.

    Attributes:
        p: how often.
    """

    kind: Literal["mirror"]
    p: Share = 0.5


class Crop(Strict):
    """A window of the input size at a random place of a larger picture.

    Attributes:
        zoom: pictures are first brought to this many times the input size. Nothing is
            resampled twice.
    """

    kind: Literal["crop"]
    zoom: Annotated[float, Field(gt=1, le=4)] = 1.15


class Rotate(Strict):
    """A turn by a random angle, corners filled with the picture's mean colour.

    Attributes:
        degrees: largest angle to either side.
    """

    kind: Literal["rotate"]
    degrees: Annotated[float, Field(gt=0, le=180)] = 10.0


class Colour(Strict):
    """Random brightness, contrast and saturation, each by a factor from 1 - x to 1 + x.

    Changing colours may change what a picture evokes: use it with care.
    """

    kind: Literal["colour"]
    brightness: Share = 0.2
    contrast: Share = 0.2
    saturation: Share = 0.2


class Erase(Strict):
    """A random rectangle replaced by the picture's mean colour (Zhong et al. 2020).

    Attributes:
        p: how often.
        largest: area of the largest rectangle, as a share of the picture.
    """

    kind: Literal["erase"]
    p: Share = 0.25
    largest: Annotated[float, Field(gt=0, le=0.9)] = 0.2


Augmentation = Annotated[Mirror | Crop | Rotate | Colour | Erase, Field(discriminator="kind")]
"""One change drawn anew for every image and epoch; a step applies its list in order."""
