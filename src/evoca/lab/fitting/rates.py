"""Learning rates as a function of the place in a step."""

from __future__ import annotations

import math

import torch
from torch import optim

from evoca.lab.config.step import Step
from evoca.lab.freezing import System, parameter_groups

__all__ = ["build_optimiser", "rate_factor"]


def rate_factor(step: Step, epochs_done: float) -> float:
    """Return what every rate is multiplied with.

    Args:
        step: gives the schedule.
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
    """Build a fresh optimiser; each group remembers its own rate as ``base_rate``.

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
