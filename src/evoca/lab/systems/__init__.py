"""Networks that can be trained, by recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from evoca.lab.backbones import StagedBackbone, load_backbone
from evoca.lab.freezing import System
from evoca.lab.recipe import Recipe

__all__ = ["build_system"]


class _Output(NamedTuple):
    logits: Tensor


class _Stem(nn.Module):
    def __init__(self, backbone: StagedBackbone) -> None:
        super().__init__()
        self.convolution = cast("nn.Module", backbone.network.conv_stem)
        self.normalisation = cast("nn.Module", backbone.network.bn1)
        self.register_buffer("scale", cast("Tensor", backbone.scale))
        self.register_buffer("shift", cast("Tensor", backbone.shift))

    def forward(self, image: Tensor) -> Tensor:
        scaled = image.float() * cast("Tensor", self.scale) + cast("Tensor", self.shift)
        return cast("Tensor", self.normalisation(self.convolution(scaled.permute(0, 3, 1, 2))))


class _Pool(nn.Module):
    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean(dim=(2, 3))


class _Head(nn.Module):
    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, labels)

    def forward(self, features: Tensor) -> _Output:
        return _Output(self.linear(features))


class Classifier(nn.Module):
    """A pretrained EfficientNet-Lite, its averaged last map, and one linear layer."""

    def __init__(self, backbone: StagedBackbone, labels: int) -> None:
        super().__init__()
        network = backbone.network
        self.stem = _Stem(backbone)
        self.stages = nn.ModuleList(cast("nn.Sequential", network.blocks))
        self.top = nn.Sequential(
            cast("nn.Module", network.conv_head), cast("nn.Module", network.bn2)
        )
        self.pool = _Pool()
        self.head = _Head(cast("int", network.num_features), labels)

    def chain(self) -> list[nn.Module]:
        """Give the modules in the order they are applied."""
        return [self.stem, *self.stages, self.top, self.pool, self.head]

    def parts(self) -> list[str]:
        """Name the parts from the input upwards."""
        stages = [f"stage{i + 1}" for i in range(len(self.stages))]
        return ["stem", *stages, "top", "backbone", "head"]

    def part(self, name: str) -> list[nn.Module]:
        """Return the modules of a part."""
        if name == "backbone":
            return [self.stem, *self.stages, self.top]
        if name.startswith("stage"):
            return [self.stages[int(name.removeprefix("stage")) - 1]]
        return [cast("nn.Module", getattr(self, name))]

    def forward(self, image: Tensor) -> _Output:
        """Compute the logits of uint8 images (N, H, W, 3)."""
        value: Tensor | _Output = image
        for module in self.chain():
            value = module(value)
        return cast("_Output", value)


def build_system(recipe: Recipe, labels: Sequence[str], *, seed: int) -> System:
    """Build a recipe's system, its new layers drawn with a seed."""
    torch.manual_seed(seed)
    return Classifier(load_backbone(recipe.model.backbone), len(labels))
