"""One trunk for several tasks: emotions, and valence and arousal (Caruana 1997, section 2).

Hard parameter sharing: every head uses the trunk's output, and each image trains the heads
that it has a target for. Valence and arousal are ratings of their own; no emotion
is derived from them, nor they from emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from evoca.lab.backbones import Trunk
from evoca.lab.backbones.frozen import pool_to
from evoca.lab.config.models import MultiTask
from evoca.lab.models.base import Pool, StagedSystem, Surroundings, SystemOutputs, registered
from evoca.lab.models.stages import Vectors, collecting

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
        kind = nn.BatchNorm1d if options.norm == "batch" else nn.LayerNorm
        self.norms = nn.ModuleList(kind(width) for width in widths)
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

    def additive(self) -> tuple[Tensor, Tensor] | None:
        """Return the emotions' layer on plain vectors, (K, D) and (K,).

        ``None`` where there is no such layer, or something before it is not linear.
        """
        layer = self.emotions
        if layer is None or self.hidden is not None:
            return None
        scale, shift = [], []
        for norm in self.norms:
            if not isinstance(norm, nn.BatchNorm1d):
                return None
            mean, variance = cast("Tensor", norm.running_mean), cast("Tensor", norm.running_var)
            factor = norm.weight / (variance + norm.eps).sqrt()
            scale.append(factor)
            shift.append(norm.bias - mean * factor)
        weight = layer.weight * torch.cat(scale)
        return weight, layer.bias + layer.weight @ torch.cat(shift)


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
        return [*collecting(stages, self.pool), Vectors(), self.heads]

    @property
    def evidence_bias(self) -> Tensor | None:
        """The bias of the emotions' layer, where all before it is linear."""
        layer = self.heads.additive()
        return None if layer is None else layer[1].detach()

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return the outputs; outside training also the evidence, and the joined vectors.

        Where the layers are linear, the evidence is the emotions' layer on each cell of the
        stages' maps (class activation mapping, Zhou et al. 2016, equations 1 and 2).
        """
        x, stages = image, []
        for stage in self.trunk.stages():
            x = stage(x)
            stages.append(x)
        used = stages[-len(self.heads.norms) :]
        vectors = tuple(self.pool(own) for own in used)
        outputs: SystemOutputs = self.heads(vectors)
        if self.training:
            return outputs
        layer = self.heads.additive()
        if layer is None:
            return outputs._replace(embedding=vectors[-1])
        last = self.trunk.map_of(used[-1])
        maps = [pool_to(self.trunk.map_of(own), *last.shape[2:]) for own in used]
        evidence = nn.functional.conv2d(torch.cat(maps, dim=1), layer[0][:, :, None, None])
        return outputs._replace(evidence=evidence, embedding=torch.cat(vectors, dim=1))


@registered(MultiTask)
def build(options: MultiTask, around: Surroundings) -> SharedTrunk:
    """Return a trunk with the requested heads."""
    trunk = around.trunk(options)
    widths = [channels for channels, _, _ in trunk.shapes(*around.size)]
    used = widths if options.stages == "all" else widths[-1:]
    return SharedTrunk(trunk, Heads(used, around.labels, options))
