"""Figures of a training or a cross-validation, the same for every way of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.labelled import LabelledImages
from evoca.evaluation import paired_affect
from evoca.evaluation.calibration_check import CalibrationCheck, check_calibration, group_folds
from evoca.evaluation.conformal import prediction_sets
from evoca.evaluation.evaluate import evaluate_predictions
from evoca.evaluation.result import Report
from evoca.evaluation.set_figures import SetFigures, class_conditional_sets, set_figures
from evoca.runs import Predictions

__all__ = ["HeldOut", "Outcome", "outcome_of"]


_NO_COPIES = {"copies_of_training_images": 0, "copies_of_validation_images": 0}


@dataclass(frozen=True)
class HeldOut:
    """Predictions of n images that were not learnt from, in R repeats.

    Attributes:
        probabilities: (R, n, K), calibrated.
        fold: (R, n), the fold an image was held out in; -1 where there are no folds.
        threshold: (R, n), of each image's prediction set.
        temperature: (R, n), that its probabilities were made with.
        felt: (R, n, 2), predicted valence and arousal; ``None`` without.
    """

    probabilities: NDArray[np.float64]
    fold: NDArray[np.int_]
    threshold: NDArray[np.float64]
    temperature: NDArray[np.float64]
    felt: NDArray[np.float64] | None = None

    @classmethod
    def once(
        cls,
        probabilities: NDArray[np.float64],
        *,
        threshold: float,
        temperature: float,
        felt: NDArray[np.float64] | None = None,
    ) -> HeldOut:
        """Take the predictions (n, K), and of ratings (n, 2), of one model."""
        shape = (1, len(probabilities))
        return cls(
            probabilities[None],
            np.full(shape, -1, dtype=np.int64),
            np.full(shape, threshold),
            np.full(shape, temperature),
            None if felt is None else felt[None],
        )

    def in_set(self) -> NDArray[np.bool_]:
        """Return (R, n, K): which labels each image's prediction set holds."""
        own = self.threshold[..., None]
        return np.stack(
            [prediction_sets(p, t) for p, t in zip(self.probabilities, own, strict=True)]
        )


@dataclass(frozen=True)
class Outcome:
    """Figures of a training or a cross-validation.

    Attributes:
        predictions: what was predicted of images that were not learnt from.
        report: the figures.
        sets: of the prediction sets; ``None`` where no image has a label.
        conditional: of sets with a threshold a label, chosen on the other folds; ``None``
            where the images have chosen, or some label has no image.
        calibration: against chance, and beside calibrators fitted on the other folds;
            ``None`` where the images have chosen.
        notes: what a reader must know.
        validation: accuracy on the images that chose; ``None`` where no step had some.
        chosen: C, temperature and set threshold of the trained model; ``None`` where a
            cross-validation keeps none.
        chosen_in_folds: those of every fold.
        copies: how many of the images are copies of images that were learnt from or chose;
            none in a cross-validation, which keeps copies in one fold.
    """

    predictions: Predictions
    report: Report
    sets: SetFigures | None
    conditional: SetFigures | None
    calibration: CalibrationCheck | None
    notes: tuple[str, ...]
    validation: Mapping[str, Any] | None = None
    chosen: Mapping[str, Any] | None = None
    chosen_in_folds: tuple[Mapping[str, Any], ...] = ()
    copies: Mapping[str, int] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Return all figures as plain data, the content of ``metrics.json``."""
        kinds = (("model", self.sets), ("class_conditional", self.conditional))
        found = self.report.to_dict() | {"notes": list(self.notes)} | {**_NO_COPIES, **self.copies}
        if self.sets is not None:
            found |= {
                "set_coverage": self.sets.coverage.to_dict(),
                "set_size": self.sets.size.to_dict(),
                "prediction_sets": {name: one.to_dict() for name, one in kinds if one is not None},
            }
        if self.calibration is not None:
            found["calibration"] = self.calibration.to_dict()
        if self.validation is not None:
            found["validation"] = dict(self.validation)
        if self.chosen is not None:
            found["chosen"] = dict(self.chosen)
        if self.chosen_in_folds:
            found["chosen_in_folds"] = [dict(one) for one in self.chosen_in_folds]
        return found


def outcome_of(
    images: LabelledImages,
    held_out: HeldOut,
    coverage: float,
    *,
    notes: tuple[str, ...] = (),
    chose: bool = False,
) -> Outcome:
    """Measure predictions.

    Other thresholds and calibrators are judged on each fold by what the other folds give.
    Where there are no folds, groups of images are shared out to some, as in an evaluation.

    Args:
        images: n of them, each with some truth.
        held_out: what was predicted of them.
        coverage: that prediction sets state, 0..1.
        notes: what a reader must know.
        chose: whether temperature and threshold were chosen on these very images; a
            comparison with others would then flatter the model.
    """
    inside = held_out.in_set()
    predictions = Predictions(
        images=images.names,
        groups=images.group_names(),
        truth=images.truth,
        labels=images.labels,
        probabilities=held_out.probabilities,
        fold=held_out.fold,
        in_set=inside,
        distribution=images.distribution,
        agreement=images.agreement,
        rated=None if held_out.felt is None else images.affect,
        felt=held_out.felt,
        hashes=images.file_hashes(),
    )
    report = evaluate_predictions(
        images.truth,
        held_out.probabilities,
        images.labels,
        images.groups,
        distributions=images.distribution,
        affect=paired_affect(images.affect, held_out.felt),
        names=images.names,
        allow_missing=True,
    )
    notes = (*notes, *report.notes())
    # Sets and calibration are judged on the images that have a label.
    rows, labels = images.truth >= 0, images.labels
    truth, groups, p = images.truth[rows], images.groups[rows], held_out.probabilities[:, rows]
    if len(np.unique(groups)) < 2:
        return Outcome(predictions, report, None, None, None, notes)
    sets = set_figures(inside[:, rows], truth, labels, groups)
    fold = _folds(held_out.fold[:, rows], groups)
    if chose or (fold == fold[:, :1]).all():
        return Outcome(predictions, report, sets, None, None, notes)
    # A label without an image has no threshold: it would be in every set.
    conditional = (
        set_figures(class_conditional_sets(p, truth, fold, coverage), truth, labels, groups)
        if len(np.unique(truth)) == len(labels)
        else None
    )
    calibration = check_calibration(p, truth, fold, held_out.temperature[:, rows], groups)
    return Outcome(predictions, report, sets, conditional, calibration, notes)


def _folds(fold: NDArray[np.int_], groups: NDArray[np.int64]) -> NDArray[np.int_]:
    """Return the folds that thresholds and calibrators are held out in, (R, n)."""
    if (fold >= 0).all():
        return fold
    return np.broadcast_to(group_folds(groups), fold.shape)
