"""The frozen backbone of a recipe that learns no network: a map, or one vector an image.

A vector is given as a map of one cell, so that what follows needs to know one form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbones.pooled import load_backbone
from evoca.lab.backbones.trunk import Pixels, Trunk, build_trunk
from evoca.lab.backbones.weights import build_network
from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models import LinearProbe, ZeroShot
from evoca.lab.config.recipe import Recipe, RecipeError

__all__ = ["ClassToken", "Embedding", "load_probe"]


class ClassToken(nn.Module):
    """The class token of the last stage, (N, C, 1, 1)."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        if trunk.record.layout != "tokens" or not trunk.prefix:
            raise EvocaError(f"model.pool: {trunk.record.name} has no class token to pool")
        self.trunk = trunk

    def forward(self, image: Tensor) -> Tensor:
        """Compute it for uint8 images (N, H, W, 3)."""
        x = image
        for stage in self.trunk.stages():
            x = stage(x)
        return x[:, 0, :, None, None]


class Embedding(nn.Module):
    """The vector beside which a text tower learnt, of length 1, (N, D, 1, 1)."""

    def __init__(self, tower: nn.Module, record: Backbone) -> None:
        super().__init__()
        self.pixels = Pixels(record)
        self.tower = tower

    def forward(self, image: Tensor) -> Tensor:
        """Compute it for uint8 images (N, H, W, 3)."""
        vector = self.tower(self.pixels(image))
        return nn.functional.normalize(vector, dim=1)[:, :, None, None]


def load_probe(recipe: Recipe) -> nn.Module:
    """Load the backbone of a recipe that learns a head alone, or nothing, frozen.

    Random weights are drawn with the recipe's seed, so that the export has the same.

    Returns:
        A network from uint8 (N, H, W, 3) to float32 (N, C, h, w).

    Raises:
        EvocaError: the recipe trains in steps or has no backbone; the weights cannot be
            had; or the backbone has no such vector.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.protocol.seed)
        return _probe(recipe)


def _probe(recipe: Recipe) -> nn.Module:
    options, record = recipe.model, recipe.backbone
    size = recipe.preprocessing.height, recipe.preprocessing.width
    if isinstance(options, ZeroShot):
        return _frozen(_embedding(record, size, options.weights))
    if not isinstance(options, LinearProbe):
        raise RecipeError(f"{recipe.name}: trains a {options.system} in steps, no head")
    if options.pool == "embedding":
        return _frozen(_embedding(record, size, options.weights))
    if options.pool == "token":
        return _frozen(
            ClassToken(
                build_trunk(record, size=size, weights=options.weights, without=options.without)
            )
        )
    return load_backbone(
        record,
        stages=options.stages,
        size=size,
        weights=options.weights,
        without=options.without,
    )


def _embedding(record: Backbone, size: tuple[int, int], weights: str) -> Embedding:
    if record.library != "open_clip":
        raise EvocaError(
            f"{record.name} learnt beside no texts: its images have no embedding among them; "
            "the backbones of open_clip have"
        )
    if size != (record.size, record.size):
        raise EvocaError(
            f"{record.name} embeds pictures of {record.size} x {record.size} pixels alone: "
            f"set preprocessing.height and width to {record.size}"
        )
    return Embedding(build_network(record, weights, whole=True), record)


def _frozen(network: nn.Module) -> nn.Module:
    return network.eval().requires_grad_(requires_grad=False)
