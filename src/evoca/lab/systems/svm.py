"""Frozen features and a support vector machine, as they are exported."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from evoca.lab.svm import SvmMachine, pairs
from evoca.lab.systems.outputs import EvidenceKind, SystemOutputs

__all__ = ["SvmClassifier", "VectorOf"]


class VectorOf(nn.Module):
    """The vector of a trained system as a map of one cell, (N, D, 1, 1)."""

    def __init__(self, system: nn.Module) -> None:
        super().__init__()
        self.system = system.requires_grad_(requires_grad=False)

    def forward(self, image: Tensor) -> Tensor:
        """Compute it for uint8 images (N, H, W, 3)."""
        return cast("Tensor", self.system(image).embedding)[:, :, None, None]


class SvmClassifier(nn.Module):
    """Kernels against the support vectors, a vote of the pairs, margins to break ties.

    Gaussian kernels and one-against-rest decision values as :class:`evoca.lab.svm.SvmMachine`
    has them. There is no evidence map.
    """

    evidence_bias: Tensor | None = None
    evidence_kind: EvidenceKind | None = None

    def __init__(self, backbone: nn.Module, machine: SvmMachine) -> None:
        """Join features and machine.

        Args:
            backbone: gives maps (N, D, h, w), or vectors as maps of one cell.
            machine: fitted on their spatial means.
        """
        super().__init__()
        self.backbone = backbone
        self.gamma = machine.gamma
        first, second = pairs(len(machine.bias))
        arrays = {
            "centre": machine.centre,
            "scale": 1 / machine.spread,
            "support": machine.support,
            "weight": machine.weight,
            "bias": machine.bias,
            "first": first,
            "second": second,
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(np.asarray(array, dtype=np.float32)))

    def _array(self, name: str) -> Tensor:
        return cast("Tensor", getattr(self, name))

    def forward(self, image: Tensor) -> SystemOutputs:
        """Compute all outputs of uint8 images (N, H, W, 3)."""
        embedding = self.backbone(image).mean(dim=(2, 3))
        x, support = (
            (embedding - self._array("centre")) * self._array("scale"),
            self._array("support"),
        )
        distance = (x * x).sum(dim=1, keepdim=True) + (support * support).sum(dim=1)
        kernels = torch.exp(-self.gamma * (distance - 2 * x @ support.T))
        decisions = kernels @ self._array("weight").T + self._array("bias")
        first, second = self._array("first"), self._array("second")
        won = (decisions >= 0).to(torch.float32)
        votes = won @ first + (1 - won) @ second
        margins = decisions @ (first - second)
        return SystemOutputs(votes + margins / (3 * (margins.abs() + 1)), None, embedding)
