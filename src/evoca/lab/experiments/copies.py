"""Copies between images that were trained on and images that are evaluated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.data.duplicates.fingerprints import Fingerprint
from evoca.data.manifest.labelled import LabelledImages
from evoca.words import by_number, counted

__all__ = ["Copied", "copied", "hashes_of"]


@dataclass(frozen=True, eq=False)
class Copied:
    """Which of n evaluated images have a copy among the training or validation images.

    Attributes:
        training: bool (n,), a copy is among the training images, or an image of its group.
        validation: bool (n,), the same of the images that chose, those of ``training`` left
            out.
    """

    training: NDArray[np.bool_]
    validation: NDArray[np.bool_]

    @property
    def any(self) -> NDArray[np.bool_]:
        """Whether an image has either, bool (n,)."""
        return np.asarray(self.training | self.validation)

    def counts(self) -> dict[str, int]:
        """Return the counts that ``metrics.json`` records."""
        return {
            "copies_of_training_images": int(self.training.sum()),
            "copies_of_validation_images": int(self.validation.sum()),
        }

    def notes(self) -> tuple[str, ...]:
        """Return notes that a reader of the figures needs."""
        n, learnt, chose = len(self.any), int(self.training.sum()), int(self.validation.sum())
        parts = (
            [f"{learnt:,} {by_number(learnt, 'is a copy', 'are copies')} of training images"]
            if learnt
            else []
        )
        parts += [f"{chose:,} of validation images, which chose"] if chose else []
        if not parts:
            return ()
        return (
            f"WARNING: of {counted(n, 'evaluated image')} {' and '.join(parts)}: the figures are "
            "partly of images that the system was made with (--without-copies leaves them out)",
        )


def copied(
    evaluated: LabelledImages,
    learnt_from: LabelledImages,
    chosen_on: LabelledImages | None = None,
) -> Copied:
    """Return which evaluated images share a group with images that made the system.

    Args:
        evaluated: the images that figures are of.
        learnt_from: the images that were learnt from.
        chosen_on: the images that chose settings, where they are not evaluated too.
            All have groups of copies that were looked for in all of them together
            (:func:`evoca.data.duplicates.groups.with_groups`).
    """
    training = np.isin(evaluated.groups, learnt_from.groups)
    chose = () if chosen_on is None else chosen_on.groups
    return Copied(training, np.isin(evaluated.groups, chose) & ~training)


def hashes_of(
    images: LabelledImages, kind: str, prints: Mapping[Path, Fingerprint]
) -> dict[str, Sequence[Any]]:
    """Return the hashes of images as ``run.json`` and ``model.json`` store them.

    Args:
        images: to be recognised later.
        kind: ``training`` or ``validation``.
        prints: of their files.
    """
    perceptual = {prints[path].perceptual for path in images.paths if path in prints}
    return {
        f"{kind}_images": sorted({digest[:16] for digest in images.file_hashes()}),
        f"{kind}_perceptual_hashes": sorted(perceptual - {""}),
    }
