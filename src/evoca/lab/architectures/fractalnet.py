"""FractalNet: columns of different depth, joined by their mean, with drop-path.

Larsson, Maire and Shakhnarovich 2017, FractalNet: Ultra-Deep Neural Networks without
Residuals: the expansion of equation 2 and figure 1, the drop-path of section 3.1, the
network of section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from evoca.lab.layered import Strict

__all__ = ["DropPathJoin", "FractalBlock", "FractalNet", "FractalOptions"]

_Filters = Annotated[int, Field(ge=1, le=4096)]
_Share = Annotated[float, Field(ge=0, lt=1)]


class FractalOptions(Strict):
    """What decides the network.

    Attributes:
        columns: C; column k has 2^k layers a block, so the deepest path through five
            blocks has 5 x 2^(C-1).
        filters: channels of each of the five blocks.
        dropout: of single values, after each block.
        local_drop: how often local drop-path leaves out an input of a join.
        global_share: share of the images that follow a single column through the whole
            network; the others have local drop-path.
        join: ``mean`` of the live inputs, as the paper has it; ``sum`` is there to
            compare gradients, and has no drop-path.
        normalise: batch normalisation after each convolution; likewise to compare.
    """

    columns: Annotated[int, Field(ge=1, le=6)] = 3
    filters: tuple[_Filters, _Filters, _Filters, _Filters, _Filters] = (64, 128, 256, 512, 512)
    dropout: tuple[_Share, _Share, _Share, _Share, _Share] = (0.0, 0.1, 0.2, 0.3, 0.4)
    local_drop: _Share = 0.15
    global_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    join: Literal["mean", "sum"] = "mean"
    normalise: bool = True


class Layer(nn.Module):
    """A 3 x 3 convolution, batch normalisation, ReLU."""

    def __init__(self, before: int, after: int, *, normalise: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, 1, 1, bias=not normalise)
        self.norm = nn.BatchNorm2d(after) if normalise else nn.Identity()
        nn.init.xavier_uniform_(self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, after, h, w) of (N, before, h, w)."""
        return cast("Tensor", self.norm(self.conv(x)).relu())


class GlobalPaths:
    """Which column each image of a batch follows alone: one draw for all blocks.

    Blocks ask in their order. Whichever block asks first, since those before it may be
    frozen or kept, begins a new draw.
    """

    def __init__(self, columns: int, share: float) -> None:
        self._columns = columns
        self._share = share
        self._asked = -1
        self._drawn: Tensor | None = None

    def of(self, block: int, images: int, device: torch.device) -> Tensor:
        """Return int (N,): a column, or -1 where the image has local drop-path."""
        if self._drawn is None or block <= self._asked or len(self._drawn) != images:
            column = torch.randint(self._columns, (images,), device=device)
            local = torch.rand(images, device=device) >= self._share
            self._drawn = column.masked_fill(local, -1)
        self._asked = block
        return self._drawn


class DropPathJoin(nn.Module):
    """The mean of those inputs that are not dropped; in evaluation, of all.

    Local: each input is dropped by itself, and one at least survives. Global: the input
    of the image's own column alone survives.
    """

    def __init__(self, p: float, kind: Literal["mean", "sum"]) -> None:
        super().__init__()
        self.p = p
        self.kind = kind

    def forward(
        self, inputs: Sequence[Tensor], columns: Sequence[int], path: Tensor | None
    ) -> Tensor:
        """Join maps.

        Args:
            inputs: each (N, C, h, w).
            columns: which each comes from.
            path: int (N,), as :meth:`GlobalPaths.of` gives it; ``None`` drops nothing.
        """
        stacked = torch.stack(list(inputs))
        if self.kind == "sum":
            return stacked.sum(dim=0)
        if path is None or len(inputs) == 1:
            return stacked.mean(dim=0)
        alive = self._alive(torch.tensor(columns, device=path.device), path).to(stacked.dtype)
        weights = alive / alive.sum(dim=0)
        return (stacked * weights[:, :, None, None, None]).sum(dim=0)

    def _alive(self, columns: Tensor, path: Tensor) -> Tensor:
        """Return bool (inputs, N)."""
        shape = (len(columns), len(path))
        alive = torch.rand(shape, device=path.device) >= self.p
        spare = torch.randint(len(columns), (len(path),), device=path.device)
        survivor = torch.arange(len(columns), device=path.device)[:, None] == spare
        alive = torch.where(alive.any(dim=0), alive, survivor)
        own = columns[:, None] == path
        # A join without the image's column feeds only columns that are dropped later.
        return torch.where(own.any(dim=0), own, alive)

    def extra_repr(self) -> str:
        """Say how."""
        return f"{self.kind}, p={self.p}"


class FractalBlock(nn.Module):
    """Columns that meet wherever their layers end at the same depth, then pooling.

    At depth d of 2^(C-1), the columns whose layers span a divisor of d each end one;
    their join is what all of them go on from.
    """

    def __init__(
        self, number: int, before: int, after: int, options: FractalOptions, paths: GlobalPaths
    ) -> None:
        """Build a block.

        Args:
            number: of the block, from 0.
            before: channels of its input.
            after: channels of its output.
            options: of the network.
            paths: shared by all blocks.
        """
        super().__init__()
        self._number = number
        self._paths = paths
        self.columns = nn.ModuleList(
            nn.ModuleList(
                Layer(before if place == 0 else after, after, normalise=options.normalise)
                for place in range(2**column)
            )
            for column in range(options.columns)
        )
        self.join = DropPathJoin(options.local_drop, options.join)
        self.pool = nn.MaxPool2d(2)
        self.dropout = nn.Dropout(options.dropout[number])

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, after, h / 2, w / 2) of (N, before, h, w)."""
        path = self._paths.of(self._number, len(x), x.device) if self.training else None
        depth = 2 ** (len(self.columns) - 1)
        values = [x] * len(self.columns)
        for d in range(1, depth + 1):
            ending = [c for c in range(len(self.columns)) if d % (depth >> c) == 0]
            outputs = [self._layer(c, d // (depth >> c) - 1)(values[c]) for c in ending]
            joined = self.join(outputs, ending, path)
            for column in ending:
                values[column] = joined
        return cast("Tensor", self.dropout(self.pool(values[-1])))

    def _layer(self, column: int, place: int) -> nn.Module:
        return cast("nn.ModuleList", self.columns[column])[place]


class FractalNet(nn.Module):
    """Five fractal blocks, each of which halves the map."""

    def __init__(self, options: FractalOptions) -> None:
        super().__init__()
        paths = GlobalPaths(options.columns, options.global_share)
        widths = (3, *options.filters)
        blocks = [
            FractalBlock(number, widths[number], widths[number + 1], options, paths)
            for number in range(5)
        ]
        self.block1, self.block2, self.block3, self.block4, self.block5 = blocks

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the last map of normalised pixels (N, 3, H, W)."""
        x = pixels
        for block in (self.block1, self.block2, self.block3, self.block4, self.block5):
            x = block(x)
        return x
