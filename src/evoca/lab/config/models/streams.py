"""Options of the AlexNets with hidden layers, and of those that attend to places."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models.base import Dropout, Network

__all__ = ["HIDDEN", "Streams"]

HIDDEN = (4096, 4096)
"""Units of AlexNet's sixth and seventh layer."""


class Streams(Network):
    """A backbone up to its fully connected layers, alone or beside one that attends.

    Attributes:
        system: its name.
        attention: ``none``: a single stream; ``scale``: a second stream, of its own
            weights, whose places are multiplied by weights of sum 1 (agarwal2019, section
            2.2.1); ``sum``: whose places are summed with such weights (section 1.2.1).
        rescale: for ``scale``: multiply by the number of places too, so that the features
            keep their size.
        places: the last map has at most so many places along each side, as AlexNet's has 6;
            a larger one is averaged.
        hidden: units of the fully connected layers, new in each stream; ``backbone``: those
            that the backbone was trained with, none where it has none; ``backbone_or_new``:
            where it has none, new ones of 4096 and 4096. What follows a sum is always new.
        dropout: before each fully connected layer but the last.
    """

    system: Literal["streams"]
    attention: Literal["none", "scale", "sum"] = "none"
    rescale: bool = False
    places: Annotated[int, Field(ge=1, le=64)] = 6
    hidden: (
        Literal["backbone", "backbone_or_new"]
        | Annotated[tuple[Annotated[int, Field(ge=1, le=100_000)], ...], Field(min_length=1)]
    ) = "backbone_or_new"
    dropout: Dropout = 0.5

    @model_validator(mode="after")
    def _rescales_what_is_scaled(self) -> Streams:
        if self.rescale and self.attention != "scale":
            raise ValueError("rescale: of attention: scale alone, which makes the features small")
        return self

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on the streams, the attention, and the new layers."""
        ways = {
            "none": "One stream: the last map, flattened.",
            "scale": (
                "Two streams, each with weights of its own, on the same picture. In the second, "
                "every place of the last map is multiplied by its attention, a softmax over the "
                "places" + (" times their number" if self.rescale else "") + "."
            ),
            "sum": (
                "Two streams, each with weights of its own, on the same picture. In the second, "
                "the places of the last map are summed with their attention: a softmax over the "
                "places of a tanh layer's product with a learnt context."
            ),
        }
        most = f"A map of more than {self.places} x {self.places} places is averaged to so many."
        joined = "" if self.attention == "none" else " on both streams side by side"
        return [
            ways[self.attention],
            f"Then {self._layers(backbone)}a layer with one unit per label{joined}. {most}",
        ]

    def _layers(self, backbone: Backbone) -> str:
        dropout = f"dropout {self.dropout:g} before each" if self.dropout else "no dropout"
        how = f" with ReLU ({dropout}), and "
        if isinstance(self.hidden, tuple):
            return f"new layers of {' and '.join(map(str, self.hidden))}{how}"
        if backbone.dense:
            return f"the backbone's own {' and '.join(backbone.dense)}{how}"
        if self.hidden == "backbone":
            return ""
        return f"new layers of {' and '.join(map(str, HIDDEN))}{how}"
