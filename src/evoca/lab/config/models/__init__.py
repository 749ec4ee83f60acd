"""The section ``model`` of a recipe: one class per family of systems, by ``system``."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args

from pydantic import BaseModel, Discriminator, Tag

from evoca.errors import EvocaError
from evoca.lab.config.models.base import Features, Network, Options, Pretrained
from evoca.lab.config.models.caption_text import CaptionText
from evoca.lab.config.models.classifier import Classifier, LinearProbe, Lora, Skip, StageEnsemble
from evoca.lab.config.models.descriptors import Colour, Descriptors, Hog, SiftWords
from evoca.lab.config.models.differential import Differential
from evoca.lab.config.models.mldr import Mldr, Recurrent
from evoca.lab.config.models.multi_task import MultiTask
from evoca.lab.config.models.streams import Streams
from evoca.lab.config.models.zero_shot import ZeroShot
from evoca.plugins import plugins

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

_FAMILIES: tuple[type[Options], ...] = (
    *(LinearProbe, Classifier, StageEnsemble, Skip, Streams, Mldr, Recurrent, Differential, Lora),
    *(ZeroShot, Hog, Colour, SiftWords, MultiTask, CaptionText),
)


def _families() -> dict[str, type[Options]]:
    """Return each system's class of options, those of other packages last.

    Raises:
        EvocaError: what a package offers in the group ``evoca.systems`` is no such class.
    """
    found = {_name(family): family for family in _FAMILIES}
    for name, family in plugins("evoca.systems").items():
        if not (isinstance(family, type) and issubclass(family, Options)):
            raise EvocaError(f"{name} of evoca.systems: not a class of options of a system")
        found.setdefault(_name(family), family)
    return found


def _name(family: type[Options]) -> str:
    """Return a system's name in recipes: the only value that its field ``system`` takes."""
    return str(get_args(family.model_fields["system"].annotation)[0])


_BY_NAME = _families()
SYSTEMS = tuple(_BY_NAME)
"""What ``system`` may be; the first where a recipe names none."""


def _system(content: Any) -> str | None:
    if isinstance(content, BaseModel):
        return str(getattr(content, "system", None))
    if isinstance(content, dict):
        return str(content.get("system", SYSTEMS[0]))
    return None


if TYPE_CHECKING:
    Model: TypeAlias = Options
else:
    Model = Annotated[
        reduce(or_, (Annotated[family, Tag(name)] for name, family in _BY_NAME.items())),
        Discriminator(
            _system,
            custom_error_type="unknown_system",
            custom_error_message=f"system: one of {', '.join(SYSTEMS)}",
        ),
    ]
"""Options of any family, distinguished by ``system``."""
