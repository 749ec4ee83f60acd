"""The network that is exported: frozen backbone, averaged maps, linear head."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from evoca.lab.backbones import StagedBackbone
from evoca.lab.heads import LinearHead
from evoca.lab.systems.outputs import EvidenceKind, SystemOutputs

__all__ = ["AdditiveClassifier"]


class AdditiveClassifier(nn.Module):
    """A linear layer on globally averaged maps, with its exact evidence map.

    The logit is the mean over cells of the layer applied to each cell, plus the bias
    (class activation mapping, Zhou et al. 2016, equations 1 and 2), so each cell's value
    is its share in the logit and nothing is attributed twice or lost.
    """

    def __init__(self, backbone: StagedBackbone, head: LinearHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.register_buffer("weight", torch.tensor(head.weight, dtype=torch.float32))
        self.register_buffer("bias", torch.tensor(head.bias, dtype=torch.float32))

    @property
    def evidence_bias(self) -> Tensor:
        """What to add to the mean of the evidence."""
        return cast("Tensor", self.bias)

    @property
    def evidence_kind(self) -> EvidenceKind:
        """What the evidence is."""
        return "additive"

    def forward(self, image: Tensor) -> SystemOutputs:
        """Compute all outputs of uint8 images (N, H, W, 3)."""
        weight, bias = cast("Tensor", self.weight), cast("Tensor", self.bias)
        maps = self.backbone(image)
        embedding = maps.mean(dim=(2, 3))
        logits = nn.functional.linear(embedding, weight, bias)
        evidence = nn.functional.conv2d(maps, weight[:, :, None, None])
        return SystemOutputs(logits, evidence, embedding)
