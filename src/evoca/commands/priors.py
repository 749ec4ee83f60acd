"""``--prior estimate``: class frequencies from the images at hand, shown before they are used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evoca.commands.progress import announcing
from evoca.commands.terminal import say
from evoca.prediction import Prediction
from evoca.priors import TRAINED, Prior
from evoca.runtime.predictor import load

__all__ = ["ESTIMATE", "estimated"]

ESTIMATE = "estimate"


def estimated(model: str | None, paths: Sequence[Path]) -> Prior:
    """Estimate the class frequencies of images, and print them with their intervals.

    The images are predicted once for it, and those that cannot be read are passed over: who
    predicts them next names them.

    Raises:
        EvocaError: the model records no training frequencies, or there are too few images.
    """
    from evoca.evaluation.estimated_prior import estimate_prior

    predictor = load(model, prior=TRAINED)
    found: list[list[float]] = []
    with announcing() as announce:
        advance = announce("estimating class frequencies", len(paths))
        for prediction in predictor.stream(paths):
            advance(1)
            if isinstance(prediction, Prediction):
                found.append(list(prediction.probabilities.values()))
    result = estimate_prior(predictor.card, np.array(found, dtype=np.float64))
    for line in result.lines:
        say(f"evoca: {line}")
    return result.prior
