"""One trunk for several tasks: emotions, and valence and arousal (Caruana 1997, section 2).

Hard parameter sharing: every head uses the trunk's output, and each image trains the heads
that it has a target for. Valence and arousal are ratings of their own; no emotion
is derived from them, nor they from emotions.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from evoca.lab.backbones import Trunk
from evoca.lab.config.models import MultiTask
from evoca.lab.models.base import Pool, StagedSystem, Surroundings, SystemOutputs, registered
from evoca.lab.models.stages import Collecting, Vectors

__all__ = ["Affect", "Heads", "SharedTrunk"]


class Affect(nn.Module):
    """Valence and arousal from a vector: low + (high - low) * sigmoid(Wx + b)."""

    def __init__(self, width: int, scale: tuple[float, float]) -> None:
        super().__init__()
        self.layer = nn.Linear(width, 2)
        self._low, self._span = scale[0], scale[1] - scale[0]

    def forward(self, features: Tensor) -> Tensor:
        """Return (N, 2) of features (N, D), within the scale."""
        share: Tensor = self.layer(features).sigmoid()
        return self._low + self._span * share


class Heads(nn.Module):
    """A layer for each task on the same vector; stages are normalised before they are joined.

    Without a layer for emotions all logits are 0: every label is as likely as any other.
    """

    def __init__(self, widths: list[int], labels: int, options: MultiTask) -> None:
        """Make the layers.

        Args:
            widths: of the stages' vectors.
            labels: K.
            options: what is predicted.
        """
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        joined = sum(widths)
        width = options.hidden or joined
        self.hidden = nn.Linear(joined, width) if options.hidden else None
        self.dropout = nn.Dropout(options.dropout)
        self.emotions = nn.Linear(width, labels) if options.emotions else None
        self.affect = Affect(width, options.affect_range)
        self._labels = labels

    def forward(self, vectors: Tensor | tuple[Tensor, ...]) -> SystemOutputs:
        """Return the outputs for vectors (N, D), one per stage used."""
        every = vectors if isinstance(vectors, tuple) else (vectors,)
        x = torch.cat([norm(v) for norm, v in zip(self.norms, every, strict=True)], dim=1)
        if self.hidden is not None:
            x = nn.functional.relu(self.hidden(x))
        x = self.dropout(x)
        logits = x.new_zeros((len(x), self._labels)) if self.emotions is None else self.emotions(x)
        return SystemOutputs(logits, affect=self.affect(x))


class SharedTrunk(StagedSystem):
    """A trunk, the averaged maps of its last or all stages, and one head per task."""

    def __init__(self, trunk: Trunk, heads: Heads) -> None:
        super().__init__(trunk)
        self.pool = Pool(trunk, "mean")
        self.heads = heads

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return each task's layer, and all that is not the trunk as the head."""
        emotions: list[nn.Module] = [] if self.heads.emotions is None else [self.heads.emotions]
        return {"emotions": emotions, "affect": [self.heads.affect], "head": [self.heads]}

    def chain(self) -> list[nn.Module]:
        """Return stages, their vectors, and the heads."""
        stages = self.trunk.stages()
        if len(self.heads.norms) == 1:
            return [*stages, self.pool, self.heads]
        return [*(Collecting(stage, self.pool) for stage in stages), Vectors(), self.heads]

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return the outputs; outside training also the last stage's vector as embedding."""
        x, vectors = image, []
        for stage in self.trunk.stages():
            x = stage(x)
            vectors.append(self.pool(x))
        outputs: SystemOutputs = self.heads(tuple(vectors[-len(self.heads.norms) :]))
        return outputs if self.training else outputs._replace(embedding=vectors[-1])


@registered(MultiTask)
def build(options: MultiTask, around: Surroundings) -> SharedTrunk:
    """Return a trunk with the requested heads."""
    trunk = around.trunk(options)
    widths = [channels for channels, _, _ in trunk.shapes(*around.size)]
    used = widths if options.stages == "all" else widths[-1:]
    return SharedTrunk(trunk, Heads(used, around.labels, options))
