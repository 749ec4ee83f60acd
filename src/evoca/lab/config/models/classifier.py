"""Options of the systems of the transfer-learning papers, and of the linear probe."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models.base import Dropout, Features, Network, TrainedBy

__all__ = ["Classifier", "LinearProbe", "Lora", "Skip", "StageEnsemble"]


class LinearProbe(Network):
    """A frozen backbone and a linear layer, which is fitted rather than trained in steps.

    Attributes:
        system: its name.
        stages: ``last`` uses the final map; ``all`` joins the maps of all stages.
        pool: the input of the layer: the ``mean`` of maps, whose evidence map is exact; the
            class ``token``; or the image's ``embedding`` beside which a text tower learnt.
    """

    trained_by: ClassVar[TrainedBy] = "head"
    system: Literal["linear_probe"] = "linear_probe"
    stages: Literal["last", "all"] = "all"
    pool: Literal["mean", "token", "embedding"] = "mean"

    @model_validator(mode="after")
    def _maps_are_averaged(self) -> Self:
        if self.pool != "mean" and self.stages == "all":
            raise ValueError(f"pool {self.pool} is of the last stage: set stages: last")
        return self

    def frozen_features(self) -> Features:
        """Return the input of the layer."""
        return Features(self.stages, self.pool)

    def has_exact_map(self) -> bool:
        """Whether the layer takes averaged maps."""
        return self.pool == "mean"

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return a sentence on the input of the layer."""
        if self.pool != "mean":
            seen = {
                "token": "class token",
                "embedding": "embedding, beside which texts were learnt",
            }
            return [f"One linear layer on a frozen backbone's {seen[self.pool]}."]
        maps = "all stages" if self.stages == "all" else "the last stage"
        return [f"Averaged maps of {maps} of a frozen backbone, and one linear layer."]


class Classifier(Network):
    """A backbone, its map as a vector, and fully connected layers.

    Attributes:
        system: its name.
        pool: how the map becomes a vector: ``mean`` over space, ``flatten``, the class
            ``token``; ``backbone`` is the backbone's own way.
        hidden: units of the layers before the last, each followed by a ReLU; the last has
            one unit per label.
        dropout: of the vector, before the first layer.
        channel_dropout: of whole channels, before the last convolution of each block of
            the last stage (najid2018, section III.C).
        enlarge: side in pixels to which the network first brings pictures that are smaller,
            bicubic; a captioner brings them to its own in any case.
    """

    system: Literal["classifier"]
    pool: Literal["backbone", "mean", "flatten", "token"] = "backbone"
    hidden: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = ()
    dropout: Dropout = 0.0
    channel_dropout: Dropout = 0.0
    enlarge: Annotated[int, Field(ge=32, le=2048)] | None = None

    def enlarged_side(self) -> int | None:
        """Return the side that the recipe states."""
        return self.enlarge

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on how the map becomes a vector, and on what follows."""
        pool = backbone.pool if self.pool == "backbone" else self.pool
        ways = {"mean": "averaged over space", "flatten": "flattened", "token": "the class token"}
        hidden = "".join(f"a layer of {units} with ReLU, " for units in self.hidden)
        lines = [f"The last map, {ways[pool]}; {hidden}a layer with one unit per label."]
        if self.dropout:
            lines.append(f"Dropout {self.dropout:g} before the first layer.")
        if self.channel_dropout:
            lines.append(f"Dropout {self.channel_dropout:g} of channels in the last stage.")
        return lines


class StageEnsemble(Network):
    """A softmax classifier on the pooled map of each stage, and their average.

    Attributes:
        system: its name.
        combine: ``average``: five learnt weights, positive and of sum 1; ``dense``: a
            layer on all branches' probabilities side by side.
    """

    system: Literal["stage_ensemble"]
    combine: Literal["average", "dense"] = "average"

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on how the branches are joined."""
        ways = {"average": "averaged with learnt weights", "dense": "joined by a layer"}
        return [f"A softmax classifier on each of five stages, {ways[self.combine]}."]


class Skip(Network):
    """The first three stages' maps, brought to the fourth's shape and added to it.

    Attributes:
        system: its name.
        gain: of the batch normalisation that ends each shortcut, at the start: 1 is what
            frameworks start with; 0 starts as the pretrained network, which small rates
            and few updates hardly leave, so that the shortcuts add nothing.
        dropout: of the vector, before the last layer.
    """

    system: Literal["skip"]
    gain: Annotated[float, Field(ge=0, le=1)] = 1.0
    dropout: Dropout = 0.0

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on the shortcuts."""
        return [
            "The maps of the first three stages added to the fourth's by 1 x 1 convolutions, "
            f"starting at a gain of {self.gain:g}; one linear layer."
        ]


class Lora(Classifier):
    """A classifier whose backbone stays as it is, with adapters of low rank beside layers.

    Attributes:
        system: its name.
        rank: r of the adapters.
        alpha: what they add is multiplied with alpha / r.
        adapter_dropout: of the adapters' input.
        targets: ends of the paths of the layers that get one, linear or convolutions.
    """

    system: Literal["lora"]  # type: ignore[assignment]
    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 16.0
    adapter_dropout: Dropout = 0.0
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("attn.qkv", "attn.proj")

    def extras(self) -> tuple[str, ...]:
        """Return the extra that has the adapters."""
        return ("baselines",)

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on the layers after the backbone, and on the adapters."""
        drop = f", dropout {self.adapter_dropout:g}" if self.adapter_dropout else ""
        return [
            *super().in_words(backbone),
            f"Adapters of rank {self.rank}, alpha {self.alpha:g}{drop}, beside "
            f"{' and '.join(self.targets)}; the export adds them to the weights.",
        ]
