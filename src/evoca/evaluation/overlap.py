"""Images of an evaluation that the system was trained on, or chosen by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.clusters import copies_of
from evoca.data.duplicates.groups import Grouped, group_copies
from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError
from evoca.evaluation.selection import ALL, Selected
from evoca.evaluation.systems import System, SystemPredictions
from evoca.words import by_number, counted

__all__ = ["Overlap", "overlap_of", "overlap_with_model", "require_some", "warnings_of"]

_Rows = NDArray[np.bool_]
_COPIES = ("copies_of_training_images", "copies_of_validation_images")


@dataclass(frozen=True, eq=False)
class Overlap:
    """Which of n images a system was trained or chosen on; ``None`` where not known.

    Attributes:
        training: bool (n,), files that the system has learnt from.
        copies: bool (n,), other files that are copies of what it has learnt from, or in one
            group with them.
        validation: bool (n,), other files that chose its settings, or copies of them.
        learnt_from: the images that the copies are of, in words.
        lacking: why only identical files could be found, in words; empty otherwise.
    """

    training: _Rows | None
    copies: _Rows | None
    validation: _Rows | None
    learnt_from: str
    lacking: str = ""

    @property
    def known(self) -> _Rows | None:
        """The images in any of the three parts; ``None`` where no part is known."""
        parts = [one for one in (self.training, self.copies, self.validation) if one is not None]
        return np.logical_or.reduce(parts) if parts else None

    def counts(self) -> dict[str, int | None]:
        """Return the counts for ``metrics.json``.

        If only identical files could be found, a count of 0 copies becomes ``None``.
        """
        parts = {
            "training_images": self.training,
            "copies_of_training_images": self.copies,
            "copies_of_validation_images": self.validation,
        }
        counts = {name: None if one is None else int(one.sum()) for name, one in parts.items()}
        if self.lacking:
            counts |= {name: counts[name] or None for name in _COPIES}
        return counts

    def take(self, keep: _Rows) -> Overlap:
        """Return the overlap of some of the images."""

        def part(rows: _Rows | None) -> _Rows | None:
            return None if rows is None else rows[keep]

        return replace(
            self,
            training=part(self.training),
            copies=part(self.copies),
            validation=part(self.validation),
        )


def overlap_of(
    system: System,
    data: LabelledImages,
    selected: Selected,
    grouped: Grouped,
    predicted: SystemPredictions,
) -> Overlap:
    """Return the images, or copies of images, that a system was trained on or chosen by.

    A model bundle and a training run record hashes of their images. Predictions made elsewhere
    do not: then the rows of the other splits are used instead.

    Args:
        system: what is evaluated.
        data: all rows.
        selected: the rows that were asked for.
        grouped: the images that have a prediction, in groups.
        predicted: the predictions for them.
    """
    if system.trained_on is None:
        return _of_other_splits(data, selected, grouped, predicted)
    return overlap_with_model(system, grouped)


def overlap_with_model(system: System, grouped: Grouped) -> Overlap:
    """Return the images that a model was trained on or chosen by, according to its card.

    Args:
        system: a model or a training run; without a record nothing is known.
        grouped: the images, in groups; their files are here.
    """
    groups, name = grouped.images.groups, system.name
    words = f"training images of {name}"
    if system.trained_on is None:
        return Overlap(None, None, None, words)
    hashes = grouped.images.file_hashes()
    training = _listed(hashes, system.trained_on)
    near = (
        copies_of(grouped.fingerprints, system.trained_perceptual_hashes) if grouped.near else False
    )
    copies = _with_group(training | near, groups) & ~training
    chose = _listed(hashes, system.chosen_on)
    near = (
        copies_of(grouped.fingerprints, system.chosen_perceptual_hashes) if grouped.near else False
    )
    validation = _with_group(chose | near, groups) & ~training & ~copies
    return Overlap(training, copies, validation, words, _lacking(system, grouped))


def warnings_of(overlap: Overlap, name: str, remedy: str = "") -> list[str]:
    """Return warnings about known images, and about copies that could not be searched for.

    Args:
        overlap: the known images.
        name: of the system.
        remedy: end of the warning, on how to leave the copies out.
    """
    n = 0 if overlap.known is None else len(overlap.known)
    count = {key: found or 0 for key, found in overlap.counts().items()}
    notes = []
    if seen := count["training_images"]:
        notes.append(
            f"WARNING: {seen:,} of {counted(n, 'image')} {by_number(seen, 'is', 'are')} among the "
            f"training images of {name}: these figures say how well it remembers, not how well it "
            "will do on new images"
        )
    if copies := count["copies_of_training_images"]:
        notes.append(
            f"WARNING: {copies:,} of {counted(n, 'image')} "
            f"{by_number(copies, 'is a copy', 'are copies')} of {overlap.learnt_from}, or in one "
            f"group with them: what learnt from those remembers these{remedy}"
        )
    if chose := count["copies_of_validation_images"]:
        what = by_number(chose, "is a validation image", "are validation images")
        copied = by_number(chose, "a copy of one", "copies of them")
        notes.append(
            f"WARNING: {chose:,} of {counted(n, 'image')} {what}, which chose, or {copied}: the "
            "figures flatter"
        )
    if overlap.lacking:
        notes.append(
            f"copies of {overlap.learnt_from} are not looked for ({overlap.lacking}): only "
            "identical files are"
        )
    return notes


def _lacking(system: System, grouped: Grouped) -> str:
    if not system.trained_perceptual_hashes:
        return "no perceptual hashes of them are recorded"
    return "" if grouped.near else "that needs the extra data"


def _listed(hashes: Sequence[str], known: frozenset[str]) -> _Rows:
    return np.array([digest[:16] in known for digest in hashes], dtype=np.bool_)


def _with_group(rows: _Rows, groups: NDArray[np.int64]) -> _Rows:
    """Return the rows, and all rows that share a group with one of them."""
    return np.asarray(np.isin(groups, groups[rows]))


def _of_other_splits(
    data: LabelledImages,
    selected: Selected,
    grouped: Grouped,
    predicted: SystemPredictions,
) -> Overlap:
    learnt = data.in_split("train") if selected.split in {"val", "test"} else data.take([])
    chose = data.in_split("val") if selected.split == "test" else data.take([])
    held_out = bool((predicted.fold >= 0).all())
    words = f"images of the split train of {data.source}"
    if held_out or not len(learnt) + len(chose) or selected.split == ALL:
        return Overlap(None, None, None, words)
    images = grouped.images
    parts = (learnt, chose, images)
    found, near = group_copies(
        [path for part in parts for path in part.paths],
        [digest for part in parts for digest in part.recorded_hashes],
    )
    a, b = len(learnt), len(learnt) + len(chose)
    copies = _with_group(np.isin(found[b:], found[:a]), images.groups)
    validation = _with_group(np.isin(found[b:], found[a:b]), images.groups) & ~copies
    return Overlap(None, copies, validation, words, "" if near else "that needs the extra data")


def require_some(keep: _Rows, overlap: Overlap, source: str) -> None:
    """Raise an error if no image is left.

    Raises:
        DataError: the system was trained or chosen on all images.
    """
    if not keep.any():
        raise DataError(
            f"{source}: all {len(keep):,} images are {overlap.learnt_from}, copies of them, or "
            "chose its settings: nothing is left to evaluate on without copies"
        )
