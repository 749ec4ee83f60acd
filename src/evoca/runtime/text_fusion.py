"""Fusion of a prediction with the text in the picture; off unless a text scorer is named.

sreenivas2018 names the words in a picture as future work. The scorer, which predicts the
emotions that a text evokes, is the user's own: Evoca has none (see ``docs/text.md``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, SupportsFloat

from evoca.errors import EvocaError
from evoca.plugins import object_at, plugin_names
from evoca.prediction import Prediction, prediction_set
from evoca.words import counted

if TYPE_CHECKING:
    from PIL import Image

    from evoca.images.ocr import TextReader

__all__ = ["ENTRY_POINTS", "TextFusion", "TextScorer", "fuse", "load_scorer"]

ENTRY_POINTS = "evoca.text_scorers"
"""The group of entry points for scorers of other packages."""

_LEAST = 1e-6  # so that no scorer rules a label out
_TOLERANCE = 1e-3


class TextScorer(Protocol):
    """A function that returns which emotions a text evokes in its readers."""

    def __call__(self, text: str, labels: Sequence[str]) -> Mapping[str, float] | None:
        """Return a probability per label, summing to 1; ``None`` without any evidence.

        Args:
            text: the text of a picture, line by line.
            labels: of the model.
        """


def load_scorer(name: str) -> TextScorer:
    """Return a scorer by name. This runs the named code: name only code that you trust.

    Args:
        name: ``module:callable``, or the name of an entry point of :data:`ENTRY_POINTS`.

    Raises:
        EvocaError: there is none, or it cannot be called.
    """
    known = {} if ":" in name else plugin_names(ENTRY_POINTS)
    if ":" not in name and name not in known:
        offered = ", ".join(sorted(known)) or "none is installed"
        raise EvocaError(
            f"text scorer {name}: no such entry point of {ENTRY_POINTS} ({offered}); write "
            "MODULE:CALLABLE, or install a package that offers it"
        )
    try:
        scorer = object_at(known.get(name, name))
    except Exception as error:  # whatever the code that is named does
        raise EvocaError(f"text scorer {name}: cannot be loaded: {_described(error)}") from error
    if not callable(scorer):
        raise EvocaError(f"text scorer {name}: not something that can be called")
    return scorer  # type: ignore[no-any-return]


def fuse(image: Mapping[str, float], text: Mapping[str, float], weight: float) -> dict[str, float]:
    """Return the average of two distributions in logit space, scaled to sum to 1.

    p is proportional to image^(1 - weight) * text^weight: the logarithmic opinion pool
    (Genest and Zidek 1986, "Combining probability distributions", section 3).

    Args:
        image: label to probability, predicted from the picture.
        text: label to probability, predicted from the text; each counts as at least 1e-6.
        weight: of the text, 0..1; 0 returns the distribution of the image.

    >>> {label: round(p, 2) for label, p in fuse(
    ...     {"awe": 0.8, "fear": 0.2}, {"awe": 0.2, "fear": 0.8}, 0.5).items()}
    {'awe': 0.5, 'fear': 0.5}
    """
    logs = {
        label: (1 - weight) * math.log(max(p, _LEAST)) + weight * math.log(max(text[label], _LEAST))
        for label, p in image.items()
    }
    highest = max(logs.values())
    powers = {label: math.exp(value - highest) for label, value in logs.items()}
    total = sum(powers.values())
    return {label: power / total for label, power in powers.items()}


@dataclass(frozen=True)
class TextFusion:
    """A prediction combined with that for the text in the picture.

    Attributes:
        read: returns the text of a picture; see :func:`evoca.images.ocr.text_reader`.
        score: returns the emotions that a text evokes.
        weight: of the text, 0..1.
    """

    read: TextReader
    score: TextScorer
    weight: float = 0.25

    def __post_init__(self) -> None:
        """Check the weight.

        Raises:
            ValueError: outside 0..1.
        """
        if not 0 <= self.weight <= 1:
            raise ValueError(f"the weight of the text is 0 to 1, not {self.weight:g}")

    def apply(self, prediction: Prediction, picture: Image.Image, threshold: float) -> Prediction:
        """Return the prediction fused with that for the picture's text, if there is any.

        The evidence map stays that of the image. The threshold of the set was chosen without
        text, so its coverage is unknown; a warning is added.

        Args:
            prediction: of the picture.
            picture: upright, mode RGB, as large as there is.
            threshold: of the model's prediction sets.

        Raises:
            EvocaError: the scorer fails, or does not return a distribution over the labels.
        """
        text = "\n".join(line.text for line in self.read(picture))
        own = self._opinion(text, tuple(prediction.probabilities)) if text else None
        if own is None:
            return prediction
        probabilities = fuse(prediction.probabilities, self._checked(own, prediction), self.weight)
        words = len(text.split())
        note = (
            f"text in the picture ({counted(words, 'word')}) weighs {self.weight:g}; set "
            "coverage unknown"
        )
        return replace(
            prediction,
            probabilities=probabilities,
            prediction_set=prediction_set(probabilities, threshold),
            warnings=(*prediction.warnings, note),
        )

    def _opinion(self, text: str, labels: tuple[str, ...]) -> Mapping[str, float] | None:
        try:
            return self.score(text, labels)
        except Exception as error:  # somebody else's code, which may raise anything
            raise EvocaError(f"the text scorer failed: {_described(error)}") from error

    @staticmethod
    def _checked(found: Mapping[str, float], prediction: Prediction) -> Mapping[str, float]:
        if not _is_distribution(found, prediction.probabilities):
            labels = ", ".join(prediction.probabilities)
            raise EvocaError(
                f"the text scorer gave no distribution: a share from 0 to 1 of each of {labels}, "
                "in sum 1, is needed"
            )
        return found


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _is_distribution(found: Any, labels: Mapping[str, float]) -> bool:
    """Return whether the output of a scorer, of any type, is one probability per label."""
    if not isinstance(found, Mapping) or found.keys() != labels.keys():
        return False
    values = list(found.values())
    if not all(isinstance(value, SupportsFloat) for value in values):
        return False
    shares = [float(value) for value in values]
    in_range = all(math.isfinite(share) and share >= 0 for share in shares)
    return in_range and abs(sum(shares) - 1) <= _TOLERANCE
