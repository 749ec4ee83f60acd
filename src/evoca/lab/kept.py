"""The frozen beginning of a system, computed once an image and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from evoca.data.labelled import LabelledImages
from evoca.images.preprocess import Preprocessing
from evoca.lab.augment import enumerable, variants
from evoca.lab.config.step import Step
from evoca.lab.examples import Inputs
from evoca.lab.fitting.options import RunOptions
from evoca.lab.freezing import System, SystemOutput
from evoca.lab.kept_rows import FrozenStart, KeptExamples

__all__ = ["Kept", "frozen_length", "keep_frozen"]


class Tail(nn.Module):
    """The end of a chain, run on what its beginning gave."""

    def __init__(self, modules: Sequence[nn.Module], *, channels_last: bool) -> None:
        super().__init__()
        self.chain = nn.ModuleList(modules)
        self._channels_last = channels_last

    def forward(self, inputs: Inputs) -> SystemOutput:
        """Return the system's output of kept outputs."""
        value: Any = self._laid_out(inputs)
        for module in self.chain:
            value = module(value)
        return cast("SystemOutput", value)

    def _laid_out(self, inputs: Inputs) -> Inputs:
        if not isinstance(inputs, Tensor):
            return tuple(cast("Tensor", self._laid_out(part)) for part in inputs)
        if self._channels_last and inputs.ndim == 4:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs


@dataclass(frozen=True, eq=False)
class Kept:
    """What a step trains on instead of pictures.

    Attributes:
        train: of the training images.
        validation: of the validation images.
        network: the rest of the system.
    """

    train: KeptExamples
    validation: KeptExamples | None
    network: nn.Module


def frozen_length(modules: Sequence[nn.Module]) -> int:
    """Count the modules at the start of a chain that always compute the same."""
    for number, module in enumerate(modules):
        if _varies(module):
            return number
    return len(modules)


def _varies(module: nn.Module) -> bool:
    if any(parameter.requires_grad for parameter in module.parameters()):
        return True
    # Droppers of libraries are known by their names alone.
    return any(
        part.training
        and (isinstance(part, _NormBase | _DropoutNd) or "drop" in type(part).__name__.lower())
        for part in module.modules()
    )


def keep_frozen(
    system: System,
    step: Step,
    images: tuple[LabelledImages, LabelledImages | None],
    preprocessing: Preprocessing,
    seed: int,
    options: RunOptions,
) -> Kept | None:
    """Compute, or find, what the frozen beginning of a system gives.

    Args:
        system: already frozen for the step.
        step: whose augmentation must be enumerable.
        images: to train on, and to validate on.
        preprocessing: of the recipe.
        seed: of the training.
        options: say where to keep it, and what to compute on.

    Returns:
        ``None`` where nothing can be kept: no cache is wanted, the system is no chain,
        nothing at its start is frozen, pictures change in too many ways, or the disk
        lacks room.

    Raises:
        ImageError: an image cannot be read.
        EvocaError: the cache cannot be written.
    """
    chain: Callable[[], list[nn.Module]] | None = getattr(system, "chain", None)
    if options.cache is None or chain is None or step.mixup or not enumerable(step.augmentation):
        return None
    modules = chain()
    length = frozen_length(modules)
    if length == 0:
        return None
    trunk = FrozenStart(nn.ModuleList(modules[:length]), preprocessing, options)
    train, validation = images
    forms = variants(step.augmentation)
    if not trunk.fits(options.cache, len(train) * forms + len(validation or ())):
        options.say("the disk lacks room to keep features; they are computed anew each time")
        return None
    return Kept(
        trunk.examples(train, step.augmentation, seed),
        None if validation is None else trunk.examples(validation, (), seed),
        Tail(modules[length:], channels_last=options.channels_last),
    )
