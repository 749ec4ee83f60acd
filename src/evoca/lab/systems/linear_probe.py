"""The network that is exported: frozen backbone, averaged maps, linear head."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from evoca.lab.heads import LinearHead
from evoca.lab.systems.outputs import EvidenceKind, SystemOutputs

__all__ = ["AdditiveClassifier"]


class AdditiveClassifier(nn.Module):
    """A linear layer on globally averaged maps, with its exact evidence map.

    The logit is the mean over cells of the layer applied to each cell, plus the bias
    (class activation mapping, Zhou et al. 2016, equations 1 and 2), so each cell's value
    is its share in the logit and nothing is attributed twice or lost. A backbone that
    gives one vector an image has no such map.
    """

    def __init__(self, backbone: nn.Module, head: LinearHead, *, additive: bool = True) -> None:
        """Join a backbone and a head.

        Args:
            backbone: gives maps (N, C, h, w), or vectors as maps of one cell.
            head: fitted on their spatial means, or given.
            additive: whether the backbone's maps are maps.
        """
        super().__init__()
        self.backbone = backbone
        self.additive = additive
        self.register_buffer("weight", torch.tensor(head.weight, dtype=torch.float32))
        self.register_buffer("bias", torch.tensor(head.bias, dtype=torch.float32))

    @property
    def evidence_bias(self) -> Tensor | None:
        """What to add to the mean of the evidence; ``None`` where there is none."""
        return cast("Tensor", self.bias) if self.additive else None

    @property
    def evidence_kind(self) -> EvidenceKind | None:
        """What the evidence is; ``None`` where there is none."""
        return "additive" if self.additive else None

    def forward(self, image: Tensor) -> SystemOutputs:
        """Compute all outputs of uint8 images (N, H, W, 3)."""
        weight, bias = cast("Tensor", self.weight), cast("Tensor", self.bias)
        maps = self.backbone(image)
        embedding = maps.mean(dim=(2, 3))
        logits = nn.functional.linear(embedding, weight, bias)
        if not self.additive:
            return SystemOutputs(logits, None, embedding)
        evidence = nn.functional.conv2d(maps, weight[:, :, None, None])
        return SystemOutputs(logits, evidence, embedding)
