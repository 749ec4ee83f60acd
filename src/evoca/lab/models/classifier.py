"""A backbone with fully connected layers, fine-tuned whole, in parts, or by low-rank adapters.

The networks of sreenivas2018 (VGG19, flattened, one layer) and of najid2018's tables I
to III (ResNet-101, averaged, one layer).

Low-rank adapters (Hu et al. 2022, LoRA, section 4.1): beside a frozen layer W x stands
B A x times alpha / r; A starts at random and B at zero, so that training starts at the
pretrained network. peft makes the adapters. They are added to the weights for the export:
W + B A alpha / r, so that the bundle is as quick as the backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Self, TypeVar, cast

import torch
from torch import Tensor, nn

from evoca.errors import EvocaError, needs_extra
from evoca.lab.backbones import Trunk
from evoca.lab.config.models import Classifier, Lora
from evoca.lab.models.base import Pool, StagedSystem, Surroundings, SystemOutputs, registered

__all__ = ["Head", "LoraClassifier", "PooledClassifier", "classifier_on"]


class Head(nn.Module):
    """Dropout, then linear layers with ReLUs between."""

    def __init__(self, width: int, hidden: tuple[int, ...], labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        sizes = pairwise((width, *hidden, labels))
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in sizes)

    def forward(self, features: Tensor) -> SystemOutputs:
        """Return logits of features (N, D)."""
        x = self.dropout(features)
        for layer in self.layers[:-1]:
            x = nn.functional.relu(layer(x))
        return SystemOutputs(self.layers[-1](x))

    @property
    def only_layer(self) -> nn.Linear | None:
        """The layer, where there is only one."""
        return cast("nn.Linear", self.layers[0]) if len(self.layers) == 1 else None


class PooledClassifier(StagedSystem):
    """A trunk, a pool and a head.

    With one linear layer on an averaged or flattened map, the logit is a sum over the
    map's cells, plus the bias: the evidence is each cell's share times the number of
    cells (class activation mapping, Zhou et al. 2016, equations 1 and 2).
    """

    def __init__(self, trunk: Trunk, pool: str, head: Head, grid: tuple[int, int]) -> None:
        """Join the three.

        Args:
            trunk: the backbone.
            pool: ``mean``, ``flatten`` or ``token``.
            head: on the pooled vector.
            grid: rows and columns of the last map.
        """
        super().__init__(trunk)
        self.pool = Pool(trunk, pool)
        self.head = head
        self._grid = grid

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the head."""
        return {"head": [self.head]}

    def chain(self) -> list[nn.Module]:
        """Return stages, pool and head."""
        return [*self.trunk.stages(), self.pool, self.head]

    @property
    def evidence_bias(self) -> Tensor | None:
        """The layer's bias, where the evidence is additive."""
        layer = self.head.only_layer
        return None if layer is None or self.pool.kind == "token" else layer.bias.detach()

    def forward(self, image: Tensor) -> SystemOutputs:
        """Return logits; outside training also evidence and embedding."""
        x = self.last_stage(image)
        features = self.pool(x)
        outputs: SystemOutputs = self.head(features)
        if self.training:
            return outputs
        maps = self.trunk.map_of(x)
        embedding = maps.mean(dim=(2, 3)) if self.pool.kind == "flatten" else features
        return outputs._replace(evidence=self._evidence(maps), embedding=embedding)

    def last_stage(self, image: Tensor) -> Tensor:
        """Return the last stage's output for images."""
        x = image
        for stage in self.trunk.stages():
            x = stage(x)
        return x

    def _evidence(self, maps: Tensor) -> Tensor | None:
        layer = self.head.only_layer
        if layer is None or self.pool.kind == "token":
            return None
        if self.pool.kind == "mean":
            return nn.functional.conv2d(maps, layer.weight[:, :, None, None])
        rows, columns = self._grid
        weight = layer.weight.reshape(len(layer.weight), -1, rows, columns) * (rows * columns)
        return torch.einsum("nchw,kchw->nkhw", maps, weight)


C = TypeVar("C", bound=PooledClassifier)


def classifier_on(kind: type[C], trunk: Trunk, options: Classifier, around: Surroundings) -> C:
    """Return a classifier: pool and head on a trunk.

    Args:
        kind: of classifier.
        trunk: the backbone.
        options: of the classifier.
        around: the context it is built for.
    """
    pool = trunk.record.pool if options.pool == "backbone" else options.pool
    channels, rows, columns = trunk.shapes(*around.size)[-1]
    width = channels * rows * columns if pool == "flatten" else channels
    head = Head(width, options.hidden, around.labels, options.dropout)
    return kind(trunk, pool, head, (rows, columns))


@registered(Classifier)
def build(options: Classifier, around: Surroundings) -> PooledClassifier:
    """Return a classifier."""
    trunk = around.trunk(options, channel_dropout=options.channel_dropout, enlarge=options.enlarge)
    return classifier_on(PooledClassifier, trunk, options, around)


class LoraClassifier(PooledClassifier):
    """A classifier with the part ``adapters`` (Hu et al. 2022, equation 3)."""

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the adapters and the head."""
        adapters = [
            module
            for name, module in self.trunk.named_modules()
            if name.rpartition(".")[2] in {"lora_A", "lora_B"}
        ]
        return {"adapters": adapters, **super().own_parts()}

    def for_export(self) -> Self:
        """Return the system with the adapters added to the weights."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        for path, module in list(self.trunk.named_modules()):
            if isinstance(module, BaseTunerLayer):
                module.merge()
                parent, _, name = path.rpartition(".")
                setattr(self.trunk.get_submodule(parent), name, module.get_base_layer())
        return self


def _adapt(trunk: Trunk, options: Lora) -> None:
    with needs_extra("baselines", "fine-tuning by adapters"):
        from peft import LoraConfig, inject_adapter_in_model
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,  # type: ignore[arg-type] # any number; it is only divided by r
        lora_dropout=options.adapter_dropout,
        target_modules=list(options.targets),
    )
    try:
        inject_adapter_in_model(config, trunk)
    except ValueError as error:
        linear = (n for n, m in trunk.named_modules() if isinstance(m, nn.Linear | nn.Conv2d))
        raise EvocaError(
            f"model.targets: {trunk.record.name} has no such layers; its last is {list(linear)[-1]}"
        ) from error


@registered(Lora)
def build_lora(options: Lora, around: Surroundings) -> LoraClassifier:
    """Return a classifier with adapters."""
    trunk = around.trunk(options, channel_dropout=options.channel_dropout, enlarge=options.enlarge)
    _adapt(trunk, options)
    return classifier_on(LoraClassifier, trunk, options, around)
