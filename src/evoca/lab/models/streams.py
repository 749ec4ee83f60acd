"""AlexNet up to its second hidden layer, alone or beside one that attends to places.

agarwal2019, section 2.2: two AlexNets with weights of their own on the same picture, one
with an attention layer after its last pooling; 4096 and 4096 numbers into a layer of
eight. The single stream is the control, and the network of you2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbones import Trunk
from evoca.lab.config.models import Streams
from evoca.lab.config.models.streams import HIDDEN
from evoca.lab.models.base import (
    EvidenceKind,
    StagedSystem,
    Surroundings,
    SystemOutputs,
    registered,
)
from evoca.lab.models.classifier import Head
from evoca.lab.models.layers import ContextAttention, Dense, LastMap, PlaceAttention, new_layers

__all__ = ["SingleStream", "TwoStreams"]


class Beside(nn.Module):
    """Two modules side by side: on one input, or each on its own."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, inputs: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return both outputs."""
        one, other = inputs if isinstance(inputs, tuple) else (inputs, inputs)
        return self.first(one), self.second(other)


class Concatenate(nn.Module):
    """Two vectors, one after the other."""

    def forward(self, vectors: tuple[Tensor, Tensor]) -> Tensor:
        """Return the joined vectors (N, D + E) of (N, D) and (N, E)."""
        return torch.cat(vectors, dim=1)


class SingleStream(StagedSystem):
    """A trunk, its hidden layers and a linear layer, without attention."""

    def __init__(self, trunk: Trunk, last_map: LastMap, hidden: Dense, head: Head) -> None:
        super().__init__(trunk)
        self.last_map = last_map
        self.hidden = hidden
        self.head = head

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the hidden layers and the head."""
        return {"hidden": [self.hidden], "head": [self.head]}

    def chain(self) -> list[nn.Module]:
        """Return stages, hidden layers and head."""
        return [*self.trunk.stages(), self.last_map, self.hidden, self.head]

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return logits; outside training also the last hidden layer as embedding."""
        x = image
        for stage in self.trunk.stages():
            x = stage(x)
        vector = self.hidden(self.last_map(x))
        outputs: SystemOutputs = self.head(vector)
        return outputs if self.training else outputs._replace(embedding=vector)


class TwoStreams(StagedSystem):
    """A plain stream and one that attends, their vectors side by side into a linear layer.

    Both have trunk and hidden layers of their own, which start alike where they are
    pretrained. The evidence is the attention of the second stream: the weights of places,
    not what a place adds to a logit.
    """

    def __init__(
        self,
        trunks: tuple[Trunk, Trunk],
        last_map: LastMap,
        hidden: tuple[Dense, Dense],
        attention: PlaceAttention | ContextAttention,
        head: Head,
    ) -> None:
        """Join the two.

        Args:
            trunks: of the plain stream, and of the one that attends.
            last_map: of either.
            hidden: of both.
            attention: on the last map of the second.
            head: on both vectors.
        """
        plain, attending = trunks
        super().__init__(plain)
        self.second = attending
        self.last_map = last_map
        self.attention = attention
        self.hidden, self.second_hidden = hidden
        self.head = head

    def trunks(self) -> list[Trunk]:
        """Return both trunks."""
        return [self.trunk, self.second]

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the attention, the hidden layers of both streams, and the head."""
        return {
            "attention": [self.attention],
            "hidden": [self.hidden, self.second_hidden],
            "head": [self.head],
        }

    @property
    def evidence_kind(self) -> EvidenceKind:
        """The kind of the evidence."""
        return "attention"

    def _stages(self) -> list[nn.Module]:
        pairs = zip(self.trunk.stages(), self.second.stages(), strict=True)
        return [*(Beside(one, other) for one, other in pairs), Beside(self.last_map, self.last_map)]

    def chain(self) -> list[nn.Module]:
        """Return pairs of stages, attention, pairs of hidden layers, and the head."""
        return [
            *self._stages(),
            Beside(nn.Identity(), self.attention),
            Beside(self.hidden, self.second_hidden),
            Concatenate(),
            self.head,
        ]

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return logits; outside training also attention and both vectors."""
        value: Tensor | tuple[Tensor, Tensor] = image
        for stage in self._stages():
            value = stage(value)
        plain, attending = cast("tuple[Tensor, Tensor]", value)
        attended = self.second_hidden(self.attention(attending))
        vector = torch.cat((self.hidden(plain), attended), dim=1)
        outputs: SystemOutputs = self.head(vector)
        if self.training:
            return outputs
        return outputs._replace(evidence=self.attention.attention(attending), embedding=vector)


@dataclass(frozen=True)
class _Stream:
    """The parts of a stream.

    Attributes:
        trunk: the backbone.
        last_map: on it.
        channels: of that map.
        hidden: on the flattened map.
    """

    trunk: Trunk
    last_map: LastMap
    channels: int
    hidden: Dense


@registered(Streams)
def build(options: Streams, around: Surroundings) -> SingleStream | TwoStreams:
    """Return one stream or two."""
    one = _stream(options, around)
    if options.attention == "none":
        head = Head(one.hidden.width, (), around.labels, 0.0)
        return SingleStream(one.trunk, one.last_map, one.hidden, head)
    other = _stream(options, around)
    hidden = other.hidden
    attention: PlaceAttention | ContextAttention
    if options.attention == "scale":
        rows, columns = other.last_map.grid
        attention = PlaceAttention(other.channels, rows * columns, rescale=options.rescale)
    else:
        attention = ContextAttention(other.channels)
        units = tuple(cast("nn.Linear", layer).out_features for layer in hidden.layers)
        hidden = Dense(other.channels, new_layers(other.channels, units), options.dropout)
    head = Head(one.hidden.width + hidden.width, (), around.labels, 0.0)
    trunks, both = (one.trunk, other.trunk), (one.hidden, hidden)
    return TwoStreams(trunks, one.last_map, both, attention, head)


def _stream(options: Streams, around: Surroundings) -> _Stream:
    """Return a trunk and its hidden layers.

    Raises:
        EvocaError: the backbone's own layers do not fit its map at this input size.
    """
    trunk = around.trunk(options, dense=isinstance(options.hidden, str))
    channels, *sides = trunk.shapes(*around.size)[-1]
    rows, columns = (min(side, options.places) for side in sides)
    width = channels * rows * columns
    layers = list(trunk.dense)
    trunk.dense = ()
    if layers and layers[0].in_features != width:
        if not around.starts_at_random(options):
            raise EvocaError(
                f"model.hidden: those of {trunk.record.name} see {layers[0].in_features} numbers, "
                f"its map of {around.size[0]} x {around.size[1]} pixels has {width}: choose "
                "another size of input, or new layers with model.hidden=[4096, 4096]"
            )
        layers = new_layers(width, tuple(layer.out_features for layer in layers))
    hidden = Dense(width, layers or new_layers(width, _units(options)), options.dropout)
    return _Stream(trunk, LastMap(trunk, (rows, columns)), channels, hidden)


def _units(options: Streams) -> tuple[int, ...]:
    if isinstance(options.hidden, tuple):
        return options.hidden
    return HIDDEN if options.hidden == "backbone_or_new" else ()
