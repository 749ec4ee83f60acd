"""Colour histograms and local binary patterns as a network without weights.

Hue, saturation and value as in scikit-image's ``color.rgb2hsv``, counted jointly (Swain &
Ballard 1991); patterns as in its ``feature.local_binary_pattern`` with 8 neighbours at
distance 1, uniform ones counted by their bright neighbours (Ojala et al. 2002).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.config.models import Colour
from evoca.lab.features.extract import features_of

__all__ = ["ColourHistograms", "colour_bins", "uniform_patterns"]

_NEIGHBOURS = 8
_PATTERNS = _NEIGHBOURS + 2


@features_of(Colour)
class ColourHistograms(nn.Module):
    """Pixels to one vector per image, returned as a map of one cell.

    The square roots of the shares of colours and patterns, of the whole picture and then
    of each cell of the grid.
    """

    def __init__(self, options: Colour, size: tuple[int, int]) -> None:
        """Prepare for an input size.

        Args:
            options: of the descriptor.
            size: height and width of the input in pixels.

        Raises:
            EvocaError: the pictures have fewer pixels along a side than the grid has cells.
        """
        super().__init__()
        if min(size) < options.grid:
            raise EvocaError(
                f"model.grid: pictures of {size[0]} x {size[1]} pixels have no "
                f"{options.grid} x {options.grid} cells"
            )
        self.options = options

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, D, 1, 1) of uint8 images (N, H, W, 3)."""
        pixels = image.to(torch.int32)
        colours = _one_hot(colour_bins(pixels, self.options.bins), math.prod(self.options.bins))
        patterns = _one_hot(uniform_patterns(_grey(pixels)), _PATTERNS)
        counted = torch.cat([colours, patterns], dim=1)
        step = [length // self.options.grid for length in counted.shape[2:]]
        cells = nn.functional.avg_pool2d(counted, step)[
            :, :, : self.options.grid, : self.options.grid
        ]
        shares = torch.cat([counted.mean(dim=(2, 3))[:, :, None], cells.flatten(2)], dim=2)
        return shares.sqrt().flatten(1)[:, :, None, None]


def _one_hot(index: Tensor, count: int) -> Tensor:
    """Return (N, count, H, W) of indices (N, H, W)."""
    bins = torch.arange(count, device=index.device, dtype=index.dtype)
    return (index[:, None] == bins[:, None, None]).to(torch.float32)


def colour_bins(pixels: Tensor, bins: tuple[int, int, int]) -> Tensor:
    """Return the joint bin of hue, saturation and value.

    In whole numbers: no bin depends on how a fraction was rounded.

    Args:
        pixels: int32 (N, H, W, 3), RGB, 0..255.
        bins: of hue, saturation and value.

    Returns:
        int32 (N, H, W).
    """
    red, green, blue = pixels.unbind(dim=3)
    value = torch.maximum(torch.maximum(red, green), blue)
    delta = value - torch.minimum(torch.minimum(red, green), blue)
    turn = torch.where(
        blue == value,
        4 * delta + red - green,
        torch.where(green == value, 2 * delta + blue - red, green - blue),
    )
    turn = torch.where(turn < 0, turn + 6 * delta, turn)
    hue = _share(turn, 6 * delta, bins[0])
    saturation = _share(delta, value, bins[1])
    return (hue * bins[1] + saturation) * bins[2] + _share(
        value, torch.full_like(value, 255), bins[2]
    )


def _share(part: Tensor, whole: Tensor, bins: int) -> Tensor:
    found = torch.div(part * bins, whole.clamp(min=1), rounding_mode="floor")
    return found.clamp(max=bins - 1)


def _grey(pixels: Tensor) -> Tensor:
    """Return luma in whole numbers (ITU-R BT.601), float64 (N, H, W)."""
    red, green, blue = pixels.unbind(dim=3)
    luma = 299 * red + 587 * green + 114 * blue + 500
    return torch.div(luma, 1000, rounding_mode="floor").double()


def uniform_patterns(grey: Tensor) -> Tensor:
    """Return the number of neighbours as bright as each pixel; 9 where they change too often.

    Args:
        grey: float64 (N, H, W). In double precision, and in scikit-image's order: in an
            even area rounding decides whether a diagonal neighbour is as bright.

    Returns:
        int32 (N, H, W), 0..9.
    """
    signs = [(value >= grey).to(torch.int32) for value in _around(grey)]
    changes = torch.stack([(a != b).to(torch.int32) for a, b in pairwise(signs)]).sum(dim=0)
    bright = torch.stack(signs).sum(dim=0).to(torch.int32)
    return torch.where(changes <= 2, bright, torch.full_like(bright, _PATTERNS - 1))


def _around(grey: Tensor) -> list[Tensor]:
    """Return the eight neighbours at distance 1, between pixels by bilinear interpolation."""
    height, width = grey.shape[1:]
    padded = nn.functional.pad(grey, (1, 1, 1, 1))
    rows, columns = torch.arange(height).double(), torch.arange(width).double()
    found = []
    for number in range(_NEIGHBOURS):
        angle = 2 * math.pi * number / _NEIGHBOURS
        row, column = round(-math.sin(angle), 5), round(math.cos(angle), 5)
        down = (rows + row - (rows + row).floor())[:, None]
        right = columns + column - (columns + column).floor()
        top, left = 1 + math.floor(row), 1 + math.floor(column)
        bottom, far = 1 + math.ceil(row), 1 + math.ceil(column)

        def at(r: int, c: int) -> Tensor:
            return padded[:, r : r + height, c : c + width]

        above = (1 - right) * at(top, left) + right * at(top, far)
        below = (1 - right) * at(bottom, left) + right * at(bottom, far)
        found.append((1 - down) * above + down * below)
    return found
