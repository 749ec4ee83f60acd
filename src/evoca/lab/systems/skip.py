"""The first stages' maps brought to the fourth's shape and added to it.

najid2018, section III.D and figure 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from evoca.lab.backbones import Trunk
from evoca.lab.config.models import Skip
from evoca.lab.systems.base import Surroundings, registered
from evoca.lab.systems.classifier import Head, PooledClassifier

__all__ = ["SkipClassifier"]

_FROM = 3  # stages that are brought to the shape of the one after them

_Shape = tuple[int, int, int]


class Sample(nn.Module):
    """The cells of a map that a 1 x 1 convolution with a stride reads."""

    def __init__(self, trunk: Trunk, source: _Shape, target: _Shape) -> None:
        super().__init__()
        self._map_of = trunk.map_of
        self.rows, self.columns = target[1:]
        self.stride = (source[1] // target[1], source[2] // target[2])

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, rows, columns) of what a stage returned."""
        maps = self._map_of(x)[:, :, :: self.stride[0], :: self.stride[1]]
        return maps[:, :, : self.rows, : self.columns]

    def extra_repr(self) -> str:
        """Say the stride and the shape."""
        return f"stride={self.stride}, rows={self.rows}, columns={self.columns}"


class Shortcuts(nn.Module):
    """1 x 1 convolutions with batch normalisation, added to a stage's output.

    The strides are in :class:`Sample`: a strided 1 x 1 convolution is a plain one on the
    cells that it reads.
    """

    def __init__(self, trunk: Trunk, sources: Sequence[_Shape], channels: int, gain: float) -> None:
        super().__init__()
        self._add = trunk.add
        self.convolutions = nn.ModuleList()
        for source, _, _ in sources:
            norm = nn.BatchNorm2d(channels)
            nn.init.constant_(norm.weight, gain)
            convolution = nn.Conv2d(source, channels, 1, bias=False)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            self.convolutions.append(nn.Sequential(convolution, norm))

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Return x with the shortcuts of its sampled maps added."""
        x, *maps = inputs
        answers = [run(m) for run, m in zip(self.convolutions, maps, strict=True)]
        return self._add(x, torch.stack(answers).sum(dim=0))


class Carrying(nn.Module):
    """A stage that passes on the sampled maps of those before it, and may add its own."""

    def __init__(self, stage: nn.Module, sample: nn.Module | None) -> None:
        super().__init__()
        self.stage = stage
        self.sample = sample

    def forward(self, inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return what the stage gives, then the maps so far."""
        x, *maps = inputs if isinstance(inputs, tuple) else (inputs,)
        x = self.stage(x)
        return (x, *maps) if self.sample is None else (x, *maps, self.sample(x))


class SkipClassifier(PooledClassifier):
    """A classifier whose last stage sees the maps of all before it."""

    def __init__(self, trunk: Trunk, shapes: Sequence[_Shape], gain: float, head: Head) -> None:
        """Join a trunk, shortcuts and a head.

        Args:
            trunk: the backbone.
            shapes: (C, h, w) of each stage's map.
            gain: of the shortcuts, at the start.
            head: on the averaged last map.
        """
        super().__init__(trunk, "mean", head, shapes[-1][1:])
        sources, target = shapes[:_FROM], shapes[_FROM]
        self.samples = nn.ModuleList(Sample(trunk, source, target) for source in sources)
        self.skip = Shortcuts(trunk, sources, target[0], gain)

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the shortcuts and the head."""
        return {"skip": [self.skip], "head": [self.head]}

    def chain(self) -> list[nn.Module]:
        """Return stages that carry maps, the shortcuts, the last stage, pool and head."""
        *first, stage3, stage4 = self.trunk.stages()
        carrying = [Carrying(s, m) for s, m in zip(first, self.samples, strict=True)]
        return [*carrying, Carrying(stage3, None), self.skip, stage4, self.pool, self.head]

    def last_stage(self, image: Tensor) -> Tensor:
        """Return what the last stage gives of images."""
        *first, stage3, stage4 = self.trunk.stages()
        x, maps = image, []
        for stage, sample in zip(first, self.samples, strict=True):
            x = stage(x)
            maps.append(sample(x))
        return cast("Tensor", stage4(self.skip((stage3(x), *maps))))


@registered(Skip)
def build(options: Skip, around: Surroundings) -> SkipClassifier:
    """Build a classifier with shortcuts."""
    trunk = around.trunk(options)
    shapes = trunk.shapes(*around.size)
    head = Head(shapes[-1][0], (), around.labels, options.dropout)
    return SkipClassifier(trunk, shapes, options.gain, head)
