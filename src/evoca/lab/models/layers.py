"""The layers between a last map and a classifier: fully connected ones, and attention."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from evoca.lab.backbones import Trunk
from evoca.lab.backbones.frozen import pool_to

__all__ = ["ContextAttention", "Dense", "LastMap", "PlaceAttention", "new_layers"]


class LastMap(nn.Module):
    """The last stage's output as a map, averaged where it has too many places."""

    def __init__(self, trunk: Trunk, grid: tuple[int, int]) -> None:
        super().__init__()
        self._map_of = trunk.map_of
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, rows, columns)."""
        return pool_to(self._map_of(x), *self.grid)

    def extra_repr(self) -> str:
        """Return the places."""
        return f"grid={self.grid}"


class Dense(nn.Module):
    """A map flattened, then fully connected layers: dropout, layer, ReLU.

    Attributes:
        width: D, of the output.
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


def new_layers(width: int, units: tuple[int, ...]) -> list[nn.Linear]:
    """Return linear layers, one after the other, that start at random."""
    return [nn.Linear(before, after) for before, after in pairwise((width, *units))]


class PlaceAttention(nn.Module):
    """Every place multiplied by its weight: H = softmax(W'X + B), X_i = H_i X_i.

    agarwal2019, section 2.2.1. X has the P places of a map as columns of C numbers, W is a
    vector of C, B one of P, and the softmax is over places. The weights sum to 1 and nothing
    is summed, so the features become about P times smaller.
    """

    def __init__(self, channels: int, places: int, *, rescale: bool) -> None:
        """Start with small random W and B of 0.

        Args:
            channels: C.
            places: P.
            rescale: multiply by P too.
        """
        super().__init__()
        bound = channels**-0.5
        self.weight = nn.Parameter(torch.empty(channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(places))
        self.times = float(places) if rescale else 1.0

    def attention(self, maps: Tensor) -> Tensor:
        """Return the weights (N, 1, h, w), of sum 1, of maps (N, C, h, w)."""
        scores = torch.einsum("nchw,c->nhw", maps, self.weight).flatten(1) + self.bias
        return scores.softmax(dim=1).reshape(-1, 1, *maps.shape[2:])

    def forward(self, maps: Tensor) -> Tensor:
        """Return the weighted maps (N, C, h, w)."""
        return maps * self.attention(maps) * self.times

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"channels={len(self.weight)}, places={len(self.bias)}, times={self.times:g}"


class ContextAttention(nn.Module):
    """Places summed: u_i = tanh(W h_i + b), a = softmax(u'u_w), s = sum of a_i h_i.

    The word attention of Yang et al. 2016 (equations 5 to 7) that agarwal2019 reviews in
    section 1.2.1; places stand for words.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layer = nn.Linear(channels, channels)
        self.context = nn.Parameter(torch.randn(channels) * channels**-0.5)

    def attention(self, maps: Tensor) -> Tensor:
        """Return the weights (N, 1, h, w), of sum 1, of maps (N, C, h, w)."""
        hidden = cast("Tensor", self.layer(maps.flatten(2).transpose(1, 2))).tanh()
        return (hidden @ self.context).softmax(dim=1).reshape(-1, 1, *maps.shape[2:])

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum as a map of one place, (N, C, 1, 1)."""
        return (maps * self.attention(maps)).sum(dim=(2, 3), keepdim=True)
