"""Networks trained apart, their vectors joined, and the classes others name in the picture.

rapolu2023, sections 2.1 and 2.2: differential CNNs X1 and X2 (equation 1), and the
probabilities S of a network that still names objects. Its conclusion proposes more than two
networks, and for background features: the probabilities of a network that names scenes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbones import Trunk, pool_to
from evoca.lab.backbones.library import adapter_of
from evoca.lab.backbones.trunk import Pixels
from evoca.lab.backbones.weights import build_network
from evoca.lab.config.backbone import Backbone
from evoca.lab.config.models import Differential, Pretrained
from evoca.lab.config.models.differential import ORDINALS
from evoca.lab.models.base import Pool, StagedSystem, Surroundings, SystemOutputs, registered
from evoca.lab.models.classifier import Head

__all__ = ["DifferentialNetworks", "Joined", "Objects"]

Vectors = tuple[Tensor, ...]
"""X1 (N, C1), X2 (N, C2) and on; S (N, P) and B (N, Q) where objects and scenes are named."""


class Objects(nn.Module):
    """The probabilities of the classes that a network was pretrained on, (N, P)."""

    def __init__(self, network: nn.Module, record: Backbone) -> None:
        super().__init__()
        self.pixels = Pixels(record)
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Return the probabilities (N, P) of uint8 images (N, H, W, 3)."""
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
        """Return the factors."""
        return f"factors={self.factors}"


class All(nn.Module):
    """All networks on the same picture."""

    def __init__(
        self, trunks: Sequence[Trunk], pools: Sequence[Pool], named: Sequence[Objects]
    ) -> None:
        super().__init__()
        self.trunks = nn.ModuleList(trunks)
        self.pools = nn.ModuleList(pools)
        self.naming = nn.ModuleList(named)

    def forward(self, image: Tensor) -> Vectors:
        """Return the vectors of a picture."""
        return self.vectors_of(self.maps(image), self.named(image))

    def maps(self, image: Tensor) -> Vectors:
        """Return the outputs of the trunks' last stages."""
        return tuple(_through(cast("Trunk", trunk), image) for trunk in self.trunks)

    def named(self, image: Tensor) -> Vectors:
        """Return the probabilities of objects and scenes, as far as they are named."""
        return tuple(network(image) for network in self.naming)

    def vectors_of(self, maps: Vectors, named: Vectors) -> Vectors:
        """Return all vectors, given the last stages' outputs."""
        return (*(pool(x) for pool, x in zip(self.pools, maps, strict=True)), *named)


def _through(trunk: Trunk, image: Tensor) -> Tensor:
    x = image
    for stage in trunk.stages():
        x = stage(x)
    return x


class DifferentialNetworks(StagedSystem):
    """Trunks with a layer each, and a layer on their joined vectors.

    What is trained predicts: one network alone, or the layer on all; outside training, that
    layer. The networks that name objects and scenes are no part: no step trains them, ``all``
    included. So each is trained, validated and stopped as if it stood alone. On one linear
    layer the evidence is exactly additive, as in
    :class:`evoca.lab.models.classifier.PooledClassifier`; the share of objects and
    scenes is the same everywhere.
    """

    def __init__(
        self,
        trunks: Sequence[Trunk],
        objects: Objects | None,
        scenes: Objects | None,
        factors: tuple[float, ...],
        heads: Sequence[Head],
    ) -> None:
        """Join them.

        Args:
            trunks: at least two.
            objects: the network that names objects.
            scenes: the network that names scenes.
            factors: of the vectors.
            heads: on each trunk's vector, and on all.
        """
        first, second, *others = trunks
        super().__init__(first)
        self.second = second
        self.more = nn.ModuleList(others)
        self.objects, self.scenes = objects, scenes
        self.pools = [Pool(trunk, "mean") for trunk in trunks]
        self.joined = Joined(factors)
        self.first_head, self.second_head, *further, self.head = heads
        self.more_heads = nn.ModuleList(further)

    def trunks(self) -> list[Trunk]:
        """Return all trunks in order."""
        return [self.trunk, self.second, *(cast("Trunk", trunk) for trunk in self.more)]

    def heads(self) -> list[Head]:
        """Return the layer of each trunk."""
        return [self.first_head, self.second_head, *(cast("Head", h) for h in self.more_heads)]

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the layers of the networks, and the one on all."""
        own = zip(ORDINALS, self.heads(), strict=False)
        return {**{f"{which}_head": [head] for which, head in own}, "head": [self.head]}

    def parts(self) -> dict[str, list[nn.Module]]:
        """Return the modules of each part: of trunks as ``first.stem``, ``second.stem``, ..."""
        of_trunks = {
            f"{which}.{name}": modules
            for which, trunk in zip(ORDINALS, self.trunks(), strict=False)
            for name, modules in trunk.parts().items()
        }
        return {**of_trunks, **self.own_parts()}

    def _alone(self) -> tuple[Trunk, Pool, Head] | None:
        """Return the network that is trained while the others and the joint layer are not."""
        networks = zip(self.trunks(), self.pools, self.heads(), strict=True)
        trained = [net for net in networks if _learns(net[0]) or _learns(net[2])]
        return trained[0] if len(trained) == 1 and not _learns(self.head) else None

    def networks(self) -> All:
        """Return the module that computes all vectors of a picture."""
        naming = [own for own in (self.objects, self.scenes) if own is not None]
        return All(self.trunks(), self.pools, naming)

    def chain(self) -> list[nn.Module]:
        """Return the network that is trained alone; else the networks, joined, and the head."""
        alone = self._alone()
        if alone is not None:
            trunk, pool, head = alone
            return [*trunk.stages(), pool, head]
        return [self.networks(), self.joined, self.head]

    @property
    def evidence_bias(self) -> Tensor | None:
        """The bias of the layer on all."""
        return cast("nn.Linear", self.head.only_layer).bias.detach()

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return logits; of the layer on all, outside training, also evidence and embedding."""
        if self._alone() is not None or self.training:
            return super().forward(image)
        networks = self.networks()
        maps, named = networks.maps(image), networks.named(image)
        vector = self.joined(networks.vectors_of(maps, named))
        outputs: SystemOutputs = self.head(vector)
        return outputs._replace(evidence=self._evidence(maps, named), embedding=vector)

    def _evidence(self, outputs: Vectors, named: Vectors) -> Tensor:
        weight = cast("nn.Linear", self.head.only_layer).weight
        maps = [trunk.map_of(x) for trunk, x in zip(self.trunks(), outputs, strict=True)]
        rows, columns = (min(map_.shape[side] for map_ in maps) for side in (2, 3))
        # The share of objects and scenes is a map of one cell: the same everywhere.
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
    """Return the trunks, their layers, and the networks that name objects and scenes."""
    trunks = [around.trunk(own) for own in options.trunks()]
    widths = [trunk.shapes(*around.size)[-1][0] for trunk in trunks]
    objects, scenes = (
        None if own is None else _objects(own, around, key)
        for key, own in (("supplement", options.supplement), ("background", options.background))
    )
    blank = torch.zeros((1, *around.size, 3), dtype=torch.uint8)
    with torch.no_grad():
        classes = [own.eval()(blank).shape[1] for own in (objects, scenes) if own is not None]
    every = (*widths, sum(widths) + sum(classes))
    heads = [Head(width, (), around.labels, 0.0) for width in every]
    return DifferentialNetworks(trunks, objects, scenes, options.factors, heads)


def _objects(own: Pretrained, around: Surroundings, key: str) -> Objects:
    """Return the network that names objects or scenes, with its classifier.

    Raises:
        EvocaError: it has none.
    """
    record = around.recipe.record_of(own)
    if not adapter_of(record).classifies:
        raise EvocaError(f"model.{key}: {record.name} names nothing: it has no classifier")
    network = build_network(record, around.weights_of(own), whole=True)
    return Objects(network, record)
