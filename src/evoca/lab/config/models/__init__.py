"""The section ``model`` of a recipe: one class a family of systems, by ``system``."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Discriminator, Tag

from evoca.lab.config.models.base import Features, Network, Options, Pretrained
from evoca.lab.config.models.caption_text import CaptionText
from evoca.lab.config.models.classifier import Classifier, LinearProbe, Lora, Skip, StageEnsemble
from evoca.lab.config.models.descriptors import Colour, Descriptors, Hog, SiftWords
from evoca.lab.config.models.differential import Differential
from evoca.lab.config.models.mldr import Mldr, Recurrent
from evoca.lab.config.models.multi_task import MultiTask
from evoca.lab.config.models.streams import Streams
from evoca.lab.config.models.zero_shot import ZeroShot

__all__ = [
    "SYSTEMS",
    "CaptionText",
    "Classifier",
    "Colour",
    "Descriptors",
    "Differential",
    "Features",
    "Hog",
    "LinearProbe",
    "Lora",
    "Mldr",
    "Model",
    "MultiTask",
    "Network",
    "Options",
    "Pretrained",
    "Recurrent",
    "SiftWords",
    "Skip",
    "StageEnsemble",
    "Streams",
    "ZeroShot",
]

SYSTEMS = (
    "linear_probe",
    "classifier",
    "stage_ensemble",
    "skip",
    "streams",
    "mldr",
    "recurrent",
    "differential",
    "lora",
    "zero_shot",
    "hog",
    "colour",
    "sift_words",
    "multi_task",
    "caption_text",
)
"""What ``system`` may be; the first where a recipe names none."""


def _system(content: Any) -> str | None:
    if isinstance(content, BaseModel):
        return str(getattr(content, "system", None))
    if isinstance(content, dict):
        return str(content.get("system", SYSTEMS[0]))
    return None


Model: TypeAlias = Annotated[
    Annotated[LinearProbe, Tag("linear_probe")]
    | Annotated[Classifier, Tag("classifier")]
    | Annotated[StageEnsemble, Tag("stage_ensemble")]
    | Annotated[Skip, Tag("skip")]
    | Annotated[Streams, Tag("streams")]
    | Annotated[Mldr, Tag("mldr")]
    | Annotated[Recurrent, Tag("recurrent")]
    | Annotated[Differential, Tag("differential")]
    | Annotated[Lora, Tag("lora")]
    | Annotated[ZeroShot, Tag("zero_shot")]
    | Annotated[Hog, Tag("hog")]
    | Annotated[Colour, Tag("colour")]
    | Annotated[SiftWords, Tag("sift_words")]
    | Annotated[MultiTask, Tag("multi_task")]
    | Annotated[CaptionText, Tag("caption_text")],
    Discriminator(
        _system,
        custom_error_type="unknown_system",
        custom_error_message=f"system: one of {', '.join(SYSTEMS)}",
    ),
]
"""Any of them, told apart by ``system``."""
