"""Options of the system that predicts more than emotions."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models.base import Dropout, Network

__all__ = ["MultiTask"]

_Rating = Annotated[float, Field(allow_inf_nan=False)]


class MultiTask(Network):
    """One trunk with a head for valence and arousal, and one for emotions where wanted.

    Attributes:
        system: its name.
        stages: ``last`` uses the final map; ``all`` joins the maps of all stages.
        emotions: whether there is a head for emotions; without one, a run cannot become a
            model bundle, whose labels are emotions.
        affect_range: lowest and highest rating of the scale of the data, such as 1 and 7;
            predictions lie within.
        hidden: units of a layer with a ReLU that the heads share; 0 for none.
        dropout: of the vector that the heads see.
    """

    system: Literal["multi_task"]
    stages: Literal["last", "all"] = "all"
    emotions: bool = True
    affect_range: tuple[_Rating, _Rating]
    hidden: Annotated[int, Field(ge=0, le=100_000)] = 0
    dropout: Dropout = 0.0

    @model_validator(mode="after")
    def _range_rises(self) -> Self:
        if not self.affect_range[0] < self.affect_range[1]:
            raise ValueError("affect_range: the lowest rating, then the highest")
        return self

    def in_words(self, backbone: Backbone) -> list[str]:
        """Say which maps are averaged, and what is predicted from them."""
        maps = "all stages, each" if self.stages == "all" else "the last stage,"
        low, high = self.affect_range
        heads = "emotions, and one for valence" if self.emotions else "valence"
        shared = f"; a shared layer of {self.hidden} with ReLU" if self.hidden else ""
        lines = [
            f"Averaged maps of {maps} normalised{shared}; a layer for {heads} and arousal on "
            f"{low:g} to {high:g}."
        ]
        return [*lines, f"Dropout {self.dropout:g} before the layers."] if self.dropout else lines

    def no_bundle(self) -> str | None:
        """Say why, where nothing is known of emotions."""
        if self.emotions:
            return None
        return (
            "it learns no emotions, and the labels of a bundle are emotions; with "
            "model.emotions=true and images that have labels it can be"
        )
