"""Learning rates as a function of the place in a step, and when a step stops early."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import optim

from evoca.lab.config.step import Step, Stop
from evoca.lab.training.freezing import System, parameter_groups

__all__ = ["Progress", "build_optimiser", "rate_factor"]


def rate_factor(step: Step, epochs_done: float) -> float:
    """Return the factor of every rate.

    Args:
        step: states the schedule.
        epochs_done: position at the middle of the batch, in epochs of this step, so that
            the first batch of a warm-up already learns.
    """
    schedule = step.schedule
    if epochs_done < schedule.warmup_epochs:
        return epochs_done / schedule.warmup_epochs
    if schedule.kind == "constant":
        return 1.0
    done = (epochs_done - schedule.warmup_epochs) / (step.epochs - schedule.warmup_epochs)
    return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def build_optimiser(system: System, step: Step) -> torch.optim.Optimizer:
    """Return a fresh optimiser; each group stores its own rate as ``base_rate``.

    Raises:
        EvocaError: a pattern of the step matches nothing.
    """
    groups = parameter_groups(system, step)
    for group in groups:
        group["base_rate"] = group["lr"]
    chosen = step.optimiser
    match chosen.kind:
        case "sgd":
            return optim.SGD(
                groups, lr=step.rate, momentum=chosen.momentum, nesterov=chosen.nesterov
            )
        case "adam":
            return optim.Adam(groups, lr=step.rate, betas=chosen.betas)
        case "adamw":
            return optim.AdamW(groups, lr=step.rate, betas=chosen.betas)


@dataclass(frozen=True)
class Progress:
    """The progress of early stopping in a step.

    Attributes:
        best: the best value of the metric; ``None`` before the first epoch.
        best_epoch: when it was reached; -1 before the first epoch.
        waited: epochs since.
    """

    best: float | None = None
    best_epoch: int = -1
    waited: int = 0

    def after(self, epoch: int, value: float, stop: Stop) -> Progress:
        """Return the progress after the validation value of one more epoch."""
        if not math.isfinite(value):
            return replace(self, waited=self.waited + 1)
        gain = 0.0 if self.best is None else value - self.best
        if stop.metric == "loss":
            gain = -gain
        if self.best is None or gain > stop.min_change:
            return Progress(best=value, best_epoch=epoch)
        return replace(self, waited=self.waited + 1)

    def is_over(self, stop: Stop) -> bool:
        """Whether patience has run out."""
        return self.waited >= stop.patience
