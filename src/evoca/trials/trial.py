"""A system evaluated on labelled images: the work behind ``evoca evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.grouping import Grouped, with_groups
from evoca.data.labelled import LabelledImages
from evoca.data.merging import merged_like
from evoca.errors import DataError, ImageError
from evoca.evaluation import Report, evaluate_predictions, paired_affect
from evoca.evaluation.calibration_check import CalibrationCheck, check_calibration, group_folds
from evoca.evaluation.checks import check_support
from evoca.evaluation.set_figures import SetFigures, class_conditional_sets, set_figures
from evoca.runs import Predictions, write_json, write_predictions
from evoca.trials.account import describe_trial, note_use, notes_of
from evoca.trials.labels import Matched, match_labels
from evoca.trials.options import Options
from evoca.trials.overlap import Overlap, overlap_of, require_some
from evoca.trials.select import Selected, select_split
from evoca.trials.systems import Answers, Progress, System, known_hashes

__all__ = ["Trial", "run_trial", "write_trial"]


_CARRIED = (
    "restricted",
    "training_images",
    "copies_of_training_images",
    "copies_of_validation_images",
    "copies_left_out",
    "left_out",
    "test_uses",
    "fingerprint",
)


@dataclass(frozen=True, eq=False)
class Trial:
    """What an evaluation found.

    Attributes:
        report: the figures.
        sets: of the system's own prediction sets; ``None`` without labels or sets.
        conditional: of sets with a threshold a label, chosen on other folds of the images.
        calibration: ``None`` without labels.
        predictions: a row an image.
        description: the content of ``run.json``.
        unreadable: one error an image that could not be read.
        notes: what a reader must know, in order of weight.
    """

    report: Report
    sets: SetFigures | None
    conditional: SetFigures | None
    calibration: CalibrationCheck | None
    predictions: Predictions
    description: Mapping[str, Any]
    unreadable: tuple[ImageError, ...]
    notes: tuple[str, ...]

    def figures(self) -> dict[str, Any]:
        """Return what ``evaluate --format json`` prints and ``metrics.json`` holds."""
        found = self.report.to_dict()
        if self.sets is not None:
            found["set_coverage"] = self.sets.coverage.to_dict()
            found["set_size"] = self.sets.size.to_dict()
        found["unreadable"] = len(self.unreadable)
        for key in _CARRIED:
            found[key] = self.description[key]
        found["prediction_sets"] = {
            name: None if one is None else one.to_dict()
            for name, one in (("model", self.sets), ("class_conditional", self.conditional))
        }
        found["calibration"] = None if self.calibration is None else self.calibration.to_dict()
        found["notes"] = list(self.notes)
        return found


def run_trial(
    system: System,
    data: LabelledImages,
    options: Options | None = None,
    progress: Progress = lambda _: None,
) -> Trial:
    """Evaluate a system on labelled images.

    Args:
        system: see :func:`evoca.trials.systems.open_system`.
        data: labelled images; files need not exist.
        options: the defaults of :class:`Options` if omitted.
        progress: called with 1 after each image.

    Raises:
        DataError: no image to evaluate on, labels that do not meet, a label without an
            image, or predictions that do not match the images.
    """
    options = options or Options()
    data = merged_like(data.in_order(), system.labels)
    selected = select_split(data, options.split)
    candidates = selected.images
    matched = match_labels(system.labels, system.taxonomy, candidates, restrict=options.restrict)
    known = _known(candidates, matched, system.feels)
    if not known.any():
        raise DataError(
            f"{candidates.source}: none of {len(candidates):,} images has a label, votes or a "
            f"rating to compare {system.name} with"
        )
    images, matched = candidates.take(known), _rows(matched, known)
    if matched.complete and not options.allow_missing and (matched.truth >= 0).any():
        check_support(matched.truth, matched.labels)  # before any image is looked at
    answers = system.answer(images, progress)
    if not answers.read.any():
        raise DataError(f"none of {len(images):,} images can be read; first: {answers.errors[0]}")
    images, matched = images.take(answers.read), _rows(matched, answers.read)
    grouped = with_groups(replace(images, recorded_hashes=answers.hashes))
    overlap, lost = overlap_of(system, data, selected, grouped, answers), 0
    if options.without_copies and (again := overlap.known) is not None and again.any():
        require_some(~again, overlap, candidates.source)
        grouped, matched = grouped.take(~again), _rows(matched, ~again)
        answers, overlap, lost = answers.take(~again), overlap.take(~again), int(again.sum())
    left_out = len(candidates) - int(known.sum())
    return _judge(system, selected, grouped, matched, answers, options, overlap, (left_out, lost))


def _known(images: LabelledImages, matched: Matched, feels: bool) -> NDArray[np.bool_]:
    """Say which rows have anything that the system can be compared with."""
    known = matched.truth >= 0
    if matched.distribution is not None:
        known = known | ~np.isnan(matched.distribution).all(axis=1)
    if feels and images.affect is not None:
        known = known | ~np.isnan(images.affect).all(axis=1)
    return np.asarray(known)


def _rows(matched: Matched, keep: NDArray[np.bool_]) -> Matched:
    votes = matched.distribution
    return replace(
        matched, truth=matched.truth[keep], distribution=None if votes is None else votes[keep]
    )


def _judge(
    system: System,
    selected: Selected,
    grouped: Grouped,
    matched: Matched,
    answers: Answers,
    options: Options,
    overlap: Overlap,
    lost: tuple[int, int],
) -> Trial:
    """Judge the answers; ``lost`` counts the rows without a truth, and the copies left out."""
    images = grouped.images
    probabilities = matched.probabilities(answers.probabilities)
    report = evaluate_predictions(
        matched.truth,
        probabilities,
        matched.labels,
        images.groups,
        distributions=matched.distribution,
        affect=paired_affect(images.affect, answers.felt),
        names=images.names,
        allow_missing=options.allow_missing or not matched.complete,
        draws=options.draws,
        seed=options.seed,
    )
    sets = None if answers.in_set is None else matched.in_set(answers.in_set, probabilities)
    fold = _folds(answers, images, options.seed)
    judged = _sections(system, matched, probabilities, sets, fold, images, options)
    description = describe_trial(
        system, selected, grouped, options, report, restricted=matched.restricted
    )
    uses, why = note_use(system, description, selected.split) if options.record else (None, "")
    description |= {
        "restricted": matched.restricted,
        "unreadable": [error.source for error in answers.errors],
        "left_out": lost[0],
        "copies_left_out": lost[1],
        **overlap.counts(),
        "test_uses": None if uses is None else uses.to_dict(),
    }
    notes = notes_of(system, selected, grouped, matched, overlap, lost, uses, report)
    notes += [why] if why else []
    return Trial(
        report,
        *judged,
        Predictions(
            images=images.names,
            groups=images.group_names(),
            truth=matched.truth,
            labels=matched.labels,
            probabilities=probabilities,
            fold=answers.fold,
            in_set=sets,
            distribution=matched.distribution,
            agreement=images.agreement,
            rated=images.affect if answers.felt is not None else None,
            felt=answers.felt,
            hashes=known_hashes(images.file_hashes()),
        ),
        description | {"notes": notes},
        answers.errors,
        tuple(notes),
    )


def _folds(answers: Answers, images: LabelledImages, seed: int) -> NDArray[np.int64]:
    """Return the folds that thresholds and calibrators are held out in, (R, n)."""
    if (answers.fold >= 0).all():
        return answers.fold
    return np.broadcast_to(group_folds(images.groups, seed=seed), answers.fold.shape)


def _sections(
    system: System,
    matched: Matched,
    probabilities: NDArray[np.float64],
    sets: NDArray[np.bool_] | None,
    fold: NDArray[np.int64],
    images: LabelledImages,
    options: Options,
) -> tuple[SetFigures | None, SetFigures | None, CalibrationCheck | None]:
    """Judge sets and calibration on the rows that have a label."""
    rows = matched.truth >= 0
    if len(np.unique(images.groups[rows])) < 2 or (fold[:, rows] == fold[:, rows][:, :1]).all():
        return None, None, None
    truth, groups = matched.truth[rows], images.groups[rows]
    p, own_fold = probabilities[:, rows], fold[:, rows]
    again = {"draws": options.draws, "seed": options.seed}

    def judge(inside: NDArray[np.bool_]) -> SetFigures:
        return set_figures(inside, truth, matched.labels, groups, **again)

    # A label without an image has no threshold: it would be in every set.
    every = len(np.unique(truth)) == len(matched.labels)
    heat = system.temperature if matched.keeps_logits else 1.0
    return (
        None if sets is None else judge(sets[:, rows]),
        judge(class_conditional_sets(p, truth, own_fold, system.coverage)) if every else None,
        check_calibration(p, truth, own_fold, heat, groups, **again),
    )


def write_trial(folder: Path, trial: Trial) -> None:
    """Write ``run.json``, ``metrics.json`` and ``predictions.csv`` into a folder."""
    write_json(folder / "run.json", trial.description)
    write_json(folder / "metrics.json", trial.figures())
    write_predictions(folder / "predictions.csv", trial.predictions)
