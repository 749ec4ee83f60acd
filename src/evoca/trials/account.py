"""What an evaluation says about itself: its description, its record and its warnings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evoca.data.grouping import Grouped
from evoca.data.labelled import LabelledImages
from evoca.errors import EvocaError
from evoca.metrics import Report
from evoca.runs.ledger import PastUses, record_use
from evoca.runs.measured_on import MeasuredOn
from evoca.runs.provenance import describe_data, describe_division, describe_run
from evoca.trials.labels import Matched
from evoca.trials.options import Options
from evoca.trials.overlap import Overlap, warnings_of
from evoca.trials.select import ALL, Selected
from evoca.trials.systems import ABSENT, System

__all__ = ["describe_trial", "note_use", "notes_of"]


def describe_trial(
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
        "kind": MeasuredOn.of_split(selected.split),
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
    """Note the use of images that a model may not be chosen on; validation images may.

    Returns:
        The uses before, ``None`` where nothing is recorded, and why it could not be.
    """
    if split not in ("test", ALL):
        return None, ""
    identity = system.identity
    known = str(identity.get("sha256") or identity.get("run") or system.name)
    try:
        return record_use(description["data"]["fingerprint"], split, known, system.name), ""
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
    """Say what a reader of the figures must know, the gravest first.

    Args:
        system: what was evaluated.
        selected: the images that were asked for.
        grouped: those that were used.
        matched: the labels that were judged.
        overlap: the images that the system knows.
        lost: how many have no truth, and how many were left out since the system knows them.
        uses: of these images, before now.
        report: the figures.
    """
    n = len(grouped.images)
    notes = warnings_of(overlap, system.name, " (--without-copies leaves them out)")
    left_out, copies = lost
    if copies:
        notes.append(
            f"{copies:,} images that {system.name} knows (training or validation images, or "
            "copies of them) are left out"
        )
    notes += [note for note in (selected.note, matched.note, *system.notes) if note]
    notes += report.notes()
    if left_out:
        notes.append(f"{left_out:,} images have nothing to compare with and are left out")
    if uses is not None and (uses.by_this or uses.by_others):
        notes.append(
            f"these test images were evaluated on before: {uses}; a model chosen by such figures "
            "looks better than it is"
        )
    if absent := sum(one.startswith(ABSENT) for one in grouped.images.recorded_hashes):
        notes.append(
            f"the files of {absent:,} of {n:,} images are not here: their copies are not looked "
            "for, and the fingerprint of the data covers their names and labels only"
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
    """Say where the ratings cannot be on the model's scale."""
    if images.affect is None or system.affect_range is None:
        return None
    low, high = system.affect_range
    if not ((images.affect < low) | (images.affect > high)).any():
        return None
    return (
        f"WARNING: some ratings lie outside {low:g}..{high:g}, the scale {system.name} predicts "
        "on: CCC and MAE compare numbers of different scales"
    )
