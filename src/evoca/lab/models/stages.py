"""Classifiers that read all stages of a backbone: an ensemble, shortcuts, a recurrent network.

An ensemble has a softmax classifier on each stage, and averages them (najid2018, section
III.D and figure 4). Shortcuts bring the first stages' maps to the fourth's shape and add
them to it (najid2018, section III.D and figure 5). The recurrent network reads every
stage's features and makes one prediction per stage (zhu2017, as najid2018 describes it in
section II: a bidirectional GRU in its own abstract).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from evoca.lab.backbones import Trunk
from evoca.lab.config.models import Recurrent, Skip, StageEnsemble
from evoca.lab.models.base import Pool, StagedSystem, Surroundings, SystemOutputs, registered
from evoca.lab.models.classifier import Head, PooledClassifier

__all__ = ["Average", "Dense", "Ensemble", "RecurrentEnsemble", "SkipClassifier", "collecting"]


class Average(nn.Module):
    """The branches' probabilities averaged with learnt weights.

    The weights are the softmax of five numbers that start at 0: positive, of sum 1, and
    equal at first. The logit of a label is the log of its averaged probability.
    """

    def __init__(self, branches: int) -> None:
        super().__init__()
        self.balance = nn.Parameter(torch.zeros(branches))

    def forward(self, branch_logits: Tensor) -> Tensor:
        """Return (N, K) of (N, B, K)."""
        log_weights = self.balance.log_softmax(dim=0)[:, None]
        return torch.logsumexp(branch_logits.log_softmax(dim=2) + log_weights, dim=1)


class Dense(nn.Module):
    """A layer on all branches' probabilities side by side: 40 to 8 for eight labels.

    It starts as the plain average of the branches' probabilities.
    """

    def __init__(self, branches: int, labels: int) -> None:
        super().__init__()
        self.layer = nn.Linear(branches * labels, labels)
        with torch.no_grad():
            self.layer.weight.copy_(torch.eye(labels).repeat(1, branches) / branches)
            self.layer.bias.zero_()

    def forward(self, branch_logits: Tensor) -> Tensor:
        """Return (N, K) of (N, B, K)."""
        return cast("Tensor", self.layer(branch_logits.softmax(dim=2).flatten(1)))


class Branches(nn.Module):
    """A linear layer on each stage's vector, and what joins their predictions."""

    def __init__(self, layers: nn.ModuleList, stacking: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.stacking = stacking

    def forward(self, vectors: tuple[Tensor, ...]) -> SystemOutputs:
        """Return logits of one vector (N, D) per branch."""
        branches = [layer(vector) for layer, vector in zip(self.layers, vectors, strict=True)]
        logits = torch.stack(branches, dim=1)
        return SystemOutputs(self.stacking(logits), branch_logits=logits)


class Collecting(nn.Module):
    """A stage that passes on the vectors of those before it, and adds its own."""

    def __init__(self, stage: nn.Module, pool: nn.Module) -> None:
        super().__init__()
        self.stage = stage
        self.pool = pool

    def forward(self, inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the stage's output, then the vectors so far."""
        x, *vectors = inputs if isinstance(inputs, tuple) else (inputs,)
        x = self.stage(x)
        return (x, *vectors, self.pool(x))


class Passing(nn.Module):
    """A part of a stage, which passes on the vectors of the stages before it."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the part's output, then the vectors so far."""
        x, *vectors = inputs if isinstance(inputs, tuple) else (inputs,)
        return (self.part(x), *vectors)


def collecting(stages: Sequence[nn.Module], pool: nn.Module) -> list[nn.Module]:
    """Return modules that compute stages one after the other, and a vector of each.

    A stage that is a sequence of parts is one module per part, so that what a step leaves
    frozen within a stage can be cached.
    """
    found: list[nn.Module] = []
    for stage in stages:
        parts = list(stage.children()) if isinstance(stage, nn.Sequential) else [stage]
        found += [Passing(part) for part in parts[:-1]]
        found.append(Collecting(parts[-1], pool))
    return found


class Vectors(nn.Module):
    """The vectors alone."""

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the vectors without the last stage's output."""
        return inputs[1:]


class Ensemble(StagedSystem):
    """A trunk with a branch on each of its five stages. It has no exact evidence map."""

    branches: nn.Module

    def __init__(self, trunk: Trunk, branches: nn.Module) -> None:
        super().__init__(trunk)
        self.pool = Pool(trunk, "mean")
        self.branches = branches

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the branches' layers, what joins them, and both as the head."""
        branches = cast("Branches", self.branches)
        layers, stacking = branches.layers, branches.stacking
        return {"branches": [layers], "stacking": [stacking], "head": [layers, stacking]}

    def chain(self) -> list[nn.Module]:
        """Return stages that collect vectors, and the branches."""
        return [*collecting(self.trunk.stages(), self.pool), Vectors(), self.branches]

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return logits; outside training also the last stage's vector as embedding."""
        x, vectors = image, []
        for stage in self.trunk.stages():
            x = stage(x)
            vectors.append(self.pool(x))
        outputs: SystemOutputs = self.branches(tuple(vectors))
        return outputs if self.training else outputs._replace(embedding=vectors[-1])


@registered(StageEnsemble)
def build(options: StageEnsemble, around: Surroundings) -> Ensemble:
    """Return an ensemble."""
    trunk = around.trunk(options)
    shapes = trunk.shapes(*around.size)
    layers = nn.ModuleList(nn.Linear(channels, around.labels) for channels, _, _ in shapes)
    average = options.combine == "average"
    stacking = Average(len(shapes)) if average else Dense(len(shapes), around.labels)
    return Ensemble(trunk, Branches(layers, stacking))


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
        """Return the stride and the shape."""
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
        branches = [run(m) for run, m in zip(self.convolutions, maps, strict=True)]
        return self._add(x, torch.stack(branches).sum(dim=0))


class Carrying(nn.Module):
    """A stage that passes on the sampled maps of those before it, and may add its own."""

    def __init__(self, stage: nn.Module, sample: nn.Module | None) -> None:
        super().__init__()
        self.stage = stage
        self.sample = sample

    def forward(self, inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the stage's output, then the maps so far."""
        x, *maps = inputs if isinstance(inputs, tuple) else (inputs,)
        x = self.stage(x)
        return (x, *maps) if self.sample is None else (x, *maps, self.sample(x))


class SkipClassifier(PooledClassifier):
    """A classifier whose last stage takes the maps of all before it."""

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
        """Return the last stage's output for images."""
        *first, stage3, stage4 = self.trunk.stages()
        x, maps = image, []
        for stage, sample in zip(first, self.samples, strict=True):
            x = stage(x)
            maps.append(sample(x))
        return cast("Tensor", stage4(self.skip((stage3(x), *maps))))


@registered(Skip)
def build_skip(options: Skip, around: Surroundings) -> SkipClassifier:
    """Return a classifier with shortcuts."""
    trunk = around.trunk(options)
    shapes = trunk.shapes(*around.size)
    head = Head(shapes[-1][0], (), around.labels, options.dropout)
    return SkipClassifier(trunk, shapes, options.gain, head)


class Levels(nn.Module):
    """Vectors brought to one width, a GRU along them in both directions, a layer on each."""

    def __init__(self, widths: Sequence[int], labels: int, options: Recurrent) -> None:
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(width, options.width) for width in widths)
        self.gru = nn.GRU(options.width, options.units, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(options.dropout)
        self.layers = nn.ModuleList(nn.Linear(2 * options.units, labels) for _ in widths)
        self.stacking = Average(len(widths))

    def forward(self, vectors: tuple[Tensor, ...]) -> SystemOutputs:
        """Return logits of one vector (N, D) per stage, from the input upwards."""
        pairs = zip(self.projections, vectors, strict=True)
        sequence = torch.stack([run(vector) for run, vector in pairs], dim=1).tanh()
        states = self.dropout(self.gru(sequence)[0])
        branches = [run(state) for run, state in zip(self.layers, states.unbind(1), strict=True)]
        logits = torch.stack(branches, dim=1)
        return SystemOutputs(self.stacking(logits), branch_logits=logits)


class RecurrentEnsemble(Ensemble):
    """A trunk whose five stages are a sequence. It has no exact evidence map."""

    branches: Levels

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the recurrent network, what joins the predictions, and all as the head."""
        levels = self.branches
        return {
            "recurrent": [levels.projections, levels.gru],
            "stacking": [levels.stacking],
            "head": [levels],
        }


@registered(Recurrent)
def build_recurrent(options: Recurrent, around: Surroundings) -> RecurrentEnsemble:
    """Return a sequence of stages."""
    trunk: Trunk = around.trunk(options)
    widths = [channels for channels, _, _ in trunk.shapes(*around.size)]
    return RecurrentEnsemble(trunk, Levels(widths, around.labels, options))
