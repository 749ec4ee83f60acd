"""The class frequencies of a collection without labels, as a prior for a model."""

from __future__ import annotations

from dataclasses import dataclass

from evoca.metrics.checks import FloatArray
from evoca.metrics.label_shift import Estimate, estimate_frequencies
from evoca.priors import Prior, PriorError
from evoca.runtime.card import ModelCard
from evoca.runtime.operating_point import trained_prior
from evoca.softmax import softmax

__all__ = ["EstimatedPrior", "estimate_prior"]


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


def estimate_prior(card: ModelCard, probabilities: FloatArray) -> EstimatedPrior:
    """Estimate the class frequencies of images from a model's predictions of them.

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
    source = f"maximum likelihood on {found.images:,} images"
    return EstimatedPrior(Prior("estimate", frequencies, source), found, _lines(card, found))


def _lines(card: ModelCard, found: Estimate) -> tuple[str, ...]:
    shares = zip(card.labels, found.frequencies, found.low, found.high, strict=True)
    each = ", ".join(f"{label} {p:.0%} [{low:.0%}, {high:.0%}]" for label, p, low, high in shares)
    lines = [f"class frequencies estimated from {found.images:,} images, 95% interval: {each}"]
    if not found.is_label_shift:
        lines.append(
            "these predictions are unlike those of the images that calibrated the model, whatever "
            f"the frequencies (p = {found.p_value:.3f}): the pictures themselves are of other "
            "kinds, so take the estimate with care"
        )
    return tuple(lines)
