"""Options of features that are computed by hand-made rules rather than by a network."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models.base import Options, Pretrained, TrainedBy

__all__ = ["Colour", "Descriptors", "Hog", "SiftWords"]

_MOST_COLOURS = 1024  # each is a map as large as the picture while a bundle counts


class Descriptors(Options):
    """What all of them share: no backbone, no weights, no map."""

    trained_by: ClassVar[TrainedBy] = "head"

    def section(self, record_of: Callable[[Pretrained], Backbone]) -> tuple[str, list[str]]:
        """Return the heading and the sentences that explain them."""
        del record_of
        return "Features", self.in_words()

    @abstractmethod
    def in_words(self) -> list[str]:
        """Return sentences on the features, for ``evoca recipes show``."""


class Hog(Descriptors):
    """Histograms of oriented gradients (Dalal & Triggs 2005).

    Attributes:
        system: its name.
        orientations: bins over 180 degrees.
        cell: side in pixels.
        block: side in cells; blocks overlap and are normalised (L2-Hys).
    """

    system: Literal["hog"]
    orientations: Annotated[int, Field(ge=2, le=36)] = 9
    cell: Annotated[int, Field(ge=4, le=64)] = 16
    block: Annotated[int, Field(ge=1, le=4)] = 2

    def in_words(self) -> list[str]:
        """Return a sentence with the sizes."""
        return [
            f"Histograms of {self.orientations} orientations of gradients in cells of "
            f"{self.cell} x {self.cell} pixels, normalised in blocks of "
            f"{self.block} x {self.block} cells."
        ]


class Colour(Descriptors):
    """Colour histograms and local binary patterns, in each cell of a grid.

    Attributes:
        system: its name.
        bins: of hue, saturation and value, jointly (Swain & Ballard 1991); at most 1024
            colours.
        grid: rows and columns of the cells, beside the whole picture.
    """

    system: Literal["colour"]
    bins: tuple[
        Annotated[int, Field(ge=1, le=32)],
        Annotated[int, Field(ge=1, le=32)],
        Annotated[int, Field(ge=1, le=32)],
    ] = (8, 4, 4)
    grid: Annotated[int, Field(ge=1, le=8)] = 2

    @field_validator("bins")
    @classmethod
    def _can_be_counted(cls, bins: tuple[int, int, int]) -> tuple[int, int, int]:
        if prod(bins) > _MOST_COLOURS:
            raise ValueError(f"{prod(bins)} colours; at most {_MOST_COLOURS} are counted")
        return bins

    def in_words(self) -> list[str]:
        """Return a sentence on what is counted where."""
        bins = " x ".join(map(str, self.bins))
        return [
            f"Histograms of {bins} hues, saturations and values, and of uniform local binary "
            f"patterns of 8 neighbours, of the whole picture and of {self.grid} x {self.grid} "
            "cells; square roots of the shares."
        ]


class SiftWords(Descriptors):
    """SIFT descriptors on a grid as a bag of visual words (Csurka et al. 2004).

    Attributes:
        system: its name.
        words: of the dictionary, which is learnt from a fold's training images alone.
        step: pixels between descriptors.
        diameter: of a descriptor's area, in pixels.
    """

    system: Literal["sift_words"]
    words: Annotated[int, Field(ge=2, le=10_000)] = 300
    step: Annotated[int, Field(ge=4, le=64)] = 16
    diameter: Annotated[float, Field(ge=4, le=128)] = 24.0

    def visual_words(self) -> int:
        """Return the size of the dictionary."""
        return self.words

    def in_words(self) -> list[str]:
        """Return a sentence on what is counted."""
        return [
            f"SIFT descriptors every {self.step} pixels, {self.diameter:g} across, counted by the "
            f"nearest of {self.words} words; square roots of the shares. The words are k-means "
            "centres of a fold's training images alone.",
        ]
