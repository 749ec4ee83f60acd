"""A frozen backbone: its stages' maps side by side, or one vector per image.

A vector is returned as a map of one cell, so that later code handles one form only.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbones.library import adapter_of
from evoca.lab.backbones.trunk import Pixels, Trunk, build_trunk
from evoca.lab.backbones.weights import build_network
from evoca.lab.config.backbone import STAGES, Backbone, find_backbone
from evoca.lab.config.recipe import Recipe, RecipeError

__all__ = ["ClassToken", "Embedding", "StagedBackbone", "load_backbone", "load_probe", "pool_to"]


class StagedBackbone(nn.Module):
    """A frozen backbone that returns the map of every stage.

    Input: uint8 (N, H, W, 3), RGB, 0..255. Output of :meth:`forward`: float32
    (N, C, h, w), where C adds the channels of all maps and h x w is the grid of the last
    one, to which the others are averaged. Where a map's grid is a whole multiple of the
    last one's, the spatial mean of the output equals that of the map itself.
    """

    def __init__(self, trunk: Trunk, *, stages: Literal["last", "all"]) -> None:
        """Wrap a trunk.

        Args:
            trunk: with its weights.
            stages: ``last`` for the final map only, ``all`` for those the record names.
        """
        super().__init__()
        self.trunk = trunk
        self.stages = stages
        self._pooled = _pooled_children(trunk.record) if stages == "all" else set()

    @property
    def record(self) -> Backbone:
        """The facts of the backbone."""
        return self.trunk.record

    def forward(self, image: Tensor) -> Tensor:
        """Return the pooled maps; see the class."""
        x, maps = image, []
        for name, stage in zip(STAGES, self.trunk.stages(), strict=True):
            for child, module in stage.named_children():
                x = module(x)
                if (name, child) in self._pooled:
                    maps.append(self.trunk.map_of(x))
        last = self.trunk.map_of(x)
        if self.stages == "last":
            maps = [last]
        rows, columns = last.shape[2:]
        return torch.cat([pool_to(m, rows, columns) for m in maps], dim=1)


def _pooled_children(record: Backbone) -> set[tuple[str, str]]:
    ends = [record.stages.of(stage)[-1] for stage in STAGES]
    return {
        (stage, record.child(path))
        for stage in STAGES
        for path in record.stages.of(stage)
        if path in (record.maps or ends)
    }


def pool_to(stage: Tensor, rows: int, columns: int) -> Tensor:
    """Return a map (N, C, h, w) averaged to fewer cells, (N, C, rows, columns)."""
    height, width = stage.shape[2:]
    if (height, width) == (rows, columns):
        return stage
    if height % rows == 0 and width % columns == 0:
        step = (height // rows, width // columns)
        return nn.functional.avg_pool2d(stage, step, step)
    across = _averaging(width, columns).to(stage)
    down = _averaging(height, rows).to(stage)
    return down @ stage @ across.T


def _averaging(cells: int, parts: int) -> Tensor:
    """Return the weights (parts, cells): each row averages its cells, cut ones in part."""
    edges = torch.arange(parts + 1) * (cells / parts)
    start, stop = edges[:-1, None], edges[1:, None]
    cell = torch.arange(cells)[None]
    overlap = torch.minimum(stop, cell + 1) - torch.maximum(start, cell)
    return overlap.clamp(min=0) * (parts / cells)


def load_backbone(
    backbone: str | Backbone,
    *,
    stages: Literal["last", "all"] = "all",
    size: tuple[int, int] | None = None,
    weights: str = "recorded",
    without: tuple[str, ...] = (),
) -> StagedBackbone:
    """Return a backbone with its pretrained weights, frozen, in evaluation mode.

    Args:
        backbone: its name or record.
        stages: ``last`` for the final map only, ``all`` for every stage's.
        size: height and width of the input in pixels; the backbone's own if omitted.
        weights: ``recorded``, ``random`` or the path of a ``.safetensors`` file.
        without: paths of modules to leave out.

    Raises:
        EvocaError: the name is unknown, or the weights are not the recorded ones.
        MissingExtraError: the package that carries the weights is not installed.
    """
    record = find_backbone(backbone) if isinstance(backbone, str) else backbone
    own = (record.size, record.size)
    trunk = build_trunk(record, size=size or own, weights=weights, without=without)
    trunk.eval().requires_grad_(requires_grad=False)
    return StagedBackbone(trunk, stages=stages).eval()


class ClassToken(nn.Module):
    """The class token of the last stage, (N, C, 1, 1)."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        if trunk.record.layout != "tokens" or not trunk.prefix:
            raise EvocaError(f"model.pool: {trunk.record.name} has no class token to pool")
        self.trunk = trunk

    def forward(self, image: Tensor) -> Tensor:
        """Return the vector of uint8 images (N, H, W, 3)."""
        x = image
        for stage in self.trunk.stages():
            x = stage(x)
        return x[:, 0, :, None, None]


class Embedding(nn.Module):
    """The vector that a text tower was trained with, of length 1, (N, D, 1, 1)."""

    def __init__(self, tower: nn.Module, record: Backbone) -> None:
        super().__init__()
        self.pixels = Pixels(record)
        self.tower = tower

    def forward(self, image: Tensor) -> Tensor:
        """Return the vector of uint8 images (N, H, W, 3)."""
        vector = self.tower(self.pixels(image))
        return nn.functional.normalize(vector, dim=1)[:, :, None, None]


def load_probe(recipe: Recipe) -> nn.Module:
    """Return the frozen backbone of a recipe that trains only a head, or nothing.

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
    requested, own = recipe.model.frozen_features(), recipe.model.slots().get("backbone")
    if requested is None or own is None:
        raise RecipeError(f"{recipe.name}: trains a {recipe.model.system} in steps, no head")
    record = recipe.record_of(own)
    size = recipe.preprocessing.height, recipe.preprocessing.width
    if requested.pool == "embedding":
        return _frozen(_embedding(record, size, own.weights))
    if requested.pool == "token":
        trunk = build_trunk(record, size=size, weights=own.weights, without=own.leaves_out())
        return _frozen(ClassToken(trunk))
    return load_backbone(
        record, stages=requested.stages, size=size, weights=own.weights, without=own.leaves_out()
    )


def _embedding(record: Backbone, size: tuple[int, int], weights: str) -> Embedding:
    if not adapter_of(record).has_texts:
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
