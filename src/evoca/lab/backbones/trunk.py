"""A backbone divided into its five stages, and a stage's output as one vector."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import cast

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbones.library import adapter_of, module_of
from evoca.lab.backbones.weights import build_network
from evoca.lab.config.backbone import STAGES, Backbone

__all__ = ["ChannelDropout", "Pixels", "Pool", "Trunk", "build_trunk", "drop_channels"]


class ChannelDropout(nn.Module):
    """Dropout of whole channels, of maps (N, C, h, w) or tokens (N, L, C)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Return x with some channels zero and the rest scaled up, in training alone."""
        if not self.training:
            return x
        shape = (*x.shape[:2], 1, 1) if x.ndim == 4 else (x.shape[0], 1, x.shape[2])
        return x * nn.functional.dropout(x.new_ones(shape), self.p)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"


def drop_channels(network: nn.Module, record: Backbone, p: float) -> None:
    """Put dropout before the modules that a record names.

    Args:
        network: changed in place; its weights must be loaded already, since names change.
        record: of the backbone.
        p: probability.

    Raises:
        EvocaError: the record names no such module.
    """
    patterns = record.channel_dropout
    found = [
        path
        for path, _ in network.named_modules()
        if any(fnmatchcase(path, pattern) for pattern in patterns)
    ]
    if not found:
        raise EvocaError(f"the backbone {record.name} names no place for channel_dropout")
    for path in found:
        parent, _, child = path.rpartition(".")
        within = OrderedDict(dropout=ChannelDropout(p), layer=network.get_submodule(path))
        setattr(network.get_submodule(parent), child, nn.Sequential(within))


class Pixels(nn.Module):
    """Pixels as a network was trained on: uint8 (N, H, W, 3) to float (N, 3, H, W)."""

    def __init__(self, record: Backbone) -> None:
        super().__init__()
        mean, std = torch.tensor(record.mean), torch.tensor(record.std)
        self.register_buffer("scale", record.range / (255.0 * std))
        self.register_buffer("shift", -mean / std)
        self.flipped = record.channels == "bgr"

    def forward(self, image: Tensor) -> Tensor:
        """Return normalised pixels; red and blue change places where the network takes BGR."""
        pixels = image.flip(3) if self.flipped else image
        scaled = pixels.to(torch.float32) * cast("Tensor", self.scale) + cast("Tensor", self.shift)
        return scaled.permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        """Return the order of the channels."""
        return f"flipped={self.flipped}"


class Enlarge(nn.Module):
    """Smaller pictures enlarged to one size, such as the only one that a captioner takes."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (N, 3, side, side) of (N, 3, H, W)."""
        size = (self.side, self.side)
        return nn.functional.interpolate(pixels, size, mode="bicubic", align_corners=False)

    def extra_repr(self) -> str:
        """Return the side."""
        return f"side={self.side}"


class Trunk(nn.Module):
    """Five stages that run one after the other: ``stem``, ``stage1`` to ``stage4``.

    The stem takes uint8 (N, H, W, 3), RGB, 0..255. What a stage returns is a map
    (N, C, h, w), or the tokens (N, prefix + h w, C) of a transformer, of which
    :meth:`map_of` gives the map.
    """

    def __init__(
        self,
        record: Backbone,
        stages: Sequence[nn.Module],
        tops: Mapping[str, list[nn.Module]],
        prefix: int,
        grid: tuple[int, int],
        dense: tuple[nn.Linear, ...] = (),
    ) -> None:
        """Join stages.

        Args:
            record: of the backbone.
            stages: five.
            tops: modules inside them that are unfrozen one after the other, by part.
            prefix: tokens before the patches.
            grid: rows and columns of a transformer's patches.
            dense: the network's fully connected layers, for a system that takes them
                over: they are no part of the trunk.
        """
        super().__init__()
        self.record = record
        self.stem, self.stage1, self.stage2, self.stage3, self.stage4 = stages
        self.tops = tops
        self.prefix = prefix
        self.grid = grid
        self.dense = dense

    def stages(self) -> list[nn.Module]:
        """Return the five stages in their order."""
        return [getattr(self, name) for name in STAGES]

    def map_of(self, x: Tensor) -> Tensor:
        """Return the map (N, C, h, w) of what a stage returned."""
        if self.record.layout == "chain":
            return x
        patches = x[:, self.prefix :].transpose(1, 2)
        return patches.reshape(*patches.shape[:2], *self.grid)

    def add(self, x: Tensor, maps: Tensor) -> Tensor:
        """Return a stage's output with a map (N, C, h, w) added."""
        if self.record.layout == "chain":
            return x + maps
        patches = x[:, self.prefix :] + maps.flatten(2).transpose(1, 2)
        return torch.cat([x[:, : self.prefix], patches], dim=1)

    @torch.no_grad()
    def shapes(
        self, height: int, width: int, depth: int = len(STAGES)
    ) -> list[tuple[int, int, int]]:
        """Return (C, h, w) of each of the first stages' maps for an input of this size, in pixels.

        Raises:
            EvocaError: the input is too small.
        """
        modes = [module.training for module in self.modules()]
        self.eval()
        x = torch.zeros((1, height, width, 3), dtype=torch.uint8)
        found = []
        try:
            for stage in self.stages()[:depth]:
                x = stage(x)
                found.append(cast("tuple[int, int, int]", tuple(self.map_of(x).shape[1:])))
        except RuntimeError as error:
            raise EvocaError(
                f"{self.record.name} cannot see pictures of {height} x {width} pixels: too small"
            ) from error
        for module, mode in zip(self.modules(), modes, strict=True):
            module.training = mode
        return found

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return the modules of each part: stages, what they are made of, and tops."""
        stages = dict(zip(STAGES, self.stages(), strict=True))
        parts = {name: [stage] for name, stage in stages.items()}
        for stage in stages.values():
            for name, module in stage.named_children():
                if next(module.parameters(), None) is not None:
                    parts.setdefault(name, [module])
        return {**parts, **self.tops, "backbone": self.stages()}


class Pool(nn.Module):
    """A stage's output as a vector: ``mean``, ``flatten`` or the class ``token``."""

    def __init__(self, trunk: Trunk, kind: str) -> None:
        super().__init__()
        if kind == "token" and not (trunk.record.layout == "tokens" and trunk.prefix):
            raise EvocaError(f"model.pool: {trunk.record.name} has no class token to pool")
        self.kind = kind
        self._map_of = trunk.map_of

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, D)."""
        if self.kind == "token":
            return x[:, 0]
        maps = self._map_of(x)
        return maps.flatten(1) if self.kind == "flatten" else maps.mean(dim=(2, 3))

    def extra_repr(self) -> str:
        """Return the kind of pooling."""
        return self.kind


def build_trunk(
    record: Backbone,
    *,
    size: tuple[int, int],
    weights: str = "recorded",
    without: tuple[str, ...] = (),
    channel_dropout: float = 0.0,
    enlarge: int | None = None,
    dense: bool = False,
) -> Trunk:
    """Return a backbone in five stages, with its weights.

    Args:
        record: of the backbone.
        size: height and width of the input in pixels; a transformer's positions are
            resampled to it.
        weights: ``recorded``, ``random``, the path of a ``.safetensors`` file, or a
            captioner's folder, with a ``/`` at its end.
        without: paths of modules to leave out.
        channel_dropout: probability, before the last convolution of each block of the
            last stage.
        enlarge: side in pixels that smaller pictures are brought to; a captioner brings
            them to its own in any case.
        dense: whether the fully connected layers come along.

    Raises:
        EvocaError: the weights cannot be had, or do not fit; the record names modules
            that are not there; pictures are larger than they are to be enlarged to.
    """
    seen = _seen(record, size, enlarge)
    network = build_network(record, weights, without, dense=dense)
    if channel_dropout:
        drop_channels(network, record, channel_dropout)
    tokens = adapter_of(record).tokens(network, record, seen)
    tops = {
        f"top{number}": [module_of(network, path, record) for path in paths]
        for number, paths in enumerate(record.tops, start=1)
    }
    stages = []
    for name in STAGES:
        stage: OrderedDict[str, nn.Module] = OrderedDict()
        if name == "stem":
            stage["pixels"] = Pixels(record)
            if seen != size:
                stage["enlarge"] = Enlarge(seen[0])
        for path in record.stages.of(name):
            first = tokens.stem if tokens is not None and name == "stem" else None
            module = module_of(network, path, record) if first is None else first
            stage[record.child(path)] = module
        stages.append(nn.Sequential(stage))
    layers = [module_of(network, path, record) for path in record.dense] if dense else []
    prefix, grid = (0, (0, 0)) if tokens is None else (tokens.prefix, tokens.grid)
    return Trunk(record, stages, tops, prefix, grid, cast("tuple[nn.Linear, ...]", tuple(layers)))


def _seen(record: Backbone, size: tuple[int, int], enlarge: int | None) -> tuple[int, int]:
    """Return the network's input height and width for pictures of a size."""
    side = record.enlarges_to(enlarge)
    if side is None:
        return size
    if max(size) > side:
        raise EvocaError(
            f"{record.name} sees pictures of {side} x {side} pixels: "
            f"{size[0]} x {size[1]} can be smaller and is then enlarged, not larger"
        )
    return side, side
