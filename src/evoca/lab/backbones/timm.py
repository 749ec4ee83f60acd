"""Networks of timm, the library that most backbones come from."""

from __future__ import annotations

from typing import Any

import timm
from torch import nn

from evoca.lab.backbones.library import Adapter, adapter_for
from evoca.lab.config.backbone import Backbone

__all__ = ["Timm"]


@adapter_for("timm")
class Timm(Adapter):
    """Builds by ``timm.create_model``; its hub is that of Hugging Face."""

    classifies = True

    def create(self, record: Backbone) -> nn.Module:
        """Return a network with random weights."""
        classes: dict[str, Any] = {} if record.classes is None else {"num_classes": record.classes}
        return timm.create_model(record.architecture, pretrained=False, **classes)

    def fetch(self, record: Backbone, hub: str) -> nn.Module:
        """Return a network with the weights of a tag."""
        return timm.create_model(f"{record.architecture}.{hub}", pretrained=True)
