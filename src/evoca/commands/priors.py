"""``--prior estimate``: class frequencies from the images at hand, shown before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evoca.commands.progress import announcing
from evoca.commands.terminal import say
from evoca.priors import Prior

__all__ = ["ESTIMATE", "estimated"]

ESTIMATE = "estimate"


def estimated(model: str | None, paths: Sequence[Path]) -> Prior:
    """Return the class frequencies of images, after printing them with their intervals.

    Raises:
        EvocaError: the model records no training frequencies, or there are too few images.
    """
    from evoca.evaluation.estimated_prior import estimate_prior_of

    with announcing() as announce:
        found = estimate_prior_of(model, paths, announce)
    for line in found.lines:
        say(f"evoca: {line}")
    return found.prior
