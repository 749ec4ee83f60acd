"""The fully connected layers between a last map and a classifier, as AlexNet has them."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from evoca.lab.backbones import Trunk
from evoca.lab.backbones.frozen import pool_to

__all__ = ["Dense", "LastMap", "new_layers"]


class LastMap(nn.Module):
    """What the last stage returned as a map, averaged where it has too many places."""

    def __init__(self, trunk: Trunk, grid: tuple[int, int]) -> None:
        super().__init__()
        self._map_of = trunk.map_of
        self.grid = grid

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, rows, columns)."""
        return pool_to(self._map_of(x), *self.grid)

    def extra_repr(self) -> str:
        """Say the places."""
        return f"grid={self.grid}"


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


def new_layers(width: int, units: tuple[int, ...]) -> list[nn.Linear]:
    """Make linear layers, one after the other, that start at random."""
    return [nn.Linear(before, after) for before, after in pairwise((width, *units))]
