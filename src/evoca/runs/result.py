"""The result of a run: one schema of ``metrics.json`` for all kinds of run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.metrics import Report, evaluate_predictions, paired_affect
from evoca.metrics.by_source import SourceFigures
from evoca.metrics.calibration_check import CalibrationCheck, check_calibration, group_folds
from evoca.metrics.conformal import SetFigures, class_conditional_sets, set_figures
from evoca.runs.predictions import Predictions

__all__ = ["Counts", "Result", "completed", "score"]

_FEWEST_GROUPS = 2  # an interval needs as many
_OF_SETS = ("set_coverage", "set_size")
_FIGURES = (*_OF_SETS, "calibration", "validation", "chosen")
_COPIES = ("copies_of_training_images", "copies_of_validation_images")
_SETS = ("model", "class_conditional")


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

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``: every key, ``None`` where not measured."""
        sets = zip(_SETS, (self.sets, self.conditional), strict=True)
        return self.report.to_dict() | {
            "set_coverage": None if self.sets is None else self.sets.coverage.to_dict(),
            "set_size": None if self.sets is None else self.sets.size.to_dict(),
            "prediction_sets": {k: None if one is None else one.to_dict() for k, one in sets},
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            "validation": None if self.validation is None else dict(self.validation),
            "chosen": None if self.chosen is None else dict(self.chosen),
            "chosen_in_folds": [dict(one) for one in self.chosen_in_folds],
            **asdict(self.counts),
            "restricted": self.restricted,
            "test_uses": None if self.test_uses is None else dict(self.test_uses),
            "fingerprint": self.fingerprint,
            "by_source": [one.to_dict() for one in self.by_source],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], predictions: Predictions) -> Result:
        """Return the result from the data of :meth:`to_dict`; unknown keys are skipped.

        Raises:
            KeyError, TypeError, ValueError: it is not such data.
        """
        found = completed(content)
        sets, calibration = found["prediction_sets"], found["calibration"]
        return cls(
            predictions,
            Report.from_dict({k: v for k, v in found.items() if k not in _OF_SETS}),
            _sets(sets["model"]),
            _sets(sets["class_conditional"]),
            None if calibration is None else CalibrationCheck.from_dict(calibration),
            notes=tuple(map(str, found["notes"])),
            validation=found["validation"],
            chosen=found["chosen"],
            chosen_in_folds=tuple(found["chosen_in_folds"]),
            counts=Counts(**{name: found[name] for name in asdict(Counts())}),
            restricted=bool(found["restricted"]),
            test_uses=found["test_uses"],
            fingerprint=str(found["fingerprint"]),
            by_source=tuple(SourceFigures.from_dict(one) for one in found["by_source"]),
        )


def _sets(content: Mapping[str, Any] | None) -> SetFigures | None:
    return None if content is None else SetFigures.from_dict(content)


def completed(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a ``metrics.json`` of any version under the current keys.

    Earlier versions left out keys without a value, depending on the kind of run.
    """
    found = dict.fromkeys((*_FIGURES, *asdict(Counts()), "test_uses")) | {
        "chosen_in_folds": [],
        "restricted": False,
        "fingerprint": "",
        "by_source": [],
        "notes": [],
    }
    found |= metrics
    sets = found.get("prediction_sets")
    if sets is None or isinstance(sets, Mapping):
        found["prediction_sets"] = dict.fromkeys(_SETS) | dict(sets or {})
    return found


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
