"""The prior that a model's predictions are given for, and the threshold of its sets under it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.errors import did_you_mean
from evoca.priors import (
    BALANCED,
    NATURAL,
    TRAINED,
    Prior,
    PriorError,
    as_prior,
    balanced,
    natural,
    read_prior,
    reweight,
    weighted_threshold,
)
from evoca.runtime.card import ModelCard
from evoca.softmax import softmax

__all__ = [
    "Floats",
    "OperatingPoint",
    "PriorLike",
    "operating_point",
    "points_beside",
    "trained_prior",
]

_NAMES = (NATURAL, BALANCED, TRAINED, "estimate")  # the last by predict, evaluate and tag alone

Floats = NDArray[np.float64]
PriorLike = str | Path | Mapping[str, float] | Prior


@dataclass(frozen=True)
class OperatingPoint:
    """How logits become probabilities and sets.

    Attributes:
        temperature: probabilities are softmax(logits / temperature) under the frequencies
            that the model learnt from.
        trained: those frequencies, (K,); ``None`` where the bundle does not record them.
        prior: what probabilities are given for; ``None`` with ``trained``.
        threshold: of the prediction sets, under the prior.
    """

    temperature: float
    trained: Floats | None
    prior: Prior | None
    threshold: float
    labels: tuple[str, ...]

    @property
    def reweights(self) -> bool:
        """Whether probabilities differ from those that the model learnt."""
        if self.prior is None or self.trained is None:
            return False
        return not np.allclose(self.prior.shares(self.labels), self.trained, rtol=0, atol=1e-12)

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> Floats:
        """Return the probabilities (..., K) of logits under the prior."""
        learnt = softmax(logits, self.temperature)
        if not self.reweights or self.prior is None or self.trained is None:
            return learnt
        return reweight(learnt, self.trained, self.prior.shares(self.labels))


def trained_prior(card: ModelCard) -> Prior | None:
    """Return the frequencies that a model learnt from, as a prior; ``None`` if not recorded."""
    if card.training_frequencies is None:
        return None
    return Prior(TRAINED, card.training_frequencies, "the images that the model learnt from")


def operating_point(card: ModelCard, prior: PriorLike | None = None) -> OperatingPoint:
    """Return a model's operating point under a prior.

    Args:
        card: of the model.
        prior: ``natural``, ``balanced``, ``trained``, the path of a JSON file, frequencies by
            label, or a prior; the bundle's own if omitted.

    Raises:
        PriorError: it is no prior of the model's labels, or the bundle does not record what
            other priors need.
    """
    trained = trained_prior(card)
    if trained is None:
        if prior is not None and prior != TRAINED:
            raise PriorError(
                f"--prior: {card.name} does not record the class frequencies it was trained under: "
                "export it again"
            )
        return OperatingPoint(card.temperature, None, None, card.set_threshold, card.labels)
    own = trained if card.prior is None else Prior(**card.prior.model_dump())
    wanted = own if prior is None else _found(prior, card, trained)
    shares = trained.shares(card.labels)
    threshold = card.set_threshold
    if dict(wanted.frequencies) != dict(own.frequencies):
        threshold = _threshold(card, shares, wanted)
    return OperatingPoint(card.temperature, shares, wanted, threshold, card.labels)


def points_beside(
    card: ModelCard, own: OperatingPoint, names: Iterable[str]
) -> dict[str, OperatingPoint]:
    """Return the operating points that can be chosen among, by name: a model's own is first.

    Args:
        card: of the model.
        own: its own; ``none`` is its name where the model has no prior.
        names: of the others; those that are not for this model are left out.
    """
    if own.prior is None:
        return {"none": own}
    points = {own.prior.name: own}
    for name in names:
        if name not in points:
            with suppress(PriorError):
                points[name] = operating_point(card, name)
    return points


def _found(prior: PriorLike, card: ModelCard, trained: Prior) -> Prior:
    if isinstance(prior, Prior):
        return as_prior(prior.frequencies, card.labels, prior.name)
    if isinstance(prior, Mapping):
        return as_prior(prior, card.labels, "prior")
    if isinstance(prior, str) and prior in {NATURAL, BALANCED, TRAINED}:
        named = {NATURAL: natural, BALANCED: balanced}
        return trained if prior == TRAINED else named[prior](card.labels)
    file = Path(prior)
    if not str(prior) or not file.is_file():
        raise PriorError(
            f"--prior {str(prior) or repr('')}: no JSON file of frequencies, and no name of any"
            f"{did_you_mean(str(prior), _NAMES)}"
        )
    return read_prior(file, card.labels)


def _threshold(card: ModelCard, trained: Floats, prior: Prior) -> float:
    """Return the threshold under a prior, from rows weighted by how their labels are shifted."""
    if card.calibration is None:
        raise PriorError(
            f"--prior {prior.name}: {card.name} has no calibration rows, which prediction sets "
            "under another prior need: export it again"
        )
    logits, truth = card.calibration.read(len(card.labels))
    shares = prior.shares(card.labels)
    found = reweight(softmax(logits, card.temperature), trained, shares)
    counts = np.bincount(truth, minlength=len(card.labels)) / len(truth)
    weights = np.divide(shares, counts, out=np.zeros_like(shares), where=counts > 0)
    scores = found[np.arange(len(truth)), truth]
    return weighted_threshold(scores, weights[truth], float(weights.max()), card.set_coverage)
