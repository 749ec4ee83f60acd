"""FractalNet: columns of different depth, joined by their mean, with drop-path.

Larsson, Maire and Shakhnarovich 2017, FractalNet: Ultra-Deep Neural Networks without
Residuals: the expansion of equation 2 and figure 1, the drop-path of section 3.1, the
network of section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from evoca.strict import Strict

__all__ = ["DropPathJoin", "FractalBlock", "FractalNet", "FractalOptions"]

_BLOCKS = 5
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
        global_share: share of the batches that follow a single column through the whole
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

    @property
    def drops(self) -> bool:
        """Whether there is drop-path."""
        return self.join == "mean" and bool(self.local_drop or self.global_share)


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

    def within_subnetwork(self, x: Tensor) -> Tensor:
        """Return the same, normalised by the batch; its statistics stay out of the average."""
        norm = self.norm
        if not (isinstance(norm, nn.BatchNorm2d) and norm.training):
            return cast("Tensor", self(x))
        normal = functional.batch_norm(
            self.conv(x), None, None, norm.weight, norm.bias, training=True, eps=norm.eps
        )
        return normal.relu()


class Subnetworks:
    """Which subnetwork each batch trains: one draw for all blocks.

    Blocks read the draw in their order. The first that reads begins a new draw; the blocks
    before it may be frozen or cached.
    """

    def __init__(self, columns: int, share: float) -> None:
        self._columns = columns
        self._share = share
        self._asked = -1
        self._column: int | None = None
        self._whole: Tensor | None = None

    def of(self, block: int, x: Tensor) -> tuple[int | None, Tensor]:
        """Return the column and the input of a block.

        Args:
            block: its number, from 0.
            x: its input of the subnetwork, (N, C, h, w).

        Returns:
            The column that the batch follows alone, ``None`` where it has local drop-path;
            and the block's input (N, C, h, w) of the whole network, which drops nothing.
        """
        if self._whole is None or block <= self._asked or len(self._whole) != len(x):
            alone = bool(torch.rand(()) < self._share)
            self._column = int(torch.randint(self._columns, ())) if alone else None
            self._whole = x.detach()
        elif block > self._asked + 1:
            self._whole = x.detach()  # the blocks between are frozen, and stored nothing
        self._asked = block
        return self._column, self._whole

    def keep(self, block: int, whole: Tensor) -> None:
        """Store a block's output of the whole network, the input of the next."""
        self._whole = None if block == _BLOCKS - 1 else whole


class DropPathJoin(nn.Module):
    """The mean of those inputs that are not dropped.

    Local: each input is dropped by itself, and one at least survives. Global: the input
    of the batch's own column alone survives. One draw serves a batch, as in the paper.
    """

    def __init__(self, p: float, kind: Literal["mean", "sum"]) -> None:
        super().__init__()
        self.p = p
        self.kind = kind

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return all maps, each (N, C, h, w), joined."""
        stacked = torch.stack(list(inputs))
        return stacked.sum(dim=0) if self.kind == "sum" else stacked.mean(dim=0)

    def of_alive(
        self, inputs: Sequence[Tensor], columns: Sequence[int], column: int | None
    ) -> Tensor:
        """Return the maps that are not dropped, joined.

        Args:
            inputs: each (N, C, h, w).
            columns: which each comes from.
            column: which the batch follows alone; ``None`` drops each by itself.
        """
        if len(inputs) == 1:
            return inputs[0]
        # Dropped ones have weight 0 and are not left out: every weight of the network has a
        # gradient in every batch, which data-parallel training counts on.
        alive = self._alive(columns, column).to(inputs[0])
        weights = alive / alive.sum()
        return (torch.stack(list(inputs)) * weights[:, None, None, None, None]).sum(dim=0)

    def _alive(self, columns: Sequence[int], column: int | None) -> Tensor:
        """Return which inputs are not dropped, bool (inputs,)."""
        if column in columns:
            return torch.tensor([own == column for own in columns])
        # A join without the batch's column feeds only columns that are dropped later.
        alive = torch.rand(len(columns)) >= self.p
        if not alive.any():
            alive[torch.randint(len(columns), ())] = True
        return alive

    def extra_repr(self) -> str:
        """Return the options of the join."""
        return f"{self.kind}, p={self.p}"


class FractalBlock(nn.Module):
    """Columns that meet wherever their layers end at the same depth, then pooling.

    At depth d of 2^(C-1), the columns whose layers span a divisor of d each end one;
    all of them continue from their join.
    """

    def __init__(
        self, number: int, before: int, after: int, options: FractalOptions, drawn: Subnetworks
    ) -> None:
        """Build a block.

        Args:
            number: of the block, from 0.
            before: channels of its input.
            after: channels of its output.
            options: of the network.
            drawn: shared by all blocks.
        """
        super().__init__()
        self._number = number
        self._drawn = drawn
        self._drops = options.drops
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
        if not (self.training and self._drops):
            return cast("Tensor", self.dropout(self.pool(self._walk(x, Layer.__call__, self._all))))
        column, whole = self._drawn.of(self._number, x)
        # The averages that normalise in evaluation are those of the whole network, since that
        # is what is evaluated: the mean of several columns varies less than any of them, and
        # by averages over subnetworks it would fade, block after block, to a constant.
        with torch.no_grad():
            self._drawn.keep(self._number, self.pool(self._walk(whole, Layer.__call__, self._all)))

        def joined(outputs: Sequence[Tensor], ending: Sequence[int]) -> Tensor:
            return self.join.of_alive(outputs, ending, column)

        return cast(
            "Tensor", self.dropout(self.pool(self._walk(x, Layer.within_subnetwork, joined)))
        )

    def _all(self, outputs: Sequence[Tensor], ending: Sequence[int]) -> Tensor:
        del ending
        return cast("Tensor", self.join(outputs))

    def _walk(
        self,
        x: Tensor,
        run: Callable[[Layer, Tensor], Tensor],
        joined: Callable[[Sequence[Tensor], Sequence[int]], Tensor],
    ) -> Tensor:
        depth = 2 ** (len(self.columns) - 1)
        values = [x] * len(self.columns)
        for d in range(1, depth + 1):
            ending = [c for c in range(len(self.columns)) if d % (depth >> c) == 0]
            outputs = [run(self._layer(c, d // (depth >> c) - 1), values[c]) for c in ending]
            through = joined(outputs, ending)
            for column in ending:
                values[column] = through
        return values[-1]

    def _layer(self, column: int, place: int) -> Layer:
        return cast("Layer", cast("nn.ModuleList", self.columns[column])[place])


class FractalNet(nn.Module):
    """Five fractal blocks, each of which halves the map."""

    def __init__(self, options: FractalOptions) -> None:
        super().__init__()
        drawn = Subnetworks(options.columns, options.global_share)
        widths = (3, *options.filters)
        blocks = [
            FractalBlock(number, widths[number], widths[number + 1], options, drawn)
            for number in range(_BLOCKS)
        ]
        self.block1, self.block2, self.block3, self.block4, self.block5 = blocks

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the last map of normalised pixels (N, 3, H, W)."""
        x = pixels
        for block in (self.block1, self.block2, self.block3, self.block4, self.block5):
            x = block(x)
        return x
