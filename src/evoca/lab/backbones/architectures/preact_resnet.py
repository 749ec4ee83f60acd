"""A residual network with full pre-activation.

He et al. 2016, Identity Mappings in Deep Residual Networks: equations 1 to 4 and figure
4(e), on small pictures, so without the first stride and pooling.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, cast

from pydantic import Field
from torch import Tensor, nn

from evoca.strict import Strict

__all__ = ["PreActOptions", "PreActResNet"]

_Count = Annotated[int, Field(ge=1, le=64)]


class PreActOptions(Strict):
    """What decides the network.

    Attributes:
        blocks: residual units of each of the four stages; 2 2 2 2 makes 18 layers.
        width: channels of the first stage; each later one has twice as many.
    """

    blocks: tuple[_Count, _Count, _Count, _Count] = (2, 2, 2, 2)
    width: Annotated[int, Field(ge=1, le=1024)] = 64


class Unit(nn.Module):
    """x + F(x), where F is twice normalisation, ReLU, 3 x 3 convolution.

    Where the shape changes, a 1 x 1 convolution of the first activation stands for x.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        changes = stride != 1 or before != after
        self.shortcut = nn.Conv2d(before, after, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, after, h / stride, w / stride) of (N, before, h, w)."""
        activated = self.norm1(x).relu()
        carried = x if self.shortcut is None else self.shortcut(activated)
        residual = self.conv2(self.norm2(self.conv1(activated)).relu())
        return cast("Tensor", carried + residual)


class PreActResNet(nn.Module):
    """A convolution, four stages of units, and the last normalisation and ReLU.

    The first stage has the whole resolution; each later one halves it. Convolutions
    start as in He et al. 2015, section 2.2.
    """

    def __init__(self, options: PreActOptions) -> None:
        super().__init__()
        widths = [options.width, *(options.width * 2**n for n in range(4))]
        self.conv = nn.Conv2d(3, options.width, 3, 1, 1, bias=False)
        stages = []
        for number, (before, after) in enumerate(pairwise(widths)):
            strides = [1 if number == 0 else 2] + [1] * (options.blocks[number] - 1)
            inputs = [before] + [after] * (options.blocks[number] - 1)
            units = (Unit(own, after, s) for own, s in zip(inputs, strides, strict=True))
            stages.append(nn.Sequential(*units))
        self.stage1, self.stage2, self.stage3, self.stage4 = stages
        self.norm = nn.Sequential(nn.BatchNorm2d(widths[-1]), nn.ReLU())
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the last map of normalised pixels (N, 3, H, W)."""
        x = self.conv(pixels)
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4, self.norm):
            x = stage(x)
        return cast("Tensor", x)
