"""``model.json``: the description of a bundle's model, validated strictly."""

from __future__ import annotations

import base64
import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, model_validator

from evoca.emotions import TAXONOMIES, parts_of
from evoca.images.preprocess import Preprocessing
from evoca.strict import Strict

__all__ = [
    "FORMAT_VERSION",
    "AgreementErrors",
    "Analysis",
    "CalibrationRows",
    "CardPrior",
    "DeletionTest",
    "Elsewhere",
    "Licence",
    "Metric",
    "ModelCard",
    "PerfectCalibration",
    "Perturbation",
    "Provenance",
    "Quantisation",
]


class CardPart(Strict):
    """A part of a card: every number is finite."""

    model_config = ConfigDict(allow_inf_nan=False)


class Metric(CardPart):
    """A measured figure with its 95% confidence interval.

    Attributes:
        value: the figure.
        ci95: the low and high end of its interval.
    """

    value: float
    ci95: tuple[float, float]


_Text = Annotated[str, Field(min_length=1, max_length=200)]
_Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


class PerfectCalibration(CardPart):
    """The calibration error by chance of a model whose probabilities are all true.

    A measured error inside the interval is no sign of miscalibration.

    Attributes:
        mean: over the simulations.
        ci95: the middle 95% of them.
    """

    mean: float
    ci95: tuple[float, float]


class AgreementErrors(CardPart):
    """Accuracy on images whose viewers agreed to some degree.

    Attributes:
        agreement: the degree, in words.
        images: how many.
        accuracy: share of them whose top emotion is the label.
    """

    agreement: _Text
    images: int = Field(ge=0)
    accuracy: Metric


class Perturbation(CardPart):
    """How predictions move under one change of the pictures.

    Attributes:
        change: what was done, in words, such as ``JPEG quality 30``.
        accuracy_change: accuracy after it minus accuracy before, where labels are known.
        same_emotion: share of the images that keep their top emotion.
    """

    change: _Text
    accuracy_change: Metric | None = None
    same_emotion: Metric


class Elsewhere(CardPart):
    """Figures on images of another kind than those the model learnt from.

    Attributes:
        data: what they are, in words.
        labels: what was compared, such as negative and positive.
        images: how many.
        seen: how many of them the model has learnt from.
        figures: name to figure, named as in ``metrics``.
        without_looking: the same figures of a constant prediction: for ``accuracy``
            the commonest label, for ``kl`` equal shares.
    """

    data: _Text
    labels: tuple[_Text, ...]
    images: int = Field(ge=1)
    seen: int = Field(default=0, ge=0)
    figures: dict[str, Metric]
    without_looking: dict[str, float] = Field(default_factory=dict)


class SourceScores(CardPart):
    """Figures of one of several sources of labelled images, in its own vocabulary.

    Attributes:
        source: its name.
        images: how many were predicted.
        groups: the groups of emotions that are told apart, each joined by a plus.
        figures: name to figure, see :mod:`evoca.metrics.by_source`.
        without_looking: the same figures of the commonest group, or polarity.
    """

    source: _Text
    images: int = Field(ge=0)
    groups: tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...]
    figures: dict[str, Metric]
    without_looking: dict[str, float] = Field(default_factory=dict)


class Analysis(CardPart):
    """The error analysis of a model; what was not measured is left out.

    Attributes:
        confusion: rows truth, columns prediction, in the order of the labels; a mean over
            repeats, so that counts may be fractions.
        perfect_calibration: the calibration error by chance, to compare with.
        coverage_by_emotion: share of the prediction sets that hold the label, by label.
        agreement: accuracy by agreement of the viewers.
        perturbations: the robustness test.
        by_source: figures of each source it learnt from, held out image by image.
        left_out: those of each source predicted by a model that all others taught.
        elsewhere: evaluations on images of other kinds.
        cautions: what a reader of the figures must know, in sentences.
    """

    confusion: tuple[tuple[Annotated[float, Field(ge=0)], ...], ...] | None = None
    perfect_calibration: PerfectCalibration | None = None
    coverage_by_emotion: dict[str, Metric] = Field(default_factory=dict)
    agreement: tuple[AgreementErrors, ...] = ()
    perturbations: tuple[Perturbation, ...] = ()
    by_source: tuple[SourceScores, ...] = ()
    left_out: tuple[SourceScores, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    cautions: tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] = ()


FORMAT_VERSION = 6
"""The bundle format that this version of Evoca writes, and the newest one it reads.

Version 2 adds keys that version 1 does not have, version 3 the hashes of what training
images look like and of the images that chose, version 4 class frequencies and what other
priors need, version 5 intervals of valence and arousal, and version 6 the conformance fixture
and what quantisation changed; all are optional.
"""

_SUM_TOLERANCE = 1e-6
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_FileHash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
_PerceptualHash = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_MOST_IMAGES = 1_000_000
_PerceptualHashes = Annotated[tuple[_PerceptualHash, ...], Field(max_length=_MOST_IMAGES)]
_Label = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_ +-]+$")]


class CardPrior(CardPart):
    """The class frequencies that a model's probabilities are given for.

    Attributes:
        name: ``natural``, ``balanced``, ``trained`` or that of a file.
        frequencies: label to share, summing to 1.
        source: where they come from, in words.
    """

    name: _Text
    frequencies: dict[str, _Fraction]
    source: str = ""


class CalibrationRows(CardPart):
    """Logits of images that the model did not learn from, for thresholds under other priors.

    Attributes:
        rows: n of them.
        logits: base64 of float32 (n, K), little-endian, row by row.
        truth: base64 of uint16 (n,), little-endian: positions in the labels.
    """

    rows: int = Field(ge=1, le=100_000)
    logits: str
    truth: str

    @classmethod
    def of(
        cls, logits: NDArray[np.floating[Any]], truth: NDArray[np.integer[Any]]
    ) -> CalibrationRows:
        """Return logits (n, K) and their labels (n,), encoded."""
        return cls(
            rows=len(truth),
            logits=_encoded(logits.astype("<f4")),
            truth=_encoded(truth.astype("<u2")),
        )

    def read(self, labels: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the logits float64 (n, K), and the labels int64 (n,).

        Raises:
            ValueError: they are not as stated.
        """
        logits = np.frombuffer(base64.b64decode(self.logits, validate=True), dtype="<f4")
        truth = np.frombuffer(base64.b64decode(self.truth, validate=True), dtype="<u2")
        if logits.size != self.rows * labels or truth.size != self.rows:
            raise ValueError("calibration does not have the rows that it states")
        if not np.isfinite(logits).all() or truth.max(initial=0) >= labels:
            raise ValueError("calibration has logits that are no numbers, or labels of no name")
        return logits.reshape(self.rows, labels).astype(np.float64), truth.astype(np.int64)


def _encoded(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


class AffectIntervals(CardPart):
    """Half the widths of the intervals of valence and arousal.

    Attributes:
        coverage: the share of images whose rating an interval is built to hold.
        valence: in points of the scale.
        arousal: in points of the scale.
    """

    coverage: Annotated[float, Field(gt=0.0, lt=1.0)]
    valence: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    arousal: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Quantisation(CardPart):
    """How a graph of integers was made of one of float32, and what that changed.

    Attributes:
        method: how ranges were chosen, such as ``percentile``.
        calibration: the images that chose them, in words.
        calibration_images: how many.
        images: held-out images that the figures are from.
        seen: how many of those the model itself had learnt from.
        same_emotion: share of them whose top emotion is that of float32.
        nll_change: mean negative log-likelihood of the labels, int8 minus float32, per image.
    """

    method: _Text
    calibration: _Text
    calibration_images: int = Field(ge=1)
    images: int = Field(ge=1)
    seen: int = Field(ge=0)
    same_emotion: Metric
    nll_change: Metric


class Licence(CardPart):
    """Terms of the code and of the weights, which differ.

    Attributes:
        code: SPDX identifier of the code.
        weights: the terms of the weights, in words.
    """

    code: str
    weights: str


class Provenance(CardPart):
    """Where the model comes from.

    Attributes:
        recipe: name of the recipe that made it.
        profile: name of the profile that changed the recipe, such as ``lite0``.
        paper: key of the paper that recipe follows, in :mod:`evoca.papers`.
        backbones: the pretrained networks whose features it uses.
        data: the labelled images it learnt from, in words.
        images: how many of them.
        fingerprint: SHA-256 of their names, labels and contents; none before version 2.
        protocol: how the metrics were measured.
        evoca_version: the version of Evoca that exported it.
        settings: the whole recipe as it was trained, profile and settings of the command
            line included, its files by name alone; none in bundles of earlier versions.
    """

    recipe: str
    profile: str | None = None
    paper: str | None = None
    backbones: tuple[str, ...]
    data: str
    images: int = Field(ge=0)
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    protocol: str
    evoca_version: str
    settings: dict[str, Any] | None = None


class DeletionTest(CardPart):
    """The deletion test: how well the evidence map finds what the model relies on.

    Each figure is the area under the curve of the top emotion's probability, relative
    to the untouched image, while cells are replaced by the image's mean colour in the
    order a map ranks them (Petsiuk et al. 2018, RISE, deletion metric). Lower is better.

    Attributes:
        evidence: the model's own map.
        random: a random order of the cells.
        centre: from the centre outwards.
        images: how many held-out images were measured.
        evidence_minus_random: mean difference, with its interval; below 0 is better.
        evidence_minus_centre: the same against the centre map.
    """

    evidence: float
    random: float
    centre: float
    images: int
    evidence_minus_random: Metric
    evidence_minus_centre: Metric


class ModelCard(CardPart):
    """The content of ``model.json``.

    Attributes:
        format_version: of the bundle format.
        name: of the model; printed with every prediction.
        summary: one sentence for a listing.
        labels: the K emotions in the order of the model's outputs; emotions that are one
            class are joined by a plus.
        taxonomy: name of the set the labels belong to, one of
            :data:`evoca.emotions.TAXONOMIES`.
        preprocessing: how a decoded picture becomes the model's input.
        temperature: probabilities are softmax(logits / temperature).
        training_frequencies: label to its share of what the model learnt from, each above 0;
            ``None`` before version 4: then probabilities are as they were learnt, and no other
            prior can be asked for.
        prior: the frequencies that probabilities are given for: softmax(logits / temperature)
            times prior / training frequency, brought to a sum of 1; those of the training
            images where it is ``None``.
        set_threshold: the prediction set holds every label with a probability, under the
            prior, at or above it, and always the top label.
        calibration: what thresholds for other priors are computed from.
        set_coverage: the share of images whose true label the set is built to hold.
        c: of the fitted head: the cost of a support vector machine, the inverse penalty of a
            linear layer; ``None`` where no head was fitted, or not recorded.
        evidence_kind: ``additive`` where the spatial mean of the map plus
            ``evidence_bias`` equals the logit; ``relevance``; ``attention``; or none.
        evidence_bias: K numbers, for ``additive``.
        deletion_test: test that the map finds what the model relies on.
        affect_range: lowest and highest rating of the scale that ``affect`` predicts valence
            and arousal on, such as 1 and 7; ``None`` where the model predicts neither.
        affect_intervals: how far ratings lie from them; ``None`` where not measured, or before
            version 5.
        provenance: recipe, backbones and data.
        metrics: measured figures with intervals, fractions 0..1 unless named.
        per_emotion: label to precision, recall and F1.
        analysis: errors, calibration and robustness of the model; none before version 2.
        licence: of code and weights.
        training_images: first 16 hex digits of the SHA-256 of each training image, so
            that an evaluation can warn when it is run on them.
        training_perceptual_hashes: 32 hex digits for each training image that is not
            flat, its 64-bit DCT hash and difference hash (as the package imagehash
            computes them), so that copies which were saved again, resized or slightly
            cropped are found too; none before version 3.
        validation_images: as ``training_images``, of the images that stopped the training
            and chose temperature and set threshold; none where folds of the training
            images chose, or before version 3.
        validation_perceptual_hashes: of the validation images.
        sha256: of ``model.onnx``.
        quantisation: where ``model.onnx`` computes in int8; ``None`` where in float32.
        conformance: SHA-256 of ``conformance.json``, see :mod:`evoca.runtime.conformance`;
            ``None`` in a bundle without it, as before version 6.
    """

    format_version: int = Field(ge=1)
    name: Annotated[str, Field(min_length=1, max_length=100)]
    summary: str
    labels: Annotated[tuple[_Label, ...], Field(min_length=2, max_length=1000)]
    taxonomy: str
    preprocessing: Preprocessing
    temperature: float = Field(ge=1e-6, le=1000.0)
    training_frequencies: dict[str, _Fraction] | None = None
    prior: CardPrior | None = None
    set_threshold: _Fraction
    calibration: CalibrationRows | None = None
    set_coverage: Annotated[float, Field(gt=0.0, lt=1.0)]
    c: Annotated[float, Field(gt=0.0)] | None = None
    evidence_kind: Literal["additive", "relevance", "attention"] | None
    evidence_bias: tuple[float, ...] | None = None
    deletion_test: DeletionTest | None = None
    affect_range: tuple[float, float] | None = None
    affect_intervals: AffectIntervals | None = None
    provenance: Provenance
    metrics: dict[str, Metric]
    per_emotion: dict[str, dict[str, float]]
    analysis: Analysis | None = None
    licence: Licence
    training_images: tuple[_FileHash, ...]
    training_perceptual_hashes: _PerceptualHashes = ()
    validation_images: Annotated[tuple[_FileHash, ...], Field(max_length=_MOST_IMAGES)] = ()
    validation_perceptual_hashes: _PerceptualHashes = ()
    sha256: _Sha256
    quantisation: Quantisation | None = None
    conformance: _Sha256 | None = None

    @model_validator(mode="after")
    def _consistent(self) -> ModelCard:
        emotions = [part for label in self.labels for part in parts_of(label)]
        if len(set(emotions)) != len(emotions):
            raise ValueError("labels repeat")
        if self.taxonomy not in TAXONOMIES:
            known = ", ".join(TAXONOMIES)
            raise ValueError(f"unknown taxonomy {self.taxonomy!r}; known: {known}")
        if strange := set(emotions) - set(TAXONOMIES[self.taxonomy]):
            raise ValueError(f"{self.taxonomy} has no label {', '.join(sorted(strange))}")
        if (self.evidence_kind == "additive") != (self.evidence_bias is not None):
            raise ValueError("evidence_bias goes with evidence_kind additive, and only with it")
        if self.affect_range is not None and not self.affect_range[0] < self.affect_range[1]:
            raise ValueError("affect_range must be the lowest and the highest rating")
        if self.affect_intervals is not None and self.affect_range is None:
            raise ValueError("affect_intervals go with affect_range")
        if self.evidence_bias is not None and len(self.evidence_bias) != len(self.labels):
            raise ValueError("evidence_bias does not have one number per label")
        self._check_frequencies()
        confusion = self.analysis.confusion if self.analysis is not None else None
        if confusion is not None:
            k = len(self.labels)
            if len(confusion) != k or any(len(row) != k for row in confusion):
                raise ValueError("confusion does not have one row and one column per label")
        return self

    def _check_frequencies(self) -> None:
        trained, prior = self.training_frequencies, self.prior
        if prior is not None and trained is None:
            raise ValueError("prior goes with training_frequencies")
        for name, found in (
            ("training_frequencies", trained),
            ("prior", None if prior is None else prior.frequencies),
        ):
            if found is None:
                continue
            if set(found) != set(self.labels):
                raise ValueError(f"{name} does not have one share per label")
            if abs(math.fsum(found.values()) - 1) > _SUM_TOLERANCE:
                raise ValueError(f"{name} does not sum to 1")
        if trained is not None and min(trained.values()) <= 0:
            raise ValueError("training_frequencies are above 0")
        if self.calibration is not None:
            self.calibration.read(len(self.labels))
