"""The section ``model`` of a recipe: one class a family of systems."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, field_validator

from evoca.lab.layered import Strict

__all__ = ["Classifier", "LinearProbe", "Model", "Network", "Skip", "StageEnsemble"]

Dropout = Annotated[float, Field(ge=0, lt=1)]


class Network(Strict):
    """What every system built on a backbone has.

    Attributes:
        backbone: a name, or the path of a backbone's ``.yaml`` file.
        weights: ``recorded``: those the backbone names; ``random``; or the path of a
            ``.safetensors`` file with the names of the library.
        without: paths of modules to leave out, such as a residual block that a file of
            weights lacks.
    """

    backbone: str
    weights: str = "recorded"
    without: tuple[str, ...] = ()

    @field_validator("weights")
    @classmethod
    def _known_source(cls, weights: str) -> str:
        if weights not in {"recorded", "random"} and not weights.endswith(".safetensors"):
            raise ValueError(f"{weights}: neither recorded, nor random, nor a .safetensors file")
        return weights


class LinearProbe(Network):
    """A frozen backbone and a linear layer, which is fitted rather than trained in steps.

    Attributes:
        system: its name.
        stages: ``last`` uses the final map; ``all`` joins the maps of all stages.
    """

    system: Literal["linear_probe"] = "linear_probe"
    stages: Literal["last", "all"] = "all"


class Classifier(Network):
    """A backbone, its map as a vector, and fully connected layers.

    Attributes:
        system: its name.
        pool: how the map becomes a vector: ``mean`` over space, ``flatten``, the class
            ``token``; ``backbone`` is the backbone's own way.
        hidden: units of the layers before the last, each followed by a ReLU; the last has
            one unit a label.
        dropout: of the vector, before the first layer.
        channel_dropout: of whole channels, before the last convolution of each block of
            the last stage (najid2018, section III.C).
    """

    system: Literal["classifier"]
    pool: Literal["backbone", "mean", "flatten", "token"] = "backbone"
    hidden: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = ()
    dropout: Dropout = 0.0
    channel_dropout: Dropout = 0.0


class StageEnsemble(Network):
    """A softmax classifier on the pooled map of each stage, and their average.

    Attributes:
        system: its name.
        combine: ``average``: five learnt weights, positive and of sum 1; ``dense``: a
            layer on all branches' probabilities side by side.
    """

    system: Literal["stage_ensemble"]
    combine: Literal["average", "dense"] = "average"


class Skip(Network):
    """The first three stages' maps, brought to the fourth's shape and added to it.

    Attributes:
        system: its name.
        gain: of the batch normalisation that ends each shortcut, at the start: 0 starts
            as the pretrained network, 1 is what PyTorch starts with.
        dropout: of the vector, before the last layer.
    """

    system: Literal["skip"]
    gain: Annotated[float, Field(ge=0, le=1)] = 0.0
    dropout: Dropout = 0.0


def _system(content: Any) -> str | None:
    if isinstance(content, Network):
        return str(getattr(content, "system", None))
    if isinstance(content, dict):
        return str(content.get("system", "linear_probe"))
    return None


Model: TypeAlias = Annotated[
    Annotated[LinearProbe, Tag("linear_probe")]
    | Annotated[Classifier, Tag("classifier")]
    | Annotated[StageEnsemble, Tag("stage_ensemble")]
    | Annotated[Skip, Tag("skip")],
    Discriminator(
        _system,
        custom_error_type="unknown_system",
        custom_error_message="system: one of linear_probe, classifier, stage_ensemble, skip",
    ),
]
"""Any of them, told apart by ``system``; ``linear_probe`` where none is named."""
