"""Histograms of oriented gradients (Dalal & Triggs 2005) as a network without weights.

What scikit-image's ``feature.hog`` computes, in operators that a bundle may hold.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.config.models import Hog
from evoca.lab.features.extract import features_of

__all__ = ["OrientedGradients"]

_EPSILON, _CLIP = 1e-5, 0.2  # of the block normalisation L2-Hys


@features_of(Hog)
class OrientedGradients(nn.Module):
    """Pixels to one vector per image, returned as a map of one cell.

    Gradients are central differences of the channel where they are largest, 0 at the
    borders; each counts with its magnitude in the bin of its direction over 180 degrees.
    """

    def __init__(self, options: Hog, size: tuple[int, int]) -> None:
        """Prepare for an input size.

        Args:
            options: of the descriptor.
            size: height and width of the input in pixels.

        Raises:
            EvocaError: a block does not fit in.
        """
        super().__init__()
        if min(size) < options.cell * options.block:
            raise EvocaError(
                f"pictures of {size[0]} x {size[1]} pixels hold no block of {options.block} x "
                f"{options.block} cells of {options.cell} pixels"
            )
        self.options = options
        turns = [math.pi * n / options.orientations for n in range(1, options.orientations)]
        # In double precision: where a direction lies near the edge of a bin, single is not
        # enough to find the side as scikit-image does.
        self.register_buffer("cosine", torch.tensor([math.cos(t) for t in turns]).double())
        self.register_buffer("sine", torch.tensor([math.sin(t) for t in turns]).double())

    def forward(self, image: Tensor) -> Tensor:
        """Return (N, D, 1, 1) of uint8 images (N, H, W, 3)."""
        down, across = _gradients(image.to(torch.int32))
        magnitude = (down * down + across * across).to(torch.float32).sqrt()
        turned = (down < 0) | ((down == 0) & (across < 0))
        sign = 1 - 2 * turned.to(torch.int32)
        y, x = (down * sign).double()[:, None], (across * sign).double()[:, None]
        cosine, sine = cast("Tensor", self.cosine), cast("Tensor", self.sine)
        beyond = y * cosine[:, None, None] >= x * sine[:, None, None]
        place = beyond.to(torch.int32).sum(dim=1, keepdim=True)
        bins = torch.arange(self.options.orientations, device=image.device)
        votes = magnitude[:, None] * (place == bins[:, None, None]).to(torch.float32)
        cells = nn.functional.avg_pool2d(votes, self.options.cell)
        return self._blocks(cells).flatten(1)[:, :, None, None]

    def _blocks(self, cells: Tensor) -> Tensor:
        """Return overlapping blocks of cells (N, O, h, w), normalised (L2-Hys)."""
        side = self.options.block
        rows, columns = cells.shape[2] - side + 1, cells.shape[3] - side + 1
        parts = [
            cells[:, :, r : r + rows, c : c + columns] for r in range(side) for c in range(side)
        ]
        blocks = torch.stack(parts, dim=1).permute(0, 3, 4, 1, 2).flatten(3)
        return _unit(_unit(blocks).clamp(max=_CLIP))


def _unit(blocks: Tensor) -> Tensor:
    # x / sqrt(|x|^2 + e^2), in units of e: the export takes a sum with 1e-10 for one with 0.
    scaled = blocks / _EPSILON
    return scaled / ((scaled * scaled).sum(dim=-1, keepdim=True) + 1).sqrt()


def _gradients(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the largest channel's differences down and across, each (N, H, W)."""
    down = nn.functional.pad(pixels[:, 2:] - pixels[:, :-2], (0, 0, 0, 0, 1, 1))
    across = nn.functional.pad(pixels[:, :, 2:] - pixels[:, :, :-2], (0, 0, 1, 1))
    largest = (down * down + across * across).argmax(dim=3, keepdim=True)
    return down.gather(3, largest)[..., 0], across.gather(3, largest)[..., 0]
