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
from evoca.metrics.checks import check_support
from evoca.runs import Predictions, write_json, write_predictions
from evoca.runs.result import Counts, Result, score
from evoca.trials.account import describe_trial, note_use, notes_of
from evoca.trials.labels import Matched, match_labels
from evoca.trials.options import Options
from evoca.trials.overlap import Overlap, overlap_of, require_some
from evoca.trials.select import Selected, select_split
from evoca.trials.systems import Answers, Progress, System, known_hashes

__all__ = ["Trial", "run_trial", "write_trial"]


@dataclass(frozen=True, eq=False)
class Trial:
    """An evaluation.

    Attributes:
        result: the scores.
        description: the content of ``run.json``.
        unreadable: one error per image that could not be read.
    """

    result: Result
    description: Mapping[str, Any]
    unreadable: tuple[ImageError, ...]


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
    result = score(
        Predictions(
            images=images.names,
            groups=images.group_names(),
            truth=matched.truth,
            labels=matched.labels,
            probabilities=probabilities,
            fold=answers.fold,
            in_set=None
            if answers.in_set is None
            else matched.in_set(answers.in_set, probabilities),
            distribution=matched.distribution,
            agreement=images.agreement,
            rated=images.affect if answers.felt is not None else None,
            felt=answers.felt,
            hashes=known_hashes(images.file_hashes()),
        ),
        images.groups,
        system.temperature if matched.keeps_logits else 1.0,
        system.coverage,
        allow_missing=options.allow_missing or not matched.complete,
        draws=options.draws,
        seed=options.seed,
    )
    description = describe_trial(
        system, selected, grouped, options, result.report, restricted=matched.restricted
    )
    uses, why = note_use(system, description, selected.split) if options.record else (None, "")
    notes = notes_of(system, selected, grouped, matched, overlap, lost, uses, result.report)
    notes += [why] if why else []
    counts = {**overlap.counts(), "left_out": lost[0], "copies_left_out": lost[1]}
    used = None if uses is None else uses.to_dict()
    description |= {
        "restricted": matched.restricted,
        "unreadable": [error.source for error in answers.errors],
        **counts,
        "test_uses": used,
        "notes": notes,
    }
    result = replace(
        result,
        notes=tuple(notes),
        counts=Counts(unreadable=len(answers.errors), **counts),
        restricted=matched.restricted,
        test_uses=used,
        fingerprint=description["fingerprint"],
    )
    return Trial(result, description, answers.errors)


def write_trial(folder: Path, trial: Trial) -> None:
    """Write ``run.json``, ``metrics.json`` and ``predictions.csv`` into a folder."""
    write_json(folder / "run.json", trial.description)
    write_json(folder / "metrics.json", trial.result.to_dict())
    write_predictions(folder / "predictions.csv", trial.result.predictions)
