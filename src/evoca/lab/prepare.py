"""Which labelled images a system learns from and is cross-validated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evoca.data.copies import in_words
from evoca.data.fingerprints import Fingerprint
from evoca.data.grouping import with_groups
from evoca.data.labelled import LabelledImages
from evoca.errors import MissingExtraError
from evoca.lab.holdout import require_classes
from evoca.lab.recipe import Recipe
from evoca.lab.usable import usable

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """Images to learn from.

    Attributes:
        images: all but the test images, each with something to learn, in groups of copies.
        basis: where the groups come from, in words.
        notes: what was left out, and what copies were found.
        fingerprints: of the images' files.
    """

    images: LabelledImages
    basis: str
    notes: tuple[str, ...]
    fingerprints: Mapping[Path, Fingerprint] = field(default_factory=dict)


def prepare(data: LabelledImages, recipe: Recipe | None = None) -> Prepared:
    """Keep test images out, leave out images that teach nothing, group copies.

    Args:
        data: labelled images.
        recipe: says what is to be learnt; a single label an image if omitted.

    Raises:
        DataError: nothing to learn from, or a label without an image.
        MissingExtraError: imagehash is not installed, so that copies could cross folds.
    """
    notes = []
    seen = data.take(data.split != "test")
    if len(seen) < len(data):
        notes.append(f"{len(data) - len(seen):,} test images are kept out")
    images = usable(seen, recipe)
    if len(images) < len(seen):
        labels = recipe is None or not any(step.affect_weight for step in recipe.steps)
        lacking = "a single label" if labels else "anything to learn"
        notes.append(f"{len(seen) - len(images):,} images without {lacking} are left out")
    require_classes(images)
    grouped = with_groups(images)
    if not grouped.near:
        raise MissingExtraError("keeping near-duplicates in one fold", "train", "imagehash")
    notes.append(in_words(grouped.found))
    return Prepared(grouped.images, grouped.basis, tuple(notes), grouped.by_path)
