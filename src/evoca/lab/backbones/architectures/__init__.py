"""Networks of our own, which no library builds as the papers describe them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from torch import nn

from evoca.errors import EvocaError
from evoca.lab.backbones.architectures.fractalnet import FractalNet, FractalOptions
from evoca.lab.backbones.architectures.grouped_alexnet import GroupedAlexNet, GroupedAlexNetOptions
from evoca.lab.backbones.architectures.preact_resnet import PreActOptions, PreActResNet
from evoca.lab.backbones.library import Adapter, adapter_for
from evoca.lab.config.backbone import Backbone
from evoca.lab.config.base import explain
from evoca.strict import Strict

__all__ = ["OwnArchitectures", "build_architecture"]

_KNOWN: dict[str, tuple[type[Strict], Callable[[Any], nn.Module]]] = {
    "fractalnet": (FractalOptions, FractalNet),
    "grouped_alexnet": (GroupedAlexNetOptions, GroupedAlexNet),
    "preact_resnet": (PreActOptions, PreActResNet),
}


def build_architecture(name: str, options: Mapping[str, Any]) -> nn.Module:
    """Return a network with random weights.

    Args:
        name: ``fractalnet``, ``grouped_alexnet`` or ``preact_resnet``.
        options: those of the architecture, as plain data.

    Raises:
        EvocaError: there is no such architecture, or it has no such option.
    """
    if name not in _KNOWN:
        raise EvocaError(f"evoca has no architecture {name}; it has {', '.join(_KNOWN)}")
    kind, build = _KNOWN[name]
    try:
        return build(kind.model_validate(dict(options)))
    except ValidationError as error:
        raise EvocaError(f"{name}: options: {explain(error, dict(options), kind)}") from error


@adapter_for("evoca")
class OwnArchitectures(Adapter):
    """Builds the networks above, which have no published weights."""

    def create(self, record: Backbone) -> nn.Module:
        """Return a network with random weights.

        Raises:
            EvocaError: there is no such architecture, or it has no such option.
        """
        return build_architecture(record.architecture, record.options)
