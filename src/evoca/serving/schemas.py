"""What the HTTP API takes and returns, for its description and its documentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import ConfigDict, Field

from evoca.emotions import Polarity, label_polarity, style_of
from evoca.priors import Prior
from evoca.runtime.card import ModelCard
from evoca.strict import Strict

__all__ = [
    "EvidenceWanted",
    "Model",
    "Problem",
    "Result",
    "Status",
    "UrlList",
    "model_answer",
]

EvidenceWanted = Literal["none", "top", "all"]
"""Which evidence maps an answer has: none, that of the likeliest emotion, or all."""

_MODEL_EXAMPLE = "evoca-default-0.1.0-e91bd436"
_PREDICTION_EXAMPLE: dict[str, Any] = {
    "path": "rocket.jpg",
    "sha256": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    "emotion": "awe",
    "confidence": 0.54,
    "probabilities": {
        "amusement": 0.05,
        "anger": 0.01,
        "awe": 0.54,
        "contentment": 0.07,
        "disgust": 0.01,
        "excitement": 0.24,
        "fear": 0.06,
        "sadness": 0.02,
    },
    "polarity": {"label": "positive", "positive": 0.9},
    "affect": {
        "valence": 4.4,
        "arousal": 4.3,
        "scale": [1.0, 7.0],
        "interval": {"coverage": 0.9, "valence": [3.1, 5.7], "arousal": [3.0, 5.6]},
    },
    "prior": {"name": "balanced", "frequencies": {"amusement": 0.125, "anger": 0.125}},
    "prediction_set": ["awe", "excitement"],
    "model": _MODEL_EXAMPLE,
    "warnings": [],
}


class Problem(Strict):
    """Why a request is refused."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"error": "send images in the field files"}}
    )
    error: str = Field(description="One line.")


class Status(Strict):
    """How the server is."""

    status: Literal["ok", "ready"]


class PolarityAnswer(Strict):
    """The polarity with the larger summed probability."""

    label: Literal["positive", "negative"]
    positive: float = Field(description="The summed probability of the positive emotions.")


class AffectInterval(Strict):
    """Intervals that hold the mean rating of viewers for a share of images."""

    coverage: float | None
    valence: tuple[float, float]
    arousal: tuple[float, float]


class AffectAnswer(Strict):
    """Valence and arousal, on the scale of the raters that the model learnt from."""

    valence: float
    arousal: float
    scale: tuple[float, float]
    interval: AffectInterval | None


class PriorAnswer(Strict):
    """The class frequencies that probabilities are given for."""

    name: str
    frequencies: dict[str, float]


class EvidenceAnswer(Strict):
    """Which places of the picture speak for an emotion."""

    kind: str = Field(description="additive: above 0 speaks for it; else higher is more important.")
    shape: tuple[int, int] = Field(description="Rows and columns of a map.")
    values: dict[str, list[float]] = Field(description="Emotion to its cells, row by row.")
    region: tuple[float, float, float, float] = Field(
        description="Left, top, right, bottom of what the map covers, as shares of the sides."
    )


class PredictionAnswer(Strict):
    """What one image evokes in viewers; the keys of `evoca predict --format json`."""

    model_config = ConfigDict(json_schema_extra={"example": _PREDICTION_EXAMPLE})
    path: str = Field(description="The file's name as it was sent, its address, or body.")
    sha256: str
    emotion: str
    confidence: float
    probabilities: dict[str, float]
    polarity: PolarityAnswer | None
    affect: AffectAnswer | None
    prior: PriorAnswer | None
    prediction_set: list[str]
    model: str
    warnings: list[str]
    evidence: EvidenceAnswer | None = Field(
        default=None, description="There where the request asks for it and the model has any."
    )


class UnreadableAnswer(Strict):
    """An image that cannot be read."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"path": "notes.txt", "error": "not an image"}}
    )
    path: str
    error: str


Result = PredictionAnswer | UnreadableAnswer
"""What an answer has for each image, in the order they were sent."""


class LabelAnswer(Strict):
    """A label, and how it is drawn everywhere."""

    name: str
    polarity: Polarity | None
    colour: str
    glyph: str


class InputAnswer(Strict):
    """The size that pictures are brought to."""

    height: int
    width: int
    resize: str


class ModelPrior(Strict):
    """Class frequencies that a request can ask for."""

    name: str
    default: bool
    frequencies: dict[str, float]
    source: str


class LicenceAnswer(Strict):
    """Terms of code and weights, which differ."""

    code: str
    weights: str


class Model(Strict):
    """A model that the server has loaded."""

    name: str
    default: bool
    sha256: str = Field(description="Of model.onnx.")
    summary: str
    taxonomy: str
    labels: list[LabelAnswer]
    input: InputAnswer
    affect_scale: tuple[float, float] | None
    priors: list[ModelPrior]
    evidence_kind: str | None
    set_coverage: float
    licence: LicenceAnswer
    engine: str
    precision: str


class UrlList(Strict):
    """Addresses of images."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"urls": ["https://photos.example/awe.jpg"]}}
    )
    urls: list[str] = Field(min_length=1)


def model_answer(
    card: ModelCard, priors: Iterable[tuple[str, Prior]], **engine: str
) -> dict[str, Any]:
    """Return what ``GET /v1/models`` has of a model, as plain data.

    Args:
        card: of the model.
        priors: name and frequencies of each that can be asked for, the default first.
        engine: ``engine`` and ``precision`` that it runs with.
    """
    shape = card.preprocessing
    known = [
        ModelPrior(
            name=name,
            default=i == 0,
            frequencies=dict(prior.frequencies),
            source=prior.source,
        )
        for i, (name, prior) in enumerate(priors)
    ]
    model = Model(
        name=card.name,
        default=True,
        sha256=card.sha256,
        summary=card.summary,
        taxonomy=card.taxonomy,
        labels=[_label(label) for label in card.labels],
        input=InputAnswer(height=shape.height, width=shape.width, resize=shape.resize),
        affect_scale=card.affect_range,
        priors=known,
        evidence_kind=card.evidence_kind,
        set_coverage=card.set_coverage,
        licence=LicenceAnswer(**card.licence.model_dump()),
        **engine,
    )
    return model.model_dump(mode="json")


def _label(label: str) -> LabelAnswer:
    style, polarity = style_of(label), label_polarity(label)
    return LabelAnswer(name=label, polarity=polarity, colour=style.colour, glyph=style.glyph)
