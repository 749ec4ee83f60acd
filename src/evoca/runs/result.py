"""The result of a run: one schema of ``metrics.json`` for all kinds of run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.metrics import Figure, Report, evaluate_predictions, paired_affect
from evoca.metrics.by_source import SourceFigures
from evoca.metrics.calibration_check import CalibrationCheck, check_calibration, group_folds
from evoca.metrics.conformal import SetFigures, class_conditional_sets, set_figures
from evoca.runs.predictions import Predictions
from evoca.runs.schema import PredictionSets, Scores

__all__ = ["Counts", "Result", "score"]

_FEWEST_GROUPS = 2  # an interval needs as many
_OF_SETS = ("set_coverage", "set_size")  # figures of the sets, not of the report
_COPIES = ("copies_of_training_images", "copies_of_validation_images")


@dataclass(frozen=True)
class Counts:
    """Counts of known images and of images left out; ``None`` if not recorded.

    Attributes:
        training_images: of those scored, files that the model was trained on.
        copies_of_training_images: of those scored, other files that are copies of them.
        copies_of_validation_images: of those scored, copies of images that chose.
        copies_left_out: not scored, since they are copies.
        left_out: not scored, since there is no truth to compare with.
        unreadable: not scored, since they could not be read.
    """

    training_images: int | None = 0
    copies_of_training_images: int | None = 0
    copies_of_validation_images: int | None = 0
    copies_left_out: int | None = 0
    left_out: int | None = 0
    unreadable: int | None = 0


@dataclass(frozen=True, eq=False)
class Result:
    """Scores of a training, a cross-validation or an evaluation.

    Attributes:
        predictions: a row per image that was scored.
        report: accuracy, calibration error and the rest, with intervals.
        sets: of the prediction sets; ``None`` without labels or sets.
        conditional: of sets with a threshold per label, chosen on the other folds; ``None``
            where the images have chosen, or some label has no image.
        calibration: against chance, and beside calibrators fitted on the other folds;
            ``None`` without labels, or where the images have chosen.
        notes: what a reader must know, in order of weight.
        validation: accuracy on the images that chose; ``None`` where there were none.
        chosen: C, temperature and set threshold of the trained model; ``None`` where not
            recorded.
        chosen_in_folds: those of every fold.
        counts: of images that are known to the model, or were left out.
        restricted: whether the model was restricted to the labels that have images.
        test_uses: how often these images were evaluated on before; ``None`` where not recorded.
        fingerprint: of model, data and options, of an evaluation; else empty.
        by_source: of images of several sources, the figures of each in its own vocabulary.
    """

    predictions: Predictions
    report: Report
    sets: SetFigures | None = None
    conditional: SetFigures | None = None
    calibration: CalibrationCheck | None = None
    notes: tuple[str, ...] = ()
    validation: Mapping[str, Any] | None = None
    chosen: Mapping[str, Any] | None = None
    chosen_in_folds: tuple[Mapping[str, Any], ...] = ()
    counts: Counts = Counts()
    restricted: bool = False
    test_uses: Mapping[str, Any] | None = None
    fingerprint: str = ""
    by_source: tuple[SourceFigures, ...] = ()

    @property
    def copies(self) -> dict[str, int | None]:
        """The counts of copies, as in ``run.json``."""
        return {name: getattr(self.counts, name) for name in _COPIES}

    @property
    def set_coverage(self) -> Figure | None:
        """Share of the images whose label is in their set."""
        return None if self.sets is None else self.sets.coverage

    @property
    def set_size(self) -> Figure | None:
        """Labels in a set, on average."""
        return None if self.sets is None else self.sets.size

    @property
    def prediction_sets(self) -> dict[str, SetFigures | None]:
        """Figures of the sets of each kind."""
        return {"model": self.sets, "class_conditional": self.conditional}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``: every key, ``None`` where not measured.

        The keys are those of :class:`evoca.runs.schema.Scores`.
        """
        found = vars(self.counts)
        return self.report.to_dict() | {
            name: _plain(found[name] if name in found else getattr(self, name))
            for name in Scores.model_fields
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], predictions: Predictions) -> Result:
        """Return the result from the data of :meth:`to_dict`; unknown keys are skipped.

        Args:
            content: of :class:`evoca.runs.schema.Metrics`, of any version.
            predictions: that were scored.

        Raises:
            KeyError, TypeError, ValueError: it is not such data.
        """
        found = Scores.completed(content)
        read: dict[str, Callable[[Any], Any]] = {
            "calibration": CalibrationCheck.from_dict,
            "chosen_in_folds": tuple,
            "by_source": lambda own: tuple(map(SourceFigures.from_dict, own)),
            "notes": tuple,
        }
        sets = {kind: _sets(found["prediction_sets"][kind]) for kind in PredictionSets.model_fields}
        own = {field.name for field in fields(cls)} & Scores.model_fields.keys()
        return cls(
            predictions,
            Report.from_dict({k: v for k, v in found.items() if k not in _OF_SETS}),
            sets["model"],
            sets["class_conditional"],
            counts=Counts(**{field.name: found[field.name] for field in fields(Counts)}),
            **{
                name: read[name](found[name])
                if name in read and found[name] is not None
                else found[name]
                for name in own
            },
        )


def _sets(content: Mapping[str, Any] | None) -> SetFigures | None:
    return None if content is None else SetFigures.from_dict(content)


def _plain(value: Any) -> Any:
    """Return an attribute of a result as it stands in JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(own) for key, own in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(own) for own in value]
    return value.to_dict() if hasattr(value, "to_dict") else value


def score(
    predictions: Predictions,
    groups: NDArray[np.int64],
    temperature: NDArray[np.float64] | float,
    coverage: float,
    *,
    chose: bool = False,
    allow_missing: bool = True,
    draws: int = 1000,
    seed: int = 0,
) -> Result:
    """Return the scores of predictions against their truth.

    Args:
        predictions: of n images over K labels, in R repeats.
        groups: int (n,), copies share a number and are resampled together.
        temperature: that the probabilities were made with, one or float (R, n).
        coverage: that prediction sets state, 0..1.
        chose: whether temperature and threshold were chosen on these very images; a
            comparison with others would then flatter the model.
        allow_missing: score although no image has some label, leaving it out of the
            averages over emotions.
        draws: of the bootstrap.
        seed: of the bootstrap, and of the folds that are drawn where there are none.

    Raises:
        DataError: see :func:`evoca.metrics.evaluate_predictions`.
    """
    labels = predictions.labels
    report = evaluate_predictions(
        predictions.truth,
        predictions.probabilities,
        labels,
        groups,
        distributions=predictions.distribution,
        affect=paired_affect(predictions.rated, predictions.predicted_affect),
        names=predictions.images,
        allow_missing=allow_missing,
        draws=draws,
        seed=seed,
    )
    found = Result(predictions, report, notes=report.notes())
    # Sets and calibration are scored on the images that have a label.
    rows = predictions.truth >= 0
    truth, own = predictions.truth[rows], groups[rows]
    if len(np.unique(own)) < _FEWEST_GROUPS:
        return found
    p, again = predictions.probabilities[:, rows], {"draws": draws, "seed": seed}
    inside = predictions.in_set
    sets = None if inside is None else set_figures(inside[:, rows], truth, labels, own, **again)
    fold = predictions.fold
    if not (fold >= 0).all():
        fold = np.broadcast_to(group_folds(groups, seed=seed), fold.shape)
    fold = fold[:, rows]
    if chose or (fold == fold[:, :1]).all():
        return Result(predictions, report, sets, notes=found.notes)
    # A label without an image has no threshold: it would be in every set.
    conditional = None
    if len(np.unique(truth)) == len(labels):
        by_label = class_conditional_sets(p, truth, fold, coverage)
        conditional = set_figures(by_label, truth, labels, own, **again)
    heat = temperature[:, rows] if isinstance(temperature, np.ndarray) else temperature
    calibration = check_calibration(p, truth, fold, heat, own, **again)
    return Result(predictions, report, sets, conditional, calibration, found.notes)
