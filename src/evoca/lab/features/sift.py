"""SIFT descriptors on a grid (Lowe 2004; on grids, Bosch et al. 2007) as a network without weights.

What OpenCV's ``SIFT.compute`` returns for upright key points, before it rounds to bytes, in
operators that a bundle may hold.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.config.models import SiftWords
from evoca.lab.features.extract import features_of

__all__ = ["LENGTH", "DenseSift"]

_CELLS, _DIRECTIONS = 4, 8
LENGTH = _CELLS * _CELLS * _DIRECTIONS
"""Numbers of a descriptor."""

# Lowe's: a camera blurs by 0.5 pixels, the first level of his scale space by 1.6.
_BLUR = math.sqrt(1.6**2 - 0.5**2)
_REACH = 6  # of the blur's kernel, in pixels to either side
_CLIP, _LONGEST, _LARGEST = 0.2, 512.0, 255.0
_FLOOR = 1e-3  # added to the length of a descriptor: even areas have none


@features_of(SiftWords)
class DenseSift(nn.Module):
    """Pixels to all descriptors of the grid side by side, returned as a map of one cell.

    Each has 4 x 4 cells of 8 directions; gradients count with their magnitude, less towards
    the rim, shared among the nearest cells and directions.
    """

    def __init__(self, options: SiftWords, size: tuple[int, int]) -> None:
        """Lay out the grid.

        Args:
            options: of the descriptor.
            size: height and width of the input in pixels.

        Raises:
            EvocaError: the pictures are smaller than a step.
        """
        super().__init__()
        first = options.step // 2
        if min(size) <= max(first, _REACH):
            raise EvocaError(
                f"model.step: the pictures are smaller than {max(options.step, _REACH + 1)} pixels"
            )
        self.step = options.step
        cell = options.diameter / _CELLS
        self.reach = max(math.ceil((_CELLS + 1) / 2 * cell), first)
        # How far the kernels begin before the picture, and how far they may end behind it.
        self.margins = (self.reach - first, self.reach)
        self.register_buffer("blur", _blur())
        self.register_buffer("cells", _cells(cell, self.reach))
        self.register_buffer("directions", torch.arange(_DIRECTIONS, dtype=torch.float32))

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, P 128, 1, 1) of uint8 images (N, H, W, 3)."""
        down, across = self._gradients(_grey(image))
        votes = self._votes(-down, across)
        return self._descriptors(votes).flatten(1)[:, :, None, None]

    def _gradients(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Return the blurred picture's differences down and across, (N, H - 2, W - 2).

        Differences first, in whole numbers: in even areas they are 0, and stay it.
        """
        wide = nn.functional.pad(grey[:, None], (_REACH,) * 4, mode="reflect")
        kernel = cast("Tensor", self.blur)
        found = []
        for difference in (
            wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1],
            wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2],
        ):
            blurred = nn.functional.conv2d(difference, kernel[None, None, :, None])
            found.append(nn.functional.conv2d(blurred, kernel[None, None, None, :])[:, 0])
        return found[0], found[1]

    def _votes(self, up: Tensor, across: Tensor) -> Tensor:
        """Return each pixel's magnitude, shared by its two nearest directions, (N, 8, H, W)."""
        magnitude = (up * up + across * across).sqrt()
        direction = torch.atan2(up, across) * (_DIRECTIONS / (2 * math.pi))
        apart = (direction[:, None] - cast("Tensor", self.directions)[:, None, None]).abs()
        apart = torch.minimum(apart, _DIRECTIONS - apart).abs()
        shares = magnitude[:, None] * (1 - apart).clamp(min=0)
        return nn.functional.pad(shares, (1, 1, 1, 1))

    def _descriptors(self, votes: Tensor) -> Tensor:
        """Return the sums of votes in the cells around each place of the grid, (N, P, 128)."""
        before, behind = self.margins
        votes = nn.functional.pad(votes, (before, behind, before, behind))
        rows, columns = _each(cast("Tensor", self.cells), votes.shape[1])
        counted = nn.functional.conv2d(
            votes, rows[..., None], stride=(self.step, 1), groups=votes.shape[1]
        )
        counted = nn.functional.conv2d(
            counted, columns[:, :, None], stride=(1, self.step), groups=counted.shape[1]
        )
        # (directions, rows, columns of cells) to OpenCV's (rows, columns, directions).
        places = counted.shape[2] * counted.shape[3]
        apart = counted.reshape(-1, _DIRECTIONS, _CELLS * _CELLS, places)
        return _scaled(apart.permute(0, 3, 2, 1).flatten(2))


def _grey(image: Tensor) -> Tensor:
    """Return luma (ITU-R BT.601), rounded as pictures are, float32 (N, H, W)."""
    red, green, blue = image.to(torch.int32).unbind(dim=3)
    # In OpenCV's whole numbers.
    luma = 4899 * red + 9617 * green + 1868 * blue + 8192
    return torch.div(luma, 16384, rounding_mode="floor").to(torch.float32)


def _blur() -> Tensor:
    weights = [math.exp(-(n**2) / (2 * _BLUR**2)) for n in range(-_REACH, _REACH + 1)]
    return torch.tensor(weights) / sum(weights)


def _cells(cell: float, reach: int) -> Tensor:
    """Return the weights of the pixels along one side for its four cells, (4, 2 reach + 1)."""
    place = torch.arange(-reach, reach + 1, dtype=torch.float64) / cell
    centres = torch.arange(_CELLS, dtype=torch.float64) - (_CELLS - 1) / 2
    near = (1 - (place - centres[:, None]).abs()).clamp(min=0)
    # A Gaussian of half the descriptor's width.
    return (near * torch.exp(-(place**2) / (_CELLS**2 / 2))).to(torch.float32)


def _each(cells: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Return kernels (4, L), repeated for grouped convolutions down, then across: (C, 1, L)."""
    rows = cells.repeat(channels, 1)[:, None]
    return rows, cells.repeat(channels * _CELLS, 1)[:, None]


def _scaled(descriptors: Tensor) -> Tensor:
    """Return each (..., 128), large values clipped, scaled to a length of 512."""
    length = _length(descriptors) + _FLOOR
    clipped = torch.minimum(descriptors, _CLIP * length)
    return (clipped * (_LONGEST / (_length(clipped) + _FLOOR))).clamp(max=_LARGEST)


def _length(descriptors: Tensor) -> Tensor:
    return (descriptors * descriptors).sum(dim=-1, keepdim=True).sqrt()
