"""The model of a run of ``evoca tag``, and the frequencies that it predicts for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evoca.errors import ImageError
from evoca.priors import BALANCED, NATURAL, TRAINED, Prior
from evoca.runtime.bundle import Bundle, read_bundle
from evoca.runtime.card import ModelCard
from evoca.runtime.operating_point import OperatingPoint, PriorLike, operating_point
from evoca.runtime.predictor import prediction_of
from evoca.tagger.journal import Computed
from evoca.tagger.table_file import Predicted

__all__ = ["ESTIMATE", "RunModel"]

_NAMED = {NATURAL, BALANCED, TRAINED}
ESTIMATE = "estimate"
"""The prior that is estimated from the images of the run."""


@dataclass(frozen=True)
class RunModel:
    """A model and its operating point.

    Attributes:
        bundle: of the model.
        point: how its logits become probabilities.
        estimates: whether the prior is still to be estimated from the images.
    """

    bundle: Bundle
    point: OperatingPoint
    estimates: bool = False

    @classmethod
    def read(cls, model: str | os.PathLike[str] | None, prior: PriorLike | None) -> RunModel:
        """Return a model under a prior, or under that which it learnt from if that is ``estimate``.

        Raises:
            BundleError: no such model.
            PriorError: no such prior, or not for this model.
        """
        bundle = read_bundle(model)
        estimates = prior == ESTIMATE
        # An estimate is made of the predictions under the frequencies that were learnt from.
        point = operating_point(bundle.card, TRAINED if estimates else prior)
        return cls(bundle, point, estimates)

    @property
    def card(self) -> ModelCard:
        """The description of the model."""
        return self.bundle.card

    @property
    def frequencies(self) -> dict[str, float] | None:
        """The class frequencies in force; ``None`` where the bundle records none."""
        prior = self.point.prior
        return None if prior is None else dict(prior.frequencies)

    def under(self, prior: Prior) -> RunModel:
        """Return the same model under another prior."""
        return replace(self, point=operating_point(self.card, prior))

    def estimated(self, logits: NDArray[np.float32], say: Callable[[str], None]) -> RunModel:
        """Return the same model under the frequencies that are estimated from a run's images.

        Args:
            logits: (N, K), of all of them.
            say: called with each line on the estimate.

        Raises:
            PriorError: they are too few.
        """
        from evoca.evaluation.estimated_prior import estimate_prior

        found = estimate_prior(self.card, self.point.probabilities(logits))
        for line in found.lines:
            say(line)
        return self.under(found.prior)

    def pins(self) -> dict[str, str]:
        """Return what a run keeps to, model and prior, each as a text that states it whole."""
        prior = self.point.prior
        name = "none" if prior is None else prior.name
        if self.estimates:
            name = ESTIMATE
        elif prior is not None and name not in _NAMED:
            name += f" {json.dumps(dict(prior.frequencies), sort_keys=True)}"
        return {"model": f"{self.card.name} ({_digest(self.card)})", "prior": name}

    def predicted(self, one: Computed) -> Predicted:
        """Return the prediction of what was computed for an image, or why there is none."""
        if one.logits is None:
            return ImageError(one.error, one.path)
        return prediction_of(
            self.card,
            self.point,
            self.point.probabilities(one.logits),
            one.affect,
            path=one.path,
            sha256=one.sha256,
            warnings=one.warnings,
        )


def _digest(card: ModelCard) -> str:
    """Return what tells two models apart: a hash of the card, which has that of the graph."""
    return hashlib.sha256(card.model_dump_json().encode()).hexdigest()[:16]
