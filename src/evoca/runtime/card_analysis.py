"""What a card tells beyond its headline: where a model errs, and how far to trust it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from evoca.runtime.card_parts import Metric, Strict

__all__ = ["AgreementErrors", "Analysis", "Elsewhere", "PerfectCalibration", "Perturbation"]

_Text = Annotated[str, Field(min_length=1, max_length=200)]


class PerfectCalibration(Strict):
    """The calibration error that chance gives a model whose probabilities are all true.

    A measured error inside the interval is no sign of miscalibration.

    Attributes:
        mean: over the simulations.
        ci95: the middle 95% of them.
    """

    mean: float
    ci95: tuple[float, float]


class AgreementErrors(Strict):
    """How well images are told whose viewers agreed to some degree.

    Attributes:
        agreement: the degree, in words.
        images: how many.
        accuracy: share of them whose top emotion is the label.
    """

    agreement: _Text
    images: int = Field(ge=0)
    accuracy: Metric


class Perturbation(Strict):
    """How predictions move under one change of the pictures.

    Attributes:
        change: what was done, in words, such as ``JPEG quality 30``.
        accuracy_change: accuracy after it minus accuracy before, where labels are known.
        same_emotion: share of the images that keep their top emotion.
    """

    change: _Text
    accuracy_change: Metric | None = None
    same_emotion: Metric


class Elsewhere(Strict):
    """Figures on images of another kind than those the model learnt from.

    Attributes:
        data: what they are, in words.
        labels: what was compared, such as negative and positive.
        images: how many.
        seen: how many of them the model has learnt from.
        figures: name to figure, named as in ``metrics``.
        without_looking: the same figures of one answer for every image: for ``accuracy``
            the commonest label, for ``kl`` equal shares.
    """

    data: _Text
    labels: tuple[_Text, ...]
    images: int = Field(ge=1)
    seen: int = Field(default=0, ge=0)
    figures: dict[str, Metric]
    without_looking: dict[str, float] = Field(default_factory=dict)


class Analysis(Strict):
    """All of it; what was not measured is left out.

    Attributes:
        confusion: rows truth, columns prediction, in the order of the labels; a mean over
            repeats, so that counts may be fractions.
        perfect_calibration: what the calibration error is to be judged against.
        coverage_by_emotion: share of the prediction sets that hold the label, by label.
        agreement: errors by how far the viewers agreed.
        perturbations: the robustness probe.
        elsewhere: evaluations on images of other kinds.
        cautions: what a reader of the figures must know, in sentences.
    """

    confusion: tuple[tuple[Annotated[float, Field(ge=0)], ...], ...] | None = None
    perfect_calibration: PerfectCalibration | None = None
    coverage_by_emotion: dict[str, Metric] = Field(default_factory=dict)
    agreement: tuple[AgreementErrors, ...] = ()
    perturbations: tuple[Perturbation, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    cautions: tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] = ()
