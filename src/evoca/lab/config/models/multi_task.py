"""Options of the system that predicts more than emotions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models.base import Dropout, Network
from evoca.lab.config.step import Step

__all__ = ["MultiTask"]

_Rating = Annotated[float, Field(allow_inf_nan=False)]


class MultiTask(Network):
    """One trunk with a head for valence and arousal, and one for emotions if requested.

    Attributes:
        system: its name.
        stages: ``last`` uses the final map; ``all`` joins the maps of all stages.
        emotions: whether there is a head for emotions; without one, a run cannot become a
            model bundle, whose labels are emotions.
        affect_range: lowest and highest rating of the scale of the data, such as 1 and 7;
            predictions lie within.
        norm: of each stage's vector: ``layer`` normalisation, or ``batch`` normalisation, which
            is linear once trained: without a hidden layer the evidence map of an emotion is
            then exactly additive.
        hidden: units of a layer with a ReLU that the heads share; 0 for none.
        dropout: of the heads' input vector.
    """

    takes_svm: ClassVar[bool] = False
    system: Literal["multi_task"]
    stages: Literal["last", "all"] = "all"
    emotions: bool = True
    affect_range: tuple[_Rating, _Rating]
    norm: Literal["layer", "batch"] = "layer"
    hidden: Annotated[int, Field(ge=0, le=100_000)] = 0
    dropout: Dropout = 0.0

    @model_validator(mode="after")
    def _range_rises(self) -> Self:
        if not self.affect_range[0] < self.affect_range[1]:
            raise ValueError("affect_range: the lowest rating, then the highest")
        return self

    def predicts_emotions(self) -> bool:
        """Whether there is a head for them."""
        return self.emotions

    def rating_scale(self) -> tuple[float, float]:
        """Return the lowest and highest valence and arousal."""
        return self.affect_range

    def check_steps(self, steps: Sequence[Step], *, head: bool) -> None:
        """Refuse steps that train nothing, or stop by a figure of emotions without them."""
        super().check_steps(steps, head=head)
        for step in () if self.emotions else steps:
            if not step.affect_weight:
                raise ValueError(f"step {step.name}: nothing to learn without affect_weight")
            if step.stop is not None and step.stop.metric != "loss":
                raise ValueError(f"step {step.name}: only the loss can stop it")

    def in_words(self, backbone: Backbone) -> list[str]:
        """Return sentences on which maps are averaged, and what is predicted from them."""
        maps = "all stages, each" if self.stages == "all" else "the last stage,"
        low, high = self.affect_range
        heads = "emotions, and one for valence" if self.emotions else "valence"
        shared = f"; a shared layer of {self.hidden} with ReLU" if self.hidden else ""
        how = " over the batch" if self.norm == "batch" else ""
        lines = [
            f"Averaged maps of {maps} normalised{how}{shared}; a layer for {heads} and arousal on "
            f"{low:g} to {high:g}."
        ]
        return [*lines, f"Dropout {self.dropout:g} before the layers."] if self.dropout else lines

    def no_bundle(self) -> str | None:
        """Return the reason where no emotions are predicted."""
        if self.emotions:
            return None
        return (
            "it learns no emotions, and the labels of a bundle are emotions; with "
            "model.emotions=true and images that have labels it can be"
        )
