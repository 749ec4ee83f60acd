"""Networks of torchvision."""

from __future__ import annotations

from typing import Any, cast

import torchvision
from torch import nn

from evoca.lab.backbones.library import Adapter, adapter_for
from evoca.lab.config.backbone import Backbone

__all__ = ["Torchvision"]


@adapter_for("torchvision")
class Torchvision(Adapter):
    """Builds by ``torchvision.models.get_model``; weights come from PyTorch's own host."""

    host = "https://download.pytorch.org"
    classifies = True

    def create(self, record: Backbone) -> nn.Module:
        """Return a network with random weights."""
        classes: dict[str, Any] = {} if record.classes is None else {"num_classes": record.classes}
        network = torchvision.models.get_model(record.architecture, weights=None, **classes)
        return cast("nn.Module", network)

    def fetch(self, record: Backbone, hub: str) -> nn.Module:
        """Return a network with the weights of a name, such as ``IMAGENET1K_V1``."""
        network = torchvision.models.get_model(record.architecture, weights=hub)
        return cast("nn.Module", network)
