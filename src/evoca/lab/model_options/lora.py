"""Options of the classifier that is fine-tuned by adapters of low rank."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evoca.lab.backbone_record import Backbone
from evoca.lab.model_options.network import Dropout
from evoca.lab.model_options.staged import Classifier

__all__ = ["Lora"]


class Lora(Classifier):
    """A classifier whose backbone stays as it is, with adapters of low rank beside layers.

    Attributes:
        system: its name.
        rank: r of the adapters.
        alpha: what they add is multiplied with alpha / r.
        adapter_dropout: of what the adapters see.
        targets: ends of the paths of the layers that get one, linear or convolutions.
    """

    system: Literal["lora"]  # type: ignore[assignment]
    rank: Annotated[int, Field(ge=1, le=1024)] = 8
    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 16.0
    adapter_dropout: Dropout = 0.0
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("attn.qkv", "attn.proj")

    def in_words(self, backbone: Backbone) -> list[str]:
        """Say what comes after the backbone, and what stands beside its layers."""
        drop = f", dropout {self.adapter_dropout:g}" if self.adapter_dropout else ""
        return [
            *super().in_words(backbone),
            f"Adapters of rank {self.rank}, alpha {self.alpha:g}{drop}, beside "
            f"{' and '.join(self.targets)}; the export adds them to the weights.",
        ]
