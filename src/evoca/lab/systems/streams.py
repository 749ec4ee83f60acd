"""AlexNet up to its second hidden layer, alone or beside one that attends to places.

agarwal2019, section 2.2: two AlexNets with weights of their own on the same picture, one
with an attention layer after its last pooling; 4096 and 4096 numbers into a layer of
eight. The single stream is the control, and the network of you2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbones import Trunk
from evoca.lab.model_options import Streams
from evoca.lab.model_options.streams import HIDDEN
from evoca.lab.systems.attention import ContextAttention, PlaceAttention
from evoca.lab.systems.base import StagedSystem, Surroundings, registered
from evoca.lab.systems.classifier import Head
from evoca.lab.systems.outputs import EvidenceKind, SystemOutputs

__all__ = ["SingleStream", "TwoStreams"]


class MapOf(nn.Module):
    """What a stage returned as a map."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self._map_of = trunk.map_of

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, h, w)."""
        return self._map_of(x)


class Dense(nn.Module):
    """A map flattened, then fully connected layers: dropout, layer, ReLU.

    Attributes:
        width: D, of what comes out.
    """

    def __init__(self, width: int, layers: list[nn.Linear], dropout: float) -> None:
        super().__init__()
        self.width = layers[-1].out_features if layers else width
        self.layers = nn.ModuleList(layers)
        self.dropout = nn.Dropout(dropout)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (N, D) of maps (N, C, h, w)."""
        x = maps.flatten(1)
        for layer in self.layers:
            x = layer(self.dropout(x)).relu()
        return x


class Beside(nn.Module):
    """Two modules side by side: on one input, or each on its own."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, inputs: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return what both give."""
        one, other = inputs if isinstance(inputs, tuple) else (inputs, inputs)
        return self.first(one), self.second(other)


class Concatenate(nn.Module):
    """Two vectors, one after the other."""

    def forward(self, vectors: tuple[Tensor, Tensor]) -> Tensor:
        """Return (N, D + E) of (N, D) and (N, E)."""
        return torch.cat(vectors, dim=1)


class SingleStream(StagedSystem):
    """A trunk, its hidden layers and a linear layer, without attention."""

    def __init__(self, trunk: Trunk, hidden: Dense, head: Head) -> None:
        super().__init__(trunk)
        self.map_of = MapOf(trunk)
        self.hidden = hidden
        self.head = head

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the hidden layers and the head."""
        return {"hidden": [self.hidden], "head": [self.head]}

    def chain(self) -> list[nn.Module]:
        """Return stages, hidden layers and head."""
        return [*self.trunk.stages(), self.map_of, self.hidden, self.head]

    def forward(self, image: Tensor) -> SystemOutputs:
        """Compute logits; outside training also the last hidden layer as embedding."""
        x = image
        for stage in self.trunk.stages():
            x = stage(x)
        vector = self.hidden(self.map_of(x))
        outputs: SystemOutputs = self.head(vector)
        return outputs if self.training else outputs._replace(embedding=vector)


class TwoStreams(StagedSystem):
    """A plain stream and one that attends, their vectors side by side into a linear layer.

    Both have trunk and hidden layers of their own, which start alike where they are
    pretrained. The evidence is the attention of the second stream: where it looks, not
    what a place adds to a logit.
    """

    def __init__(
        self,
        trunks: tuple[Trunk, Trunk],
        hidden: tuple[Dense, Dense],
        attention: PlaceAttention | ContextAttention,
        head: Head,
    ) -> None:
        """Join the two.

        Args:
            trunks: of the plain stream, and of the one that attends.
            hidden: likewise.
            attention: on the last map of the second.
            head: on both vectors.
        """
        plain, attending = trunks
        super().__init__(plain)
        self.second = attending
        self.map_of = MapOf(plain)
        self.attention = attention
        self.hidden, self.second_hidden = hidden
        self.head = head

    def trunks(self) -> list[Trunk]:
        """Return both."""
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
        """What the evidence is."""
        return "attention"

    def _stages(self) -> list[nn.Module]:
        pairs = zip(self.trunk.stages(), self.second.stages(), strict=True)
        return [*(Beside(one, other) for one, other in pairs), Beside(self.map_of, self.map_of)]

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
        """Compute logits; outside training also attention and both vectors."""
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


@registered(Streams)
def build(options: Streams, around: Surroundings) -> SingleStream | TwoStreams:
    """Build one stream or two."""
    trunk, hidden = _stream(options, around)
    if options.attention == "none":
        return SingleStream(trunk, hidden, Head(hidden.width, (), around.labels, 0.0))
    second, second_hidden = _stream(options, around)
    channels, rows, columns = second.shapes(*around.size)[-1]
    attention: PlaceAttention | ContextAttention
    if options.attention == "scale":
        attention = PlaceAttention(channels, rows * columns, rescale=options.rescale)
    else:
        attention = ContextAttention(channels)
        units = tuple(cast("nn.Linear", layer).out_features for layer in second_hidden.layers)
        second_hidden = Dense(channels, _new_layers(channels, units), options.dropout)
    head = Head(hidden.width + second_hidden.width, (), around.labels, 0.0)
    return TwoStreams((trunk, second), (hidden, second_hidden), attention, head)


def _stream(options: Streams, around: Surroundings) -> tuple[Trunk, Dense]:
    """Build a trunk and its hidden layers.

    Raises:
        EvocaError: the backbone's own layers do not fit its map at this input size.
    """
    trunk = around.trunk(options, dense=isinstance(options.hidden, str))
    channels, rows, columns = trunk.shapes(*around.size)[-1]
    width = channels * rows * columns
    layers = list(trunk.dense)
    trunk.dense = ()
    if layers and layers[0].in_features == width:
        return trunk, Dense(width, layers, options.dropout)
    if layers and not around.starts_at_random(options):
        raise EvocaError(
            f"model.hidden: those of {trunk.record.name} see {layers[0].in_features} numbers, its "
            f"map of {around.size[0]} x {around.size[1]} pixels has {width}: choose another size "
            "of input, or new layers with model.hidden=[4096, 4096]"
        )
    units = tuple(layer.out_features for layer in layers) or _units(options)
    return trunk, Dense(width, _new_layers(width, units), options.dropout)


def _units(options: Streams) -> tuple[int, ...]:
    if isinstance(options.hidden, tuple):
        return options.hidden
    return HIDDEN if options.hidden == "backbone_or_new" else ()


def _new_layers(width: int, units: tuple[int, ...]) -> list[nn.Linear]:
    return [nn.Linear(before, after) for before, after in pairwise((width, *units))]
