"""Networks of three depths on 1, 4 and 16 patches of a picture, averaged: MldrNet.

rao2016, as agarwal2019 describes it in section 1.1: AlexNet for what is shown, less deep
versions of it for aesthetics and for low-level features, over a pyramid of patches that
are the instances of a bag; the average of the three predictions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbones import Trunk
from evoca.lab.config.models import Mldr
from evoca.lab.models.base import StagedSystem, Surroundings, SystemOutputs, registered

__all__ = ["MldrNet", "patches"]


def patches(image: Tensor, side: int) -> Tensor:
    """Return a square of patches that covers each picture, row by row.

    Where the size is no multiple, neighbours overlap by a pixel or so.

    Args:
        image: (N, H, W, 3).
        side: patches along each side.

    Returns:
        (N, side x side, ceil(H / side), ceil(W / side), 3).
    """
    height, width = (math.ceil(size / side) for size in image.shape[1:3])
    tops, lefts = (_starts(size, side) for size in image.shape[1:3])
    cut = [image[:, t : t + height, left : left + width] for t in tops for left in lefts]
    return torch.stack(cut, dim=1)


def _starts(size: int, side: int) -> list[int]:
    last = size - math.ceil(size / side)
    return [round(number * last / max(1, side - 1)) for number in range(side)]


class PatchNetwork(nn.Module):
    """The first stages of a trunk on every patch: one averaged vector per patch."""

    def __init__(self, stages: Sequence[nn.Module], side: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.side = side

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, P, C) of pictures (N, H, W, 3)."""
        x = patches(image, self.side).flatten(0, 1)
        for stage in self.stages:
            x = stage(x)
        vectors = x.mean(dim=(2, 3))
        return vectors.reshape(-1, self.side**2, vectors.shape[1])

    def extra_repr(self) -> str:
        """Return the patches along each side."""
        return f"side={self.side}"


class Networks(nn.Module):
    """All networks on the same picture."""

    def __init__(self, networks: Sequence[PatchNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the vectors (N, P, C) of each network."""
        return tuple(network(image) for network in self.networks)


class Bags(nn.Module):
    """A linear layer per network, its patches' predictions joined, and the networks' average.

    The logit of a label is the log of its averaged probability.
    """

    def __init__(self, widths: Sequence[int], labels: int, options: Mldr) -> None:
        super().__init__()
        self.dropout = nn.Dropout(options.dropout)
        self.layers = nn.ModuleList(nn.Linear(width, labels) for width in widths)
        self.instances = options.instances

    def forward(self, vectors: tuple[Tensor, ...]) -> SystemOutputs:
        """Return logits of one (N, P, C) per network."""
        branches = torch.stack(
            [self._together(layer(self.dropout(v))) for layer, v in self._pairs(vectors)], dim=1
        )
        logits = torch.logsumexp(branches, dim=1) - math.log(len(self.layers))
        return SystemOutputs(logits, branch_logits=branches)

    def _pairs(self, vectors: tuple[Tensor, ...]) -> list[tuple[nn.Module, Tensor]]:
        return list(zip(self.layers, vectors, strict=True))

    def _together(self, logits: Tensor) -> Tensor:
        """Return log probabilities (N, K) of a bag's patches (N, P, K)."""
        each = logits.log_softmax(dim=2)
        if self.instances == "mean":
            return torch.logsumexp(each, dim=1) - math.log(logits.shape[1])
        return each.amax(dim=1).log_softmax(dim=1)

    def extra_repr(self) -> str:
        """Return how the patches' predictions are joined."""
        return f"instances={self.instances}"


class MldrNet(StagedSystem):
    """Three networks; the first is the whole trunk. It has no exact evidence map.

    The trunk is the first; ``aesthetics`` and ``texture`` are the others.
    """

    def __init__(
        self, trunk: Trunk, side: int, others: tuple[PatchNetwork, PatchNetwork], head: Bags
    ) -> None:
        """Join them.

        Args:
            trunk: the deepest network.
            side: its patches along each side of the picture.
            others: the less deep ones, of trunks of their own.
            head: on all three.
        """
        super().__init__(trunk)
        self._side = side
        self.aesthetics, self.texture = others
        self.head = head

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the less deep networks, and the layers on all three."""
        return {"aesthetics": [self.aesthetics], "texture": [self.texture], "head": [self.head]}

    def _networks(self) -> Networks:
        first = PatchNetwork(self.trunk.stages(), self._side)
        return Networks((first, self.aesthetics, self.texture))

    def chain(self) -> list[nn.Module]:
        """Return the networks and the head."""
        return [self._networks(), self.head]

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return logits; outside training also the networks' averaged vectors."""
        vectors = self._networks()(image)
        outputs: SystemOutputs = self.head(vectors)
        if self.training:
            return outputs
        embedding = torch.cat([vector.mean(dim=1) for vector in vectors], dim=1)
        return outputs._replace(embedding=embedding)


@registered(Mldr)
def build(options: Mldr, around: Surroundings) -> MldrNet:
    """Return the three networks.

    Raises:
        EvocaError: the backbone takes pictures of one size alone, or patches are too small.
    """
    if around.recipe.backbone.layout != "chain":
        raise EvocaError(
            f"model.backbone: {around.recipe.backbone.name} takes no smaller patches; "
            "convolutional networks do"
        )
    trunks = [around.trunk(options) for _ in options.depths]
    widths, networks = [], []
    for trunk, depth, side in zip(trunks, options.depths, options.sides, strict=True):
        height, width = (math.ceil(size / side) for size in around.size)
        widths.append(trunk.shapes(height, width, depth)[-1][0])
        networks.append(PatchNetwork(trunk.stages()[:depth], side))
    _, aesthetics, texture = networks
    head = Bags(widths, around.labels, options)
    return MldrNet(trunks[0], options.sides[0], (aesthetics, texture), head)
