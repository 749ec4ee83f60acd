"""What a step minimises: a loss by name, bound to the labels and their counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from evoca.emotions import MIKELS8, MIKELS_WHEEL, POSITIVE
from evoca.errors import EvocaError
from evoca.lab import losses
from evoca.lab.freezing import SystemOutput
from evoca.lab.steps import (
    ClassBalanced,
    CrossEntropy,
    Divergence,
    LogitAdjusted,
    Loss,
    MultiHot,
    PolarityAware,
    Step,
    WheelAware,
)

__all__ = ["Criterion", "criterion", "objective"]

Criterion: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Logits (N, K) and target distributions (N, K) to a loss an image (N,)."""


def criterion(loss: Loss, labels: Sequence[str], counts: Sequence[int]) -> Criterion:
    """Bind a named loss to what it needs to know.

    Args:
        loss: name and options.
        labels: the K labels.
        counts: (K,) training images a label, for the losses that weigh classes.

    Raises:
        EvocaError: the loss needs Mikels' eight emotions, or an image of every class.
    """
    match loss:
        case CrossEntropy(smoothing=share):
            return lambda z, t: losses.cross_entropy(z, losses.smooth(t, share))
        case ClassBalanced(beta=beta, smoothing=share):
            weights = losses.class_balanced_weights(_counts(loss, labels, counts), beta)
            return _weighted(weights, share)
        case LogitAdjusted(tau=tau, smoothing=share):
            shift = tau * losses.log_prior(_counts(loss, labels, counts))
            return lambda z, t: losses.cross_entropy(z + shift.to(z), losses.smooth(t, share))
        case Divergence():
            return losses.divergence
        case MultiHot(threshold=threshold):
            return lambda z, t: losses.multi_hot_cross_entropy(z, losses.multi_hot(t, threshold))
        case PolarityAware(weight=weight, smoothing=share):
            positive = _of_mikels(loss, labels, [label in POSITIVE for label in labels])
            return _sum(share, weight, losses.polarity_cross_entropy, positive)
        case WheelAware(weight=weight, smoothing=share):
            _of_mikels(loss, labels, [])
            around = torch.tensor([list(labels).index(emotion) for emotion in MIKELS_WHEEL])
            return _sum(share, weight, losses.wheel_distance, around)


def _weighted(weights: Tensor, share: float) -> Criterion:
    def loss(logits: Tensor, target: Tensor) -> Tensor:
        return losses.cross_entropy(logits, losses.smooth(target, share) * weights.to(logits))

    return loss


def _sum(
    share: float, weight: float, extra: Callable[[Tensor, Tensor, Tensor], Tensor], fact: Tensor
) -> Criterion:
    def loss(logits: Tensor, target: Tensor) -> Tensor:
        plain = losses.cross_entropy(logits, losses.smooth(target, share))
        return plain + weight * extra(logits, target, fact.to(logits.device))

    return loss


def _counts(loss: Loss, labels: Sequence[str], counts: Sequence[int]) -> Tensor:
    empty = [label for label, count in zip(labels, counts, strict=True) if count == 0]
    if empty:
        raise EvocaError(f"the loss {loss.kind} weighs classes, but none is {', '.join(empty)}")
    return torch.tensor(list(counts))


def _of_mikels(loss: Loss, labels: Sequence[str], fact: list[bool]) -> Tensor:
    if set(labels) != {str(emotion) for emotion in MIKELS8}:
        raise EvocaError(
            f"the loss {loss.kind} is defined for Mikels' eight emotions, not for "
            f"{', '.join(labels)}"
        )
    return torch.tensor(fact)


def objective(step: Step, loss: Criterion) -> Callable[[SystemOutput, Tensor], Tensor]:
    """Apply a criterion to what the step says it is for.

    Returns:
        A function from a system's output and targets (N, K) to a loss an image (N,).
    """
    if step.objective == "output":
        return lambda output, target: loss(output.logits.float(), target)

    def of_branches(output: SystemOutput, target: Tensor) -> Tensor:
        branches: Tensor | None = getattr(output, "branch_logits", None)
        if branches is None:
            raise EvocaError(f"step {step.name}: this system has no branches to train")
        return torch.stack([loss(z.float(), target) for z in branches.unbind(dim=1)]).sum(dim=0)

    return of_branches
