"""The class frequencies of a collection without labels, as a prior for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoca.metrics.checks import FloatArray
from evoca.metrics.label_shift import Estimate, estimate_frequencies
from evoca.prediction import Prediction
from evoca.priors import TRAINED, Prior, PriorError
from evoca.progress import Announce, silent
from evoca.runtime.card import ModelCard
from evoca.runtime.operating_point import trained_prior
from evoca.runtime.predictor import load
from evoca.softmax import softmax
from evoca.words import counted

__all__ = ["EstimatedPrior", "estimate_prior", "estimate_prior_of"]


@dataclass(frozen=True)
class EstimatedPrior:
    """An estimate, and what a user must know of it.

    Attributes:
        prior: the frequencies.
        estimate: with their intervals.
        lines: the frequencies in words, and a caution where nothing else than a shift of
            frequencies was assumed and that does not hold.
    """

    prior: Prior
    estimate: Estimate
    lines: tuple[str, ...]


def estimate_prior_of(
    model: str | None, paths: Sequence[Path], announce: Announce = silent
) -> EstimatedPrior:
    """Return the class frequencies of images, estimated from a model's predictions of them.

    The images are predicted once for it, and those that cannot be read are passed over: who
    predicts them next names them.

    Args:
        model: a bundle; the default one if ``None``.
        paths: the images.
        announce: shows progress.

    Raises:
        EvocaError: the model records no training frequencies, or there are too few images.
    """
    predictor = load(model, prior=TRAINED)
    found: list[list[float]] = []
    advance = announce("estimating class frequencies", len(paths))
    for prediction in predictor.stream(paths):
        advance(1)
        if isinstance(prediction, Prediction):
            found.append(list(prediction.probabilities.values()))
    return estimate_prior(predictor.card, np.array(found, dtype=np.float64))


def estimate_prior(card: ModelCard, probabilities: FloatArray) -> EstimatedPrior:
    """Return the class frequencies of images, estimated from predictions of them.

    Args:
        card: of the model.
        probabilities: float (n, K), under the model's training frequencies.

    Raises:
        PriorError: the bundle does not record its training frequencies.
        DataError: too few images.
    """
    trained = trained_prior(card)
    if trained is None:
        raise PriorError(
            f"--prior estimate: {card.name} does not record the class frequencies it was trained "
            "under: export it again"
        )
    calibration = None
    if card.calibration is not None:
        logits, truth = card.calibration.read(len(card.labels))
        calibration = softmax(logits, card.temperature), truth
    found = estimate_frequencies(
        probabilities.reshape(-1, len(card.labels)), trained.shares(card.labels), calibration
    )
    frequencies = dict(zip(card.labels, found.frequencies.tolist(), strict=True))
    source = f"maximum likelihood on {counted(found.images, 'image')}"
    return EstimatedPrior(Prior("estimate", frequencies, source), found, _lines(card, found))


def _lines(card: ModelCard, found: Estimate) -> tuple[str, ...]:
    shares = zip(card.labels, found.frequencies, found.low, found.high, strict=True)
    each = ", ".join(f"{label} {p:.0%} [{low:.0%}, {high:.0%}]" for label, p, low, high in shares)
    lines = [
        f"class frequencies estimated from {counted(found.images, 'image')}, 95% interval: {each}"
    ]
    if not found.is_label_shift:
        lines.append(
            "these predictions are unlike those of the images that calibrated the model, whatever "
            f"the frequencies (p = {found.p_value:.3f}): the pictures themselves are of other "
            "kinds, so take the estimate with care"
        )
    return tuple(lines)
