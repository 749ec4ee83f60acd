"""What the options of every family of systems have."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

from pydantic import Field, field_validator

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.base import Strict

__all__ = ["Dropout", "Network", "Pretrained"]

Dropout = Annotated[float, Field(ge=0, lt=1)]


class Pretrained(Strict):
    """A backbone, and where its weights come from.

    Attributes:
        backbone: a name, or the path of a backbone's ``.yaml`` file.
        weights: ``recorded``: those the backbone names; ``random``; the path of a
            ``.safetensors`` file with the names of the library; or, of a captioner, a
            folder in the form of ``save_pretrained``, with a ``/`` at its end.
    """

    backbone: str
    weights: str = "recorded"

    @field_validator("weights")
    @classmethod
    def _known_source(cls, weights: str) -> str:
        if weights not in {"recorded", "random"} and not weights.endswith((".safetensors", "/")):
            raise ValueError(
                f"{weights}: neither recorded, nor random, nor a .safetensors file, nor a "
                "captioner's folder with a / at its end"
            )
        return weights


class Network(Pretrained):
    """What every system built on a backbone has.

    Attributes:
        without: paths of modules to leave out, such as a residual block that a file of
            weights lacks.
    """

    without: tuple[str, ...] = ()

    def slots(self) -> dict[str, Pretrained]:
        """Return every pretrained network that it is built on by its key, its backbone first."""
        found: dict[str, Pretrained] = {"backbone": self}
        for key in type(self).model_fields:
            value = getattr(self, key)
            several = value if isinstance(value, tuple) else ()
            found |= {key: value} if isinstance(value, Pretrained) else {}
            found |= {
                f"{key}.{number}": own
                for number, own in enumerate(several)
                if isinstance(own, Pretrained)
            }
        return found

    def networks(self) -> list[Pretrained]:
        """Return every pretrained network that it is built on, its backbone first."""
        return list(self.slots().values())

    @abstractmethod
    def in_words(self, backbone: Backbone) -> list[str]:
        """Explain the network in sentences, for ``evoca recipes show``."""

    def no_bundle(self) -> str | None:
        """Say why a trained network cannot become a bundle; ``None`` where it can."""
        return None
