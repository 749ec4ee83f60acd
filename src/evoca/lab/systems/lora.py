"""A classifier fine-tuned by low-rank adapters (Hu et al. 2022, LoRA, section 4.1).

Beside a frozen layer W x stands B A x times alpha / r; A starts at random and B at zero,
so that training starts at the pretrained network. peft makes the adapters. They are added
to the weights for the export: W + B A alpha / r, the bundle is as quick as the backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from torch import nn

from evoca.errors import EvocaError, needs_extra
from evoca.lab.backbones import Trunk
from evoca.lab.config.models import Lora
from evoca.lab.systems.base import Surroundings, registered
from evoca.lab.systems.classifier import PooledClassifier, classifier_on

__all__ = ["LoraClassifier"]


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
        """Add the adapters to the weights, for good."""
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
def build(options: Lora, around: Surroundings) -> LoraClassifier:
    """Build a classifier with adapters."""
    trunk = around.trunk(options, channel_dropout=options.channel_dropout, enlarge=options.enlarge)
    _adapt(trunk, options)
    return classifier_on(LoraClassifier, trunk, options, around)
