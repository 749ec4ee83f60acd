"""A softmax classifier on each stage of a backbone, and their average.

najid2018, section III.D and figure 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from evoca.lab.backbones import Trunk
from evoca.lab.config.models import StageEnsemble
from evoca.lab.systems.base import Pool, StagedSystem, Surroundings, registered
from evoca.lab.systems.outputs import SystemOutputs

__all__ = ["Average", "Dense", "Ensemble"]


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
    """A linear layer on each stage's vector, and what joins their answers."""

    def __init__(self, layers: nn.ModuleList, stacking: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        self.stacking = stacking

    def forward(self, vectors: tuple[Tensor, ...]) -> SystemOutputs:
        """Return logits of one vector (N, D) a branch."""
        answers = [layer(vector) for layer, vector in zip(self.layers, vectors, strict=True)]
        logits = torch.stack(answers, dim=1)
        return SystemOutputs(self.stacking(logits), branch_logits=logits)


class Collecting(nn.Module):
    """A stage that passes on the vectors of those before it, and adds its own."""

    def __init__(self, stage: nn.Module, pool: nn.Module) -> None:
        super().__init__()
        self.stage = stage
        self.pool = pool

    def forward(self, inputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return what the stage gives, then the vectors so far."""
        x, *vectors = inputs if isinstance(inputs, tuple) else (inputs,)
        x = self.stage(x)
        return (x, *vectors, self.pool(x))


class Vectors(nn.Module):
    """The vectors alone."""

    def forward(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Leave out what the last stage gave."""
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
        stages = [Collecting(stage, self.pool) for stage in self.trunk.stages()]
        return [*stages, Vectors(), self.branches]

    def forward(self, image: Tensor) -> SystemOutputs:
        """Compute logits; outside training also the last stage's vector as embedding."""
        x, vectors = image, []
        for stage in self.trunk.stages():
            x = stage(x)
            vectors.append(self.pool(x))
        outputs: SystemOutputs = self.branches(tuple(vectors))
        return outputs if self.training else outputs._replace(embedding=vectors[-1])


@registered(StageEnsemble)
def build(options: StageEnsemble, around: Surroundings) -> Ensemble:
    """Build an ensemble."""
    trunk = around.trunk(options)
    shapes = trunk.shapes(*around.size)
    layers = nn.ModuleList(nn.Linear(channels, around.labels) for channels, _, _ in shapes)
    average = options.combine == "average"
    stacking = Average(len(shapes)) if average else Dense(len(shapes), around.labels)
    return Ensemble(trunk, Branches(layers, stacking))
