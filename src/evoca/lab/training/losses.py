"""Losses as pure functions, and the objective of a step that is made of them.

A loss takes logits and targets and returns one value per image. Targets are distributions
over the labels everywhere; a single label is a distribution with one entry of 1, and
several labels (multi-hot) are entries of 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from evoca.emotions import MIKELS8, MIKELS_WHEEL, Polarity, label_polarity
from evoca.errors import EvocaError
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
from evoca.lab.training import losses
from evoca.lab.training.freezing import SystemOutput

__all__ = [
    "Criterion",
    "class_balanced_weights",
    "criterion",
    "cross_entropy",
    "divergence",
    "log_prior",
    "multi_hot",
    "multi_hot_cross_entropy",
    "objective",
    "polarity_cross_entropy",
    "predictions_of",
    "rating_error",
    "smooth",
    "sums_cross_entropy",
    "wheel_distance",
    "where_known",
    "with_affect",
]


def smooth(target: Tensor, share: float) -> Tensor:
    """Return targets with a share of each spread evenly (Szegedy et al. 2016, section 7).

    Args:
        target: (N, K), rows sum to 1.
        share: 0..1.

    Returns:
        (N, K), rows sum to 1.
    """
    return target * (1 - share) + share / target.shape[1]


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of softmax(logits) (N, K) against distributions (N, K).

    Returns:
        (N,), in nats.
    """
    return -(target * functional.log_softmax(logits, dim=1)).sum(dim=1)


def sums_cross_entropy(
    logits: Tensor, shares: Tensor, matrix: Tensor, smoothing: float = 0.0
) -> Tensor:
    """Return the cross-entropy of softmax(logits) (N, K) against shares of sets of labels.

    The probability of a set is the sum of its labels' probabilities. Where every set has one
    label this is :func:`cross_entropy`.

    Args:
        logits: (N, K).
        shares: (N, C), not negative; a row's sum is what the image counts.
        matrix: (C, K), 1 where a label belongs to a set.
        smoothing: share of an image's targets that is spread evenly over the labels.

    Returns:
        (N,), in nats times the row's sum.
    """
    logs = functional.log_softmax(logits, dim=1)
    # The log of a sum of probabilities, without leaving logarithms.
    sets = torch.logsumexp(logs[:, None, :] + matrix.log()[None], dim=2)
    own = -(shares * sets).sum(dim=1)
    if not smoothing:
        return own
    return own * (1 - smoothing) - smoothing * shares.sum(dim=1) * logs.mean(dim=1)


def divergence(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of softmax(logits) from distributions, both (N, K).

    Returns:
        (N,), in nats, 0 where the two agree.
    """
    entropy: Tensor = -torch.special.xlogy(target, target).sum(dim=1)
    return cross_entropy(logits, target) - entropy


def class_balanced_weights(counts: Tensor, beta: float) -> Tensor:
    """Return class weights (1 - beta) / (1 - beta^n) (Cui et al. 2019, equations 2 and 3).

    Args:
        counts: (K,), images per class; all above 0.
        beta: 0 <= beta < 1.

    Returns:
        float64 (K,), which sum to K.
    """
    weights: Tensor = (1 - beta) / (1 - beta ** counts.to(torch.float64))
    return weights * (len(counts) / weights.sum())


def log_prior(counts: Tensor) -> Tensor:
    """Return the log of the share of each class, float64 (K,), of counts (K,) above 0."""
    counts = counts.to(torch.float64)
    return torch.log(counts / counts.sum())


def multi_hot(target: Tensor, threshold: float) -> Tensor:
    """Return the labels that hold: share at or above a threshold, and always the largest.

    Args:
        target: (N, K) distributions.
        threshold: 0..1.

    Returns:
        (N, K) of 0 and 1.
    """
    # A share such as 1/4 may be stored a rounding below the threshold.
    enough = target >= threshold - 1e-6
    largest = target == target.max(dim=1, keepdim=True).values
    return (enough | largest).to(target.dtype)


def multi_hot_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Return the binary cross-entropy of sigmoid(logits) against 0..1, both (N, K), per label.

    Returns:
        (N,), the mean over the labels, in nats.
    """
    losses = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return losses.mean(dim=1)


def polarity_cross_entropy(logits: Tensor, target: Tensor, positive: Tensor) -> Tensor:
    """Return the cross-entropy between the two polarities' summed probabilities.

    Args:
        logits: (N, K).
        target: (N, K) distributions.
        positive: bool (K,); both polarities occur.

    Returns:
        (N,), in nats.
    """
    whole = torch.logsumexp(logits, dim=1)
    sides = [torch.logsumexp(logits[:, mask], dim=1) - whole for mask in (positive, ~positive)]
    shares = [target[:, mask].sum(dim=1) for mask in (positive, ~positive)]
    return -(shares[0] * sides[0] + shares[1] * sides[1])


def wheel_distance(logits: Tensor, target: Tensor, around: Tensor) -> Tensor:
    """Return the earth mover's distance around a circle between softmax(logits) and target.

    On a circle the least work is the sum of |F - median(F)|, where F is the difference of
    the two cumulative distributions (Rabin et al. 2011, "Transportation distances on the
    circle", equation 12).

    Args:
        logits: (N, K).
        target: (N, K) distributions.
        around: int (K,), positions of the labels in the order of the circle.

    Returns:
        (N,), in steps from a label to its neighbour: 0 to K / 2.
    """
    gap = (functional.softmax(logits, dim=1) - target)[:, around].cumsum(dim=1)
    # Any point between the two middle values is a median; `median` takes the lower one.
    return (gap - gap.median(dim=1, keepdim=True).values).abs().sum(dim=1)


def rating_error(predicted: Tensor, rated: Tensor) -> Tensor:
    """Return the squared error of ratings (N, D), averaged over an image's known ones.

    Args:
        predicted: (N, D).
        rated: (N, D), on the same scales; NaN where unknown.

    Returns:
        (N,), 0 for an image without ratings.
    """
    known = rated.isfinite()
    gap = torch.where(known, predicted - rated.nan_to_num(), 0.0)
    return gap.square().sum(dim=1) / known.sum(dim=1).clamp(min=1)


def where_known(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Tensor:
    """Return the loss of images whose target is known; 0 for the others.

    Args:
        loss: of logits (N, K) and targets (N, K).
        logits: (N, K).
        target: (N, K); all NaN where unknown.

    Returns:
        (N,).
    """
    known = target.isfinite().all(dim=1)
    return torch.where(known, loss(logits, target.nan_to_num()), 0.0)


Criterion: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Logits (N, K) and target distributions (N, K) to one loss per image (N,)."""


def predictions_of(output: SystemOutput) -> Tensor:
    """Return all predictions of a system: logits, then valence and arousal if it has them.

    Returns:
        (N, K), or (N, K + 2).
    """
    affect: Tensor | None = getattr(output, "affect", None)
    return output.logits if affect is None else torch.cat([output.logits, affect], dim=1)


def with_affect(loss: Criterion, labels: int, weight: float) -> Criterion:
    """Return a loss plus the error of valence and arousal, each where an image has it.

    Args:
        loss: of the emotions.
        labels: K.
        weight: of the error of the ratings.

    Returns:
        A loss of predictions (N, K + 2) and targets (N, K + 2), NaN where unknown.
    """

    def both(predictions: Tensor, target: Tensor) -> Tensor:
        own = losses.where_known(loss, predictions[:, :labels], target[:, :labels])
        return own + weight * losses.rating_error(predictions[:, labels:], target[:, labels:])

    return both


def criterion(loss: Loss, labels: Sequence[str], counts: Sequence[int]) -> Criterion:
    """Return a named loss, bound to its labels and counts.

    Args:
        loss: name and options.
        labels: the K labels.
        counts: (K,) training images per label, for the losses that weigh classes.

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


def _predictions(output: SystemOutput, step: Step) -> Tensor:
    """Return the predictions of emotions, and of ratings where the step learns them."""
    if not step.affect_weight:
        return output.logits.float()
    if getattr(output, "affect", None) is None:
        raise EvocaError(f"step {step.name}: this system predicts no valence and arousal")
    return predictions_of(output).float()


def objective(step: Step, loss: Criterion) -> Callable[[SystemOutput, Tensor], Tensor]:
    """Return a criterion applied to the objective of the step.

    Returns:
        A function from a system's output and targets (N, K) to one loss per image (N,).
    """
    if step.objective == "output":
        return lambda output, target: loss(_predictions(output, step), target)

    def of_branches(output: SystemOutput, target: Tensor) -> Tensor:
        branches: Tensor | None = getattr(output, "branch_logits", None)
        if branches is None:
            raise EvocaError(f"step {step.name}: this system has no branches to train")
        return torch.stack([loss(z.float(), target) for z in branches.unbind(dim=1)]).sum(dim=0)

    return of_branches
