"""Losses as pure functions: logits and targets in, one value an image out.

Targets are distributions over the labels everywhere; a single label is a distribution
with one entry of 1, and several labels (multi-hot) are entries of 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "class_balanced_weights",
    "cross_entropy",
    "divergence",
    "log_prior",
    "multi_hot",
    "multi_hot_cross_entropy",
    "polarity_cross_entropy",
    "rating_error",
    "smooth",
    "wheel_distance",
    "where_known",
]


def smooth(target: Tensor, share: float) -> Tensor:
    """Spread a share of each target evenly (Szegedy et al. 2016, section 7).

    Args:
        target: (N, K), rows sum to 1.
        share: 0..1.

    Returns:
        (N, K), rows sum to 1.
    """
    return target * (1 - share) + share / target.shape[1]


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of softmax(logits) (N, K) against distributions (N, K).

    Returns:
        (N,), in nats.
    """
    return -(target * functional.log_softmax(logits, dim=1)).sum(dim=1)


def divergence(logits: Tensor, target: Tensor) -> Tensor:
    """Kullback-Leibler divergence of softmax(logits) (N, K) from distributions (N, K).

    Returns:
        (N,), in nats, 0 where the two agree.
    """
    entropy: Tensor = -torch.special.xlogy(target, target).sum(dim=1)
    return cross_entropy(logits, target) - entropy


def class_balanced_weights(counts: Tensor, beta: float) -> Tensor:
    """Weigh classes by (1 - beta) / (1 - beta^n) (Cui et al. 2019, equations 2 and 3).

    Args:
        counts: (K,), images a class; all above 0.
        beta: 0 <= beta < 1.

    Returns:
        float64 (K,), which sum to K.
    """
    weights: Tensor = (1 - beta) / (1 - beta ** counts.to(torch.float64))
    return weights * (len(counts) / weights.sum())


def log_prior(counts: Tensor) -> Tensor:
    """Log of the share of each class, float64 (K,), of counts (K,) above 0."""
    counts = counts.to(torch.float64)
    return torch.log(counts / counts.sum())


def multi_hot(target: Tensor, threshold: float) -> Tensor:
    """Mark the labels that hold: share at or above a threshold, and always the largest.

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
    """Binary cross-entropy of sigmoid(logits) (N, K) against 0..1 (N, K), label by label.

    Returns:
        (N,), the mean over the labels, in nats.
    """
    losses = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return losses.mean(dim=1)


def polarity_cross_entropy(logits: Tensor, target: Tensor, positive: Tensor) -> Tensor:
    """Cross-entropy between the two polarities' summed probabilities.

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
    """Earth mover's distance around a circle between softmax(logits) and the target.

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


def rating_error(felt: Tensor, rated: Tensor) -> Tensor:
    """Squared error of ratings (N, D), averaged over those of an image's D that are known.

    Args:
        felt: (N, D), predicted.
        rated: (N, D), on the same scales; NaN where unknown.

    Returns:
        (N,), 0 for an image without ratings.
    """
    known = rated.isfinite()
    gap = torch.where(known, felt - rated.nan_to_num(), 0.0)
    return gap.square().sum(dim=1) / known.sum(dim=1).clamp(min=1)


def where_known(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> Tensor:
    """Apply a loss to images whose target is known; 0 for the others.

    Args:
        loss: of logits (N, K) and targets (N, K).
        logits: (N, K).
        target: (N, K); all NaN where unknown.

    Returns:
        (N,).
    """
    known = target.isfinite().all(dim=1)
    return torch.where(known, loss(logits, target.nan_to_num()), 0.0)
