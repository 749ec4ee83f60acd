"""A system evaluated on labelled images: the work behind ``evoca evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.groups import Grouped, with_groups
from evoca.data.manifest.labelled import LabelledImages
from evoca.data.merging import merged_like
from evoca.data.sources import on_scale
from evoca.errors import DataError, EvocaError, ImageError
from evoca.evaluation.label_matching import Matched, match_labels
from evoca.evaluation.overlap import Overlap, overlap_of, require_some, warnings_of
from evoca.evaluation.selection import ALL, Options, Selected, select_split
from evoca.evaluation.systems import ABSENT, System, SystemPredictions, known_hashes
from evoca.metrics import Report
from evoca.metrics.checks import FloatArray, check_support
from evoca.metrics.functional import nll
from evoca.metrics.ties import top_labels
from evoca.priors import reweight
from evoca.progress import Announce, silent
from evoca.runs import Predictions, write_json, write_predictions
from evoca.runs.evaluated_on import EvaluatedOn
from evoca.runs.provenance import describe_data, describe_division, describe_run
from evoca.runs.result import Counts, Result, score
from evoca.runs.test_uses import PastUses, record_use
from evoca.runtime.operating_point import OperatingPoint
from evoca.words import by_number, counted

__all__ = [
    "Evaluation",
    "describe_evaluation",
    "evaluate_system",
    "note_use",
    "notes_of",
    "write_evaluation",
]


def describe_evaluation(
    system: System,
    selected: Selected,
    grouped: Grouped,
    options: Options,
    report: Report,
    *,
    restricted: bool,
) -> dict[str, Any]:
    """Return the content of ``run.json`` that every kind of run shares."""
    what = "all images" if selected.split == ALL else f"the split {selected.split}"
    split = {
        "kind": EvaluatedOn.of_split(selected.split),
        "name": selected.split,
        "groups": grouped.basis,
        "restricted": restricted,
        **({"without_copies": True} if options.without_copies else {}),
        # The split's own images are in the fingerprint of the data.
        **describe_division(selected.images, splits=False),
    }
    shared = describe_run(
        "evaluation",
        data=describe_data(grouped.images),
        split=split,
        system={"model": system.name, "system": dict(system.identity)},
        seeds=[],
        labels=report.labels,
        protocol=(
            f"{system.name} on {what} of {Path(selected.images.source).name}, {report.n:,} "
            f"images in {report.groups:,} groups ({grouped.basis}); intervals from "
            f"{options.draws:,} bootstrap draws over groups"
        ),
    )
    return shared if system.origin is None else shared | {"origin": dict(system.origin)}


def note_use(
    system: System, description: Mapping[str, Any], split: str
) -> tuple[PastUses | None, str]:
    """Record that test images were used; validation images are not recorded.

    Returns:
        The earlier uses, ``None`` where nothing is recorded, and why recording failed.
    """
    if split not in ("test", ALL):
        return None, ""
    identity = system.identity
    known = str(identity.get("sha256") or identity.get("run") or system.name)
    # A table that records its model counts as that model, known by name alone.
    model, name = ("", system.made_by) if system.made_by else (known, system.name)
    try:
        return record_use(description["data"]["fingerprint"], split, model, name), ""
    except EvocaError as error:  # the figures are worth more than their record
        return None, str(error)


def notes_of(
    system: System,
    selected: Selected,
    grouped: Grouped,
    matched: Matched,
    overlap: Overlap,
    lost: tuple[int, int],
    uses: PastUses | None,
    report: Report,
) -> list[str]:
    """Return what a reader of the figures must know, the gravest first.

    Args:
        system: what was evaluated.
        selected: the images that were asked for.
        grouped: those that were used.
        matched: the labels that were scored.
        overlap: the images that the system was trained or chosen on.
        lost: how many have no truth, and how many were left out as known to the system.
        uses: earlier uses of these images.
        report: the figures.
    """
    n = len(grouped.images)
    notes = warnings_of(overlap, system.name, " (--without-copies leaves them out)")
    left_out, copies = lost
    if copies:
        notes.append(
            f"{counted(copies, 'image')} that {system.name} knows (training or validation images, "
            f"or copies of them) {by_number(copies, 'is', 'are')} left out"
        )
    notes += [note for note in (selected.note, matched.note, *system.notes) if note]
    notes += report.notes()
    if left_out:
        notes.append(
            f"{counted(left_out, 'image has', 'images have')} nothing to compare with and "
            f"{by_number(left_out, 'is', 'are')} left out"
        )
    if uses is not None and (uses.by_this or uses.by_others):
        notes.append(
            f"these test images were evaluated on before: {uses}; a model chosen by such figures "
            "looks better than it is"
        )
    if absent := sum(one.startswith(ABSENT) for one in grouped.images.recorded_hashes):
        notes.append(
            f"the files of {absent:,} of {counted(n, 'image')} are not here: their copies are not "
            "looked for, and the fingerprint of the data covers their names and labels only"
        )
    if not grouped.near:
        notes.append(
            "near-duplicates are not looked for (that needs the extra data): only identical "
            "files count as one group, so intervals may be a little narrow"
        )
    if (affect := _off_scale(system, grouped.images)) is not None:
        notes.append(affect)
    return notes


def _off_scale(system: System, images: LabelledImages) -> str | None:
    """Return a warning if ratings lie outside the model's scale; ``None`` otherwise."""
    if images.affect is None or system.affect_range is None:
        return None
    low, high = system.affect_range
    if not ((images.affect < low) | (images.affect > high)).any():
        return None
    return (
        f"WARNING: some ratings lie outside {low:g}..{high:g}, the scale {system.name} predicts "
        "on: CCC and MAE compare numbers of different scales"
    )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of an evaluation.

    Attributes:
        result: the scores.
        description: the content of ``run.json``.
        unreadable: one error per image that could not be read.
    """

    result: Result
    description: Mapping[str, Any]
    unreadable: tuple[ImageError, ...]


def evaluate_system(
    system: System,
    data: LabelledImages,
    options: Options | None = None,
    announce: Announce = silent,
) -> Evaluation:
    """Return the evaluation of a system on labelled images.

    Args:
        system: see :func:`evoca.evaluation.systems.open_system`.
        data: labelled images; files need not exist.
        options: the defaults of :class:`Options` if omitted.
        announce: shows the progress over the images that are predicted.

    Raises:
        DataError: no image to evaluate on, no shared labels, a label without an image,
            or predictions that do not match the images.
    """
    options = options or Options()
    data = merged_like(data.in_order(), system.labels)
    if system.affect_range is not None:
        data = on_scale(data, system.affect_range)
    selected = select_split(data, options.split)
    candidates = selected.images
    matched = match_labels(system.labels, system.taxonomy, candidates, restrict=options.restrict)
    known = _known(candidates, matched, system.predicts_affect)
    if not known.any():
        raise DataError(
            f"{candidates.source}: none of {counted(len(candidates), 'image')} has a label, votes "
            f"or a rating to compare {system.name} with"
        )
    images, matched = candidates.take(known), _rows(matched, known)
    if matched.complete and not options.allow_missing and (matched.truth >= 0).any():
        check_support(matched.truth, matched.labels)  # before any image is read
    predicted = system.predict(images, announce("evaluating", len(images)))
    if not predicted.read.any():
        raise DataError(
            f"none of {counted(len(images), 'image')} can be read; first: {predicted.errors[0]}"
        )
    images, matched = images.take(predicted.read), _rows(matched, predicted.read)
    grouped = with_groups(replace(images, recorded_hashes=predicted.hashes))
    overlap, lost = overlap_of(system, data, selected, grouped, predicted), 0
    if options.without_copies and (again := overlap.known) is not None and again.any():
        require_some(~again, overlap, candidates.source)
        grouped, matched = grouped.take(~again), _rows(matched, ~again)
        predicted, overlap, lost = predicted.take(~again), overlap.take(~again), int(again.sum())
    left_out = len(candidates) - int(known.sum())
    return _score_predictions(
        system, selected, grouped, matched, predicted, options, overlap, (left_out, lost)
    )


def _known(images: LabelledImages, matched: Matched, predicts_affect: bool) -> NDArray[np.bool_]:
    """Return which rows have a truth that the system can be compared with."""
    known = matched.truth >= 0
    if matched.distribution is not None:
        known = known | ~np.isnan(matched.distribution).all(axis=1)
    if predicts_affect and images.affect is not None:
        known = known | ~np.isnan(images.affect).all(axis=1)
    return np.asarray(known)


def _rows(matched: Matched, keep: NDArray[np.bool_]) -> Matched:
    votes = matched.distribution
    return replace(
        matched, truth=matched.truth[keep], distribution=None if votes is None else votes[keep]
    )


def _score_predictions(
    system: System,
    selected: Selected,
    grouped: Grouped,
    matched: Matched,
    predicted: SystemPredictions,
    options: Options,
    overlap: Overlap,
    lost: tuple[int, int],
) -> Evaluation:
    """Return the scores; ``lost`` counts the rows without a truth, and the copies left out."""
    images = grouped.images
    probabilities = matched.probabilities(predicted.probabilities)
    result = score(
        Predictions(
            images=images.names,
            groups=images.group_names(),
            truth=matched.truth,
            labels=matched.labels,
            probabilities=probabilities,
            fold=predicted.fold,
            in_set=None
            if predicted.in_set is None
            else matched.in_set(predicted.in_set, probabilities),
            distribution=matched.distribution,
            agreement=images.agreement,
            rated=images.affect if predicted.affect is not None else None,
            predicted_affect=predicted.affect,
            hashes=known_hashes(images.file_hashes()),
        ),
        images.groups,
        system.temperature if matched.keeps_logits else 1.0,
        system.coverage,
        allow_missing=options.allow_missing or not matched.complete,
        draws=options.draws,
        seed=options.seed,
    )
    description = describe_evaluation(
        system, selected, grouped, options, result.report, restricted=matched.restricted
    )
    uses, why = note_use(system, description, selected.split) if options.record else (None, "")
    notes = notes_of(system, selected, grouped, matched, overlap, lost, uses, result.report)
    notes += [why] if why else []
    alike = set(matched.labels) == set(system.labels) and not matched.restricted
    if alike and system.operating_point is not None:
        notes += _prior_notes(system.operating_point, matched, probabilities)
    counts = {**overlap.counts(), "left_out": lost[0], "copies_left_out": lost[1]}
    used = None if uses is None else uses.to_dict()
    description |= {
        "restricted": matched.restricted,
        "unreadable": [error.source for error in predicted.errors],
        **counts,
        "test_uses": used,
        "notes": notes,
    }
    result = replace(
        result,
        notes=tuple(notes),
        counts=Counts(unreadable=len(predicted.errors), **counts),
        restricted=matched.restricted,
        test_uses=used,
        fingerprint=description["fingerprint"],
    )
    return Evaluation(result, description, predicted.errors)


def write_evaluation(folder: str | Path, evaluation: Evaluation) -> None:
    """Write ``run.json``, ``metrics.json`` and ``predictions.csv`` into a folder."""
    folder = Path(folder)
    write_json(folder / "run.json", evaluation.description)
    write_json(folder / "metrics.json", evaluation.result.to_dict())
    write_predictions(folder / "predictions.csv", evaluation.result.predictions)


_LEAST_LABELLED = 50
_FAR = 0.1  # of the total variation distance between two class frequencies


def _prior_notes(point: OperatingPoint, matched: Matched, probabilities: FloatArray) -> list[str]:
    """Warn where labels have other frequencies than the prior, with the figures under theirs.

    Args:
        point: of the model.
        matched: the truth of n images.
        probabilities: float (R, n, K), under the prior in force.
    """
    known = matched.truth >= 0
    if point.prior is None or known.sum() < _LEAST_LABELLED:
        return []
    here = np.bincount(matched.truth[known], minlength=len(matched.labels)) / known.sum()
    in_force = point.prior.shares(matched.labels)
    if 0.5 * np.abs(here - in_force).sum() < _FAR or not (in_force > 0).all():
        return []
    truth, both = matched.truth[known], []
    for found in (probabilities[:, known], reweight(probabilities[:, known], in_force, here)):
        hits = (top_labels(found) == truth).mean()
        loss = np.mean([nll(truth, repeat) for repeat in found])
        both.append(f"accuracy {hits:.1%} and NLL {loss:.3f}")
    return [
        f"the labels here are otherwise frequent than the prior in force ({point.prior.name}): "
        f"{both[0]}; with the frequencies of these labels {both[1]} (--prior FILE)"
    ]
