"""Two networks trained apart, their vectors joined, and what a third sees in the picture.

rapolu2023, sections 2.1 and 2.2: differential CNNs X1 and X2 (equation 1), and the
probabilities S of a network that still names objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbone_record import Backbone
from evoca.lab.backbones import Trunk, pool_to
from evoca.lab.backbones.trunk import Pixels
from evoca.lab.backbones.weights import build_network
from evoca.lab.model_options import Differential, Pretrained
from evoca.lab.systems.base import Pool, StagedSystem, Surroundings, registered
from evoca.lab.systems.classifier import Head
from evoca.lab.systems.outputs import SystemOutputs

__all__ = ["DifferentialNetworks", "Joined", "Objects"]

Vectors = tuple[Tensor, ...]
"""X1 (N, C1), X2 (N, C2), and S (N, P) where there is a third network."""


class Objects(nn.Module):
    """The probabilities of the classes that a network was pretrained on, (N, P)."""

    def __init__(self, network: nn.Module, record: Backbone) -> None:
        super().__init__()
        self.pixels = Pixels(record)
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Return them for uint8 images (N, H, W, 3)."""
        logits: Tensor = self.network(self.pixels(image))
        return logits.softmax(dim=1)


class Joined(nn.Module):
    """Vectors side by side, each times its factor."""

    def __init__(self, factors: tuple[float, ...]) -> None:
        super().__init__()
        self.factors = factors

    def forward(self, vectors: Vectors) -> Tensor:
        """Return (N, D), D being the sum of their widths."""
        scaled = [factor * v for factor, v in zip(self.factors, vectors, strict=True)]
        return torch.cat(scaled, dim=1)

    def extra_repr(self) -> str:
        """Say the factors."""
        return f"factors={self.factors}"


class All(nn.Module):
    """The three networks on the same picture."""

    def __init__(
        self, trunks: tuple[Trunk, Trunk], pools: tuple[Pool, Pool], objects: Objects | None
    ) -> None:
        super().__init__()
        self.first, self.second = trunks
        self.pools = nn.ModuleList(pools)
        self.objects = objects

    def forward(self, image: Tensor) -> Vectors:
        """Return their vectors."""
        return self.vectors_of(self.maps(image), self.named(image))

    def maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the last stages of the trunks give."""
        return _through(self.first, image), _through(self.second, image)

    def named(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the object probabilities, if there are any."""
        return () if self.objects is None else (self.objects(image),)

    def vectors_of(self, maps: tuple[Tensor, Tensor], named: tuple[Tensor, ...]) -> Vectors:
        """Return all vectors, given what the last stages gave."""
        return (*(pool(x) for pool, x in zip(self.pools, maps, strict=True)), *named)


def _through(trunk: Trunk, image: Tensor) -> Tensor:
    x = image
    for stage in trunk.stages():
        x = stage(x)
    return x


class DifferentialNetworks(StagedSystem):
    """Two trunks with a layer each, and a layer on their joined vectors.

    Who is trained answers: the first network alone, the second alone, or the layer on
    both; outside training, that layer. The network that names objects is no part: no step
    trains it, ``all`` included. So each is trained, validated and stopped as if it
    stood alone. On one linear layer the evidence is exactly additive, as in
    :class:`evoca.lab.systems.classifier.PooledClassifier`; what the objects add is the same
    everywhere.
    """

    def __init__(
        self,
        trunks: tuple[Trunk, Trunk],
        objects: Objects | None,
        factors: tuple[float, ...],
        heads: tuple[Head, Head, Head],
    ) -> None:
        """Join them.

        Args:
            trunks: first and second.
            objects: the third network.
            factors: of the vectors.
            heads: on the first vector, on the second, on all.
        """
        first, second = trunks
        super().__init__(first)
        self.second = second
        self.objects = objects
        self.pools = (Pool(first, "mean"), Pool(second, "mean"))
        self.joined = Joined(factors)
        self.first_head, self.second_head, self.head = heads

    def trunks(self) -> list[Trunk]:
        """Return both."""
        return [self.trunk, self.second]

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the layers of the two networks, and the one on both."""
        return {
            "first_head": [self.first_head],
            "second_head": [self.second_head],
            "head": [self.head],
        }

    def _trunk_parts(self) -> dict[str, list[nn.Module]]:
        return {
            f"{which}.{name}": modules
            for which, trunk in zip(("first", "second"), self.trunks(), strict=True)
            for name, modules in trunk.parts().items()
        }

    def parts(self) -> list[str]:
        """Name the parts: those of the trunks as ``first.stem`` and ``second.stem``."""
        return [*self._trunk_parts(), *self.own_parts()]

    def part(self, name: str) -> list[nn.Module]:
        """Return the modules of a part."""
        return {**self._trunk_parts(), **self.own_parts()}[name]

    def _alone(self) -> tuple[Trunk, Pool, Head] | None:
        """Return the network that is trained while the other and the joint layer are not."""
        networks = zip(self.trunks(), self.pools, (self.first_head, self.second_head), strict=True)
        trained = [net for net in networks if _learns(net[0]) or _learns(net[2])]
        return trained[0] if len(trained) == 1 and not _learns(self.head) else None

    def networks(self) -> All:
        """Return what gives the three vectors of a picture."""
        return All((self.trunk, self.second), self.pools, self.objects)

    def chain(self) -> list[nn.Module]:
        """Return the network that is trained alone; else the networks, joined, and the head."""
        alone = self._alone()
        if alone is not None:
            trunk, pool, head = alone
            return [*trunk.stages(), pool, head]
        return [self.networks(), self.joined, self.head]

    @property
    def evidence_bias(self) -> Tensor | None:
        """The bias of the layer on both."""
        return cast("nn.Linear", self.head.only_layer).bias.detach()

    def forward(self, image: Tensor) -> SystemOutputs:
        """Compute logits; of the layer on both, outside training, also evidence and embedding."""
        if self._alone() is not None or self.training:
            return super().forward(image)
        networks = self.networks()
        maps, named = networks.maps(image), networks.named(image)
        vector = self.joined(networks.vectors_of(maps, named))
        outputs: SystemOutputs = self.head(vector)
        return outputs._replace(evidence=self._evidence(maps, named), embedding=vector)

    def _evidence(self, outputs: tuple[Tensor, Tensor], named: tuple[Tensor, ...]) -> Tensor:
        weight = cast("nn.Linear", self.head.only_layer).weight
        maps = [trunk.map_of(x) for trunk, x in zip(self.trunks(), outputs, strict=True)]
        rows, columns = (min(map_.shape[side] for map_ in maps) for side in (2, 3))
        # What the objects add is a map of one cell: the same everywhere.
        every = [pool_to(map_, rows, columns) for map_ in maps]
        every += [probabilities[:, :, None, None] for probabilities in named]
        evidence, start = torch.zeros((), device=weight.device), 0
        for cells, factor in zip(every, self.joined.factors, strict=True):
            own = weight[:, start : start + cells.shape[1], None, None]
            evidence = evidence + nn.functional.conv2d(cells, factor * own)
            start += cells.shape[1]
        return evidence


def _learns(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


@registered(Differential)
def build(options: Differential, around: Surroundings) -> DifferentialNetworks:
    """Build two trunks, their layers, and the network that names objects."""
    trunks = around.trunk(options), around.trunk(options.second)
    one, other = (trunk.shapes(*around.size)[-1][0] for trunk in trunks)
    objects, classes = None, 0
    factors: tuple[float, ...] = options.factors[:2]
    if options.supplement is not None:
        objects, factors = _objects(options.supplement, around), options.factors
        blank = torch.zeros((1, *around.size, 3), dtype=torch.uint8)
        with torch.no_grad():
            classes = objects.eval()(blank).shape[1]
    heads = tuple(
        Head(width, (), around.labels, 0.0) for width in (one, other, one + other + classes)
    )
    return DifferentialNetworks(trunks, objects, factors, cast("tuple[Head, Head, Head]", heads))


def _objects(supplement: Pretrained, around: Surroundings) -> Objects:
    """Build the network that names objects, with its classifier.

    Raises:
        EvocaError: it has none.
    """
    record = around.recipe.record_of(supplement)
    if record.library not in {"timm", "torchvision"}:
        raise EvocaError(f"model.supplement: {record.name} names no objects: it has no classifier")
    network = build_network(record, around.weights_of(supplement), whole=True)
    return Objects(network, record)
