"""The section ``model`` of a recipe: one class a family of systems, by ``system``."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Tag

from evoca.lab.model_options.captioned import CaptionText
from evoca.lab.model_options.levels import Mldr, Recurrent
from evoca.lab.model_options.network import Network
from evoca.lab.model_options.staged import Classifier, LinearProbe, Skip, StageEnsemble
from evoca.lab.model_options.streams import Streams

__all__ = [
    "SYSTEMS",
    "CaptionText",
    "Classifier",
    "LinearProbe",
    "Mldr",
    "Model",
    "Network",
    "Recurrent",
    "Skip",
    "StageEnsemble",
    "Streams",
]

SYSTEMS = (
    "linear_probe",
    "classifier",
    "stage_ensemble",
    "skip",
    "streams",
    "mldr",
    "recurrent",
    "caption_text",
)
"""What ``system`` may be; the first where a recipe names none."""


def _system(content: Any) -> str | None:
    if isinstance(content, Network):
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
    | Annotated[CaptionText, Tag("caption_text")],
    Discriminator(
        _system,
        custom_error_type="unknown_system",
        custom_error_message=f"system: one of {', '.join(SYSTEMS)}",
    ),
]
"""Any of them, told apart by ``system``."""
