"""What a step minimises: a loss by name, bound to the labels and their counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from evoca.emotions import MIKELS8, MIKELS_WHEEL, Polarity, label_polarity
from evoca.errors import EvocaError
from evoca.lab import losses
from evoca.lab.config.step import (
    ClassBalanced,
    CrossEntropy,
    Divergence,
    EarthMover,
    LogitAdjusted,
    Loss,
    MultiHot,
    PolarityAware,
    Step,
    WheelAware,
)
from evoca.lab.freezing import SystemOutput

__all__ = ["Criterion", "answers_of", "criterion", "objective", "with_affect"]

Criterion: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Logits (N, K) and target distributions (N, K) to a loss an image (N,)."""


def answers_of(output: SystemOutput) -> Tensor:
    """Return all that a system is judged by: logits, then valence and arousal if it has them.

    Returns:
        (N, K), or (N, K + 2).
    """
    affect: Tensor | None = getattr(output, "affect", None)
    return output.logits if affect is None else torch.cat([output.logits, affect], dim=1)


def with_affect(loss: Criterion, labels: int, weight: float) -> Criterion:
    """Add the error of valence and arousal to a loss; an image gives what it has of both.

    Args:
        loss: of the emotions.
        labels: K.
        weight: of the error of the ratings.

    Returns:
        A loss of answers (N, K + 2) and targets (N, K + 2), NaN where unknown.
    """

    def both(answers: Tensor, target: Tensor) -> Tensor:
        own = losses.where_known(loss, answers[:, :labels], target[:, :labels])
        return own + weight * losses.rating_error(answers[:, labels:], target[:, labels:])

    return both


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
        case EarthMover():
            around = _around_the_wheel(loss, labels)
            return lambda z, t: losses.wheel_distance(z, t, around.to(z.device))
        case PolarityAware(weight=weight, smoothing=share):
            positive = _positive(loss, labels)
            return _sum(share, weight, losses.polarity_cross_entropy, positive)
        case WheelAware(weight=weight, smoothing=share):
            around = _around_the_wheel(loss, labels)
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


def _positive(loss: Loss, labels: Sequence[str]) -> Tensor:
    polarities = [label_polarity(label) for label in labels]
    if set(polarities) != set(Polarity):
        raise EvocaError(
            f"the loss {loss.kind} needs emotions of both polarities, each class of one, not "
            f"{', '.join(labels)}"
        )
    return torch.tensor([polarity is Polarity.POSITIVE for polarity in polarities])


def _around_the_wheel(loss: Loss, labels: Sequence[str]) -> Tensor:
    if set(labels) != {str(emotion) for emotion in MIKELS8}:
        raise EvocaError(
            f"the loss {loss.kind} is defined for Mikels' eight emotions, not for "
            f"{', '.join(labels)}"
        )
    return torch.tensor([list(labels).index(emotion) for emotion in MIKELS_WHEEL])


def _answers(output: SystemOutput, target: Tensor, step: Step) -> Tensor:
    """Return as many answers an image as it has targets."""
    answers = answers_of(output).float()
    if answers.shape[1] < target.shape[1]:
        raise EvocaError(f"step {step.name}: this system predicts no valence and arousal")
    return answers[:, : target.shape[1]]


def objective(step: Step, loss: Criterion) -> Callable[[SystemOutput, Tensor], Tensor]:
    """Apply a criterion to what the step says it is for.

    Returns:
        A function from a system's output and targets (N, K) to a loss an image (N,).
    """
    if step.objective == "output":
        return lambda output, target: loss(_answers(output, target, step), target)

    def of_branches(output: SystemOutput, target: Tensor) -> Tensor:
        branches: Tensor | None = getattr(output, "branch_logits", None)
        if branches is None:
            raise EvocaError(f"step {step.name}: this system has no branches to train")
        return torch.stack([loss(z.float(), target) for z in branches.unbind(dim=1)]).sum(dim=0)

    return of_branches
