"""Every stage's features through a recurrent network, one prediction a stage, combined.

zhu2017, as najid2018 describes it in section II: predictions on the features of every
layer, which a recurrent network (a bidirectional GRU in its own abstract) relates to one
another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from evoca.lab.backbones import Trunk
from evoca.lab.config.models import Recurrent
from evoca.lab.systems.base import Surroundings, registered
from evoca.lab.systems.outputs import SystemOutputs
from evoca.lab.systems.stage_ensemble import Average, Ensemble

__all__ = ["RecurrentEnsemble"]


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
        """Return logits of one vector (N, D) a stage, from the input upwards."""
        pairs = zip(self.projections, vectors, strict=True)
        sequence = torch.stack([run(vector) for run, vector in pairs], dim=1).tanh()
        states = self.dropout(self.gru(sequence)[0])
        answers = [run(state) for run, state in zip(self.layers, states.unbind(1), strict=True)]
        logits = torch.stack(answers, dim=1)
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
def build(options: Recurrent, around: Surroundings) -> RecurrentEnsemble:
    """Build a sequence of stages."""
    trunk: Trunk = around.trunk(options)
    widths = [channels for channels, _, _ in trunk.shapes(*around.size)]
    return RecurrentEnsemble(trunk, Levels(widths, around.labels, options))
