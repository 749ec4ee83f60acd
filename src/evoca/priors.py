"""How frequent the emotions are where a model is used: priors, and what follows from them.

A model learns under the frequencies of its training images. Where the emotions are otherwise
frequent but evoked by the same kinds of pictures (label shift), Bayes' rule corrects its
probabilities (Saerens, Latinne and Decaestecker 2002, "Adjusting the Outputs of a Classifier
to New a Priori Probabilities", Neural Computation, equation 2.4), and importance weights
correct the threshold of its prediction sets (Podkopaev and Ramdas 2021, "Distribution-free
uncertainty quantification for classification under label shift", section 3).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.emotions import parts_of
from evoca.errors import EvocaError, first_line

__all__ = [
    "BALANCED",
    "NATURAL",
    "TRAINED",
    "Prior",
    "PriorError",
    "as_prior",
    "balanced",
    "natural",
    "read_prior",
    "reweight",
    "weighted_threshold",
]

Floats = NDArray[np.float64]

NATURAL, BALANCED, TRAINED = "natural", "balanced", "trained"
"""Names of priors: of photographs people post, all alike, and the training images' own."""

# Labelled photographs of FI, which were searched by emotion and labelled by several viewers each.
_COUNTS = {
    "amusement": 4724,
    "anger": 1176,
    "awe": 2883,
    "contentment": 5131,
    "disgust": 1591,
    "excitement": 2727,
    "fear": 969,
    "sadness": 2635,
}
_NATURAL_SOURCE = (
    "21,836 photographs from Flickr and Instagram (You et al. 2016, as counted by Rapolu et al. "
    "2023)"
)
_TOLERANCE = 0.01


class PriorError(EvocaError, ValueError):
    """A prior that cannot be used, in one line."""


@dataclass(frozen=True)
class Prior:
    """Class frequencies under a name.

    Attributes:
        name: ``natural``, ``balanced``, ``trained``, ``estimate``, or that of a file.
        frequencies: label to its share, each above or equal to 0, summing to 1.
        source: where they come from, in words.
    """

    name: str
    frequencies: Mapping[str, float]
    source: str = ""

    def shares(self, labels: Sequence[str]) -> Floats:
        """Return the shares in the order of some labels, float64 (K,)."""
        return np.array([self.frequencies[label] for label in labels], dtype=np.float64)


def natural(labels: Sequence[str]) -> Prior:
    """Return the frequencies among photographs that people post.

    Emotions that a model has as one class have the sum of their shares.

    Raises:
        PriorError: the labels are not the eight emotions.

    >>> round(natural(list(_COUNTS)).frequencies["contentment"], 3)
    0.235
    """
    if sorted(part for label in labels for part in parts_of(label)) != sorted(_COUNTS):
        raise PriorError(
            "--prior natural: known for the eight emotions alone; give a file of frequencies"
        )
    total = sum(_COUNTS.values())
    shares = {label: sum(_COUNTS[part] for part in parts_of(label)) / total for label in labels}
    return Prior(NATURAL, shares, _NATURAL_SOURCE)


def balanced(labels: Sequence[str]) -> Prior:
    """Return equal frequencies."""
    return Prior(BALANCED, dict.fromkeys(labels, 1 / len(labels)), "all emotions alike")


def as_prior(frequencies: Mapping[str, Any], labels: Sequence[str], name: str) -> Prior:
    """Return frequencies as a prior, brought to a sum of exactly 1.

    Raises:
        PriorError: a label is missing or unknown, a value is no number from 0 to 1, or the
            sum is further from 1 than 0.01.
    """
    if missing := [label for label in labels if label not in frequencies]:
        raise PriorError(f"{name}: no frequency of {', '.join(missing)}")
    if unknown := [str(label) for label in frequencies if label not in labels]:
        known = ", ".join(labels)
        raise PriorError(f"{name}: {', '.join(unknown)}: none of the model's labels ({known})")
    for label, value in frequencies.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1:  # NaN is neither
            raise PriorError(f"{name}: {label}: {value!r} is no share from 0 to 1")
    total = math.fsum(frequencies.values())
    if abs(total - 1) > _TOLERANCE:
        raise PriorError(f"{name}: the frequencies sum to {total:g}, not to 1")
    return Prior(name, {label: frequencies[label] / total for label in labels}, name)


def read_prior(file: str | Path, labels: Sequence[str]) -> Prior:
    """Return the prior of a JSON file that maps every label to its share.

    Raises:
        PriorError: it cannot be read, or is no prior of these labels.
    """
    try:
        content = json.loads(Path(file).read_text(encoding="utf-8"), object_pairs_hook=_once)
    except OSError as error:
        raise PriorError(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PriorError(f"{file}: not JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise PriorError(f'{file}: not a JSON object of shares, such as {{"awe": 0.1, ...}}')
    return as_prior(content, labels, str(file))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs of a JSON object as a mapping; a key that is there twice is an error."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a label is there twice")
    return found


def reweight(probabilities: Floats, trained: Floats, prior: Floats) -> Floats:
    """Return probabilities under other class frequencies than those they were learnt under.

    Each is multiplied by prior / trained, and all are brought to a sum of 1 (Saerens et al.
    2002, equation 2.4).

    Args:
        probabilities: float (..., K).
        trained: float (K,), above 0.
        prior: float (K,).

    >>> reweight(np.array([0.5, 0.5]), np.array([0.5, 0.5]), np.array([0.8, 0.2]))
    array([0.8, 0.2])
    """
    weighted = probabilities * (prior / trained)
    total = weighted.sum(axis=-1, keepdims=True)
    # A prior of 0 for all that an image may evoke leaves nothing to go by but the prior.
    return np.where(total > 0, weighted / np.where(total > 0, total, 1), prior)


def weighted_threshold(scores: Floats, weights: Floats, most: float, coverage: float) -> float:
    """Return the threshold whose sets hold the true label with the stated probability.

    Args:
        scores: float (n,), the probability of each calibration row's true label.
        weights: float (n,), how much more frequent that label is now than it was.
        most: the largest weight that a new image's label can have, which counts for the new
            image: with all weights 1 this is split conformal prediction.
        coverage: of the sets, 0..1.

    Returns:
        The largest score at or above which rows with the stated share of all weight lie; 0,
        so that sets hold all labels, where there are too few rows.

    >>> weighted_threshold(np.array([0.9, 0.8, 0.6, 0.3]), np.ones(4), 1.0, 0.6)
    0.6
    """
    order = np.argsort(-scores, kind="stable")
    share = np.cumsum(weights[order]) / (weights.sum() + most)
    # A hair below, so that sums of thirds and the like reach what they should.
    reached = np.flatnonzero(share >= coverage - 1e-12)
    return float(scores[order][reached[0]]) if len(reached) else 0.0
