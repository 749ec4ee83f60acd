"""Options of the systems that join low, middle and high levels of a network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from evoca.lab.config.backbone import STAGES, Backbone
from evoca.lab.config.models.base import Dropout, Network

__all__ = ["Mldr", "Recurrent"]

_Depth = Annotated[int, Field(ge=1, le=len(STAGES))]
_Side = Annotated[int, Field(ge=1, le=8)]


class Mldr(Network):
    """Networks of falling depth on ever smaller patches of the picture, averaged.

    Attributes:
        system: its name.
        depths: stages of the backbone that each network has, the first the most.
        sides: patches along each side of the picture, for each network: 1, 2 and 4 make 1,
            4 and 16 patches.
        instances: how the predictions of a picture's patches are joined: ``mean`` of their
            probabilities, or, for every label, the ``max``, brought to sum 1.
        dropout: of every network's vector, before its layer.
    """

    system: Literal["mldr"]
    depths: tuple[_Depth, _Depth, _Depth] = (5, 4, 2)
    sides: tuple[_Side, _Side, _Side] = (1, 2, 4)
    instances: Literal["mean", "max"] = "mean"
    dropout: Dropout = 0.0

    @model_validator(mode="after")
    def _deepest_first(self) -> Mldr:
        if self.depths[0] != len(STAGES):
            raise ValueError(f"depths: the first network is the whole backbone, {len(STAGES)}")
        return self

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on each network's patches, and on how they are joined."""
        pairs = zip(self.depths, self.sides, strict=True)
        networks = "; ".join(
            f"{depth} stages on {side * side} {'patches' if side > 1 else 'patch'}"
            for depth, side in pairs
        )
        ways = {"mean": "the mean", "max": "the largest, label by label,"}
        lines = [
            f"Three networks, each with weights of its own: {networks}. The last map of each, "
            "averaged over space; a layer with one unit per label.",
            f"Of a picture's patches, {ways[self.instances]} of the probabilities; then the "
            "average of the three networks.",
        ]
        if self.dropout:
            lines.append(f"Dropout {self.dropout:g} before each layer.")
        return lines


class Recurrent(Network):
    """The vectors of a backbone's stages as a sequence for a bidirectional GRU.

    Attributes:
        system: its name.
        width: numbers that every stage's vector is brought to.
        units: of the recurrent network, in each direction.
        dropout: of the recurrent network's output, before each stage's layer.
    """

    system: Literal["recurrent"]
    width: Annotated[int, Field(ge=1, le=4096)] = 128
    units: Annotated[int, Field(ge=1, le=4096)] = 128
    dropout: Dropout = 0.0

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on the sequence, and on how the predictions are joined."""
        lines = [
            f"Each of five stages' maps, averaged over space and brought to {self.width} numbers; "
            f"from the input upwards through a bidirectional GRU of {self.units} units; a softmax "
            "classifier on each, averaged with learnt weights.",
        ]
        if self.dropout:
            lines.append(f"Dropout {self.dropout:g} before each classifier.")
        return lines
