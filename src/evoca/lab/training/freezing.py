"""Which parameters a step trains, at which rates, and what stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.config.step import Step

__all__ = [
    "System",
    "SystemOutput",
    "freeze",
    "parameter_groups",
    "trainable_parameters",
]

ALL = "all"


class SystemOutput(Protocol):
    """What a system returns; it may hold more, such as ``branch_logits`` (N, B, K)."""

    @property
    def logits(self) -> Tensor:
        """Float (N, K)."""


@runtime_checkable
class System(Protocol):
    """A network that can be trained: an ``nn.Module`` with named parts.

    Called with uint8 (N, H, W, 3), RGB, 0..255, it returns a :class:`SystemOutput`;
    normalisation is its own. A system may offer ``chain()``: modules which, called one
    after the other, each on what the one before returned (a tensor or a tuple of
    tensors with the batch first), compute what calling the system does. The frozen
    beginning of the chain is then computed once per image and cached.
    """

    def parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the modules of each part, from the input upwards."""


def trainable_parameters(system: System, step: Step) -> set[str]:
    """Return the names of the parameters that a step trains, as in ``named_parameters``.

    Raises:
        EvocaError: a pattern matches no part, or nothing at all would be trained.
    """
    names = _names_in(system, step.trainable, f"step {step.name}: trainable")
    if not names:
        raise EvocaError(f"step {step.name}: the parts to train have no parameters")
    return names


def freeze(system: System, trainable: set[str]) -> None:
    """Enable gradients for the named parameters alone, and set every module's mode.

    A module with parameters none of which is trained is in evaluation mode, so that its
    batch normalisation keeps its statistics and its dropout is off; the rest is in
    training mode.
    """
    module = _module(system)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in trainable)
    module.train()
    for child in module.modules():
        own = list(child.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            child.eval()


def parameter_groups(system: System, step: Step) -> list[dict[str, Any]]:
    """Return the trained parameters in the optimiser's groups, by rate and decay.

    Returns:
        One dictionary per group: ``params``, ``lr``, ``weight_decay``, in the order of the
        system's parameters.

    Raises:
        EvocaError: a pattern of ``rates`` matches no part, or no trained parameter.
    """
    trainable = trainable_parameters(system, step)
    rate = dict.fromkeys(trainable, step.rate)
    for pattern, own in step.rates.items():
        names = _names_in(system, (pattern,), f"step {step.name}: rates") & trainable
        if not names:
            raise EvocaError(f"step {step.name}: rates: {pattern} is not trained in this step")
        rate |= dict.fromkeys(names, own)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in _module(system).named_parameters():
        if name in trainable:
            decay = step.optimiser.weight_decay
            if step.optimiser.decay == "matrices" and parameter.ndim < 2:
                decay = 0.0
            groups.setdefault((rate[name], decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _names_in(system: System, patterns: Sequence[str], where: str) -> set[str]:
    """Return the names of the parameters of every part that a pattern matches."""
    name_of = {id(parameter): name for name, parameter in _module(system).named_parameters()}
    parts = system.parts()
    found: set[str] = set()
    for pattern in patterns:
        matched = [part for part in parts if pattern == ALL or fnmatchcase(part, pattern)]
        if not matched:
            raise EvocaError(f"{where}: no part {pattern}{_suggestion(list(parts), pattern)}")
        modules = [module for part in matched for module in parts[part]]
        found |= {name_of[id(parameter)] for own in modules for parameter in own.parameters()}
    return found


def _suggestion(parts: list[str], pattern: str) -> str:
    parts = [*parts, ALL]
    near = get_close_matches(pattern, parts, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ";"
    return f"{hint} parts: {', '.join(parts)}"


def _module(system: System) -> nn.Module:
    if not isinstance(system, nn.Module):
        raise TypeError(f"a system is an nn.Module, not {type(system).__name__}")
    return system
