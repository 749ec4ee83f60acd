"""The prediction for one image: a distribution, what follows from it, and the evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoca.emotions import Polarity, polarity_of
from evoca.evidence import EvidenceMap
from evoca.priors import Prior

if TYPE_CHECKING:
    from PIL import Image

    from evoca.images.sources import ImageInput

__all__ = ["Prediction", "prediction_set"]


@dataclass(frozen=True, repr=False)
class Prediction:
    """Which emotions one image evokes in viewers, as a model predicts.

    Attributes:
        probabilities: label to probability, in the model's order; they sum to 1.
        prediction_set: the labels that remain plausible, most likely first: every label
            with a probability at or above the model's threshold, and always the top one.
            Built so that the set holds the true label for the share of images that the
            model's card states.
        model: name of the model.
        path: printable name of the input; ``None`` where it has none.
        size: (width, height) of the picture in pixels, upright; ``None`` if unknown.
        sha256: of the encoded file; ``None`` for PIL images and arrays.
        evidence: the evidence map; ``None`` where the model has none.
        embedding: float32 (D,), the model's features; ``None`` where it has no such output.
        affect: predicted valence and arousal, on the scale in the model's card; ``None``
            where the model predicts neither.
        affect_range: that scale's lowest and highest rating.
        affect_errors: half the widths of their intervals, which hold the mean rating of
            viewers for the share ``affect_coverage`` of images; ``None`` where not measured.
        affect_coverage: that share.
        prior: the class frequencies that the probabilities are given for; ``None`` where the
            model's bundle does not record any.
        warnings: such as ``animated: first frame`` or ``unlike a photograph: blank``.
        picture: the upright picture, shrunk, mode RGB; ``None`` unless
            :meth:`evoca.Predictor.stream` was called with ``picture_side``.
    """

    probabilities: Mapping[str, float]
    prediction_set: tuple[str, ...]
    model: str
    path: str | None = None
    size: tuple[int, int] | None = None
    sha256: str | None = None
    evidence: EvidenceMap | None = field(default=None, repr=False, compare=False)
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    warnings: tuple[str, ...] = ()
    affect: tuple[float, float] | None = None
    affect_range: tuple[float, float] | None = None
    affect_errors: tuple[float, float] | None = None
    affect_coverage: float | None = None
    prior: Prior | None = None
    picture: Image.Image | None = field(default=None, repr=False, compare=False)

    @property
    def emotion(self) -> str:
        """The most likely label (the first in order where several tie)."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def confidence(self) -> float:
        """The probability of the most likely label, 0..1."""
        return self.probabilities[self.emotion]

    @property
    def polarity(self) -> Polarity | None:
        """The polarity with the larger summed probability: positive or negative.

        This can differ from the polarity of :attr:`emotion`. ``None`` where the model's
        labels are not the eight emotions.
        """
        found = polarity_of(dict(self.probabilities))
        return None if found is None else found[0]

    @property
    def positive(self) -> float | None:
        """The summed probability of the positive emotions, 0..1."""
        found = polarity_of(dict(self.probabilities))
        return None if found is None else found[1]

    @property
    def affect_in_words(self) -> tuple[str, ...]:
        """A line on valence and one on arousal, with interval and scale; none without them."""
        if self.affect is None or self.affect_range is None:
            return ()
        interval = self._affect_interval(self.affect, self.affect_range)
        low, high = self.affect_range
        lines = []
        for name, value in zip(("valence", "arousal"), self.affect, strict=True):
            ends = "" if interval is None else "[{:.1f} to {:.1f}] ".format(*interval[name])
            lines.append(f"{name} {value:.1f} {ends}on {low:g} to {high:g}")
        return tuple(lines)

    def ranked(self) -> list[tuple[str, float]]:
        """Return (label, probability) pairs, the most likely first."""
        return sorted(self.probabilities.items(), key=lambda pair: -pair[1])

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as plain data, the object ``--format json`` prints."""
        return {
            "path": self.path,
            "sha256": self.sha256,
            "emotion": self.emotion,
            "confidence": self.confidence,
            "probabilities": dict(self.probabilities),
            "polarity": (
                None
                if self.polarity is None
                else {"label": str(self.polarity), "positive": self.positive}
            ),
            "affect": self._affect(),
            "prior": (
                None
                if self.prior is None
                else {"name": self.prior.name, "frequencies": dict(self.prior.frequencies)}
            ),
            "prediction_set": list(self.prediction_set),
            "model": self.model,
            "warnings": list(self.warnings),
        }

    def to_row(self) -> dict[str, Any]:
        """Return the prediction as a row of a table; absent values are absent keys.

        The columns are those of ``--format csv``: ``path, sha256, emotion, confidence,
        p_<emotion>..., polarity, polarity_positive, valence, arousal, prediction_set`` (a JSON
        list), ``prior, model, warnings``.
        """
        row: dict[str, Any] = {
            "path": self.path,
            "sha256": self.sha256,
            "emotion": self.emotion,
            "confidence": self.confidence,
            **{f"p_{label}": p for label, p in self.probabilities.items()},
        }
        if self.polarity is not None:
            row |= {"polarity": str(self.polarity), "polarity_positive": self.positive}
        if self.affect is not None:
            row |= {"valence": self.affect[0], "arousal": self.affect[1]}
        row["prediction_set"] = json.dumps(self.prediction_set)
        if self.prior is not None:
            row["prior"] = self.prior.name
        return row | {"model": self.model, "warnings": "; ".join(self.warnings)}

    def __repr__(self) -> str:
        """Return one line: the name, and every plausible emotion with its probability."""
        shares = (f"{label} {self.probabilities[label]:.0%}" for label in self.prediction_set)
        return f"<evoca.Prediction {self.path or 'image'}: {', '.join(shares)}>"

    def _repr_html_(self) -> str:
        """Return the picture and a bar per emotion, for notebooks; no script, no address."""
        from evoca.drawing import prediction_html

        return prediction_html(self)

    def _affect(self) -> dict[str, Any] | None:
        if self.affect is None or self.affect_range is None:
            return None
        valence, arousal = self.affect
        return {
            "valence": valence,
            "arousal": arousal,
            "scale": list(self.affect_range),
            "interval": self._affect_interval(self.affect, self.affect_range),
        }

    def _affect_interval(
        self, affect: tuple[float, float], scale: tuple[float, float]
    ) -> dict[str, Any] | None:
        if self.affect_errors is None:
            return None
        low, high = scale
        ends = [
            [max(low, value - error), min(high, value + error)]
            for value, error in zip(affect, self.affect_errors, strict=True)
        ]
        return {"coverage": self.affect_coverage, "valence": ends[0], "arousal": ends[1]}

    def to_image(self, source: ImageInput | None = None, label: str | None = None) -> Image.Image:
        """Return the picture with the evidence for a label, and the distribution beside it.

        Args:
            source: the picture this prediction was made from; :attr:`picture` if omitted.
            label: whose evidence to draw; the top emotion if omitted.

        Returns:
            A new PIL image, mode RGB.

        Raises:
            ImageError: the source cannot be read.
            KeyError: the label is not one of the model's.
            ValueError: no source is given, and the prediction has no picture.
        """
        from evoca.drawing import draw_prediction

        return draw_prediction(self, source, label)


def prediction_set(probabilities: Mapping[str, float], threshold: float) -> tuple[str, ...]:
    """Return the labels at or above a threshold, most likely first, never empty.

    >>> prediction_set({"awe": 0.5, "fear": 0.3, "anger": 0.2}, 0.25)
    ('awe', 'fear')
    >>> prediction_set({"awe": 0.5, "fear": 0.3, "anger": 0.2}, 0.9)
    ('awe',)
    """
    ranked = sorted(probabilities, key=lambda label: -probabilities[label])
    return tuple(
        label for i, label in enumerate(ranked) if i == 0 or probabilities[label] >= threshold
    )
