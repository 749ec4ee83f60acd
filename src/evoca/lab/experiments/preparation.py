"""The labelled images that a recipe learns from, is cross-validated on, and tested on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evoca.data.duplicates.fingerprints import Fingerprint
from evoca.data.duplicates.groups import with_groups
from evoca.data.duplicates.search import in_words
from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import MissingExtraError
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.holdout import require_classes, require_ratings, usable
from evoca.runs.provenance import describe_division
from evoca.words import by_number, counted

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """Images to train on, and to evaluate on.

    Attributes:
        images: all but the test images, each with a target, in groups of copies.
        test: to evaluate on; ``None`` where they are left out, or the data name none.
        used: both.
        basis: where the groups come from, in words.
        division: the splits and groups of the data, see
            :func:`evoca.runs.provenance.describe_division`.
        notes: what was left out, and what copies were found.
        fingerprints: of the images' files.
    """

    images: LabelledImages
    test: LabelledImages | None
    used: LabelledImages
    basis: str
    division: Mapping[str, str]
    notes: tuple[str, ...]
    fingerprints: Mapping[Path, Fingerprint] = field(default_factory=dict)


def prepare(
    data: LabelledImages,
    recipe: Recipe | None = None,
    *,
    with_test: bool = False,
    require: Callable[[LabelledImages, bool], None] = lambda _images, _grouped: None,
) -> Prepared:
    """Return images with a target in groups of copies, the test images apart.

    Args:
        data: labelled images.
        recipe: states what is learnt; a single label per image if omitted.
        with_test: return the test images too, rather than leave them unseen.
        require: refuses training images that cannot be divided; called before the search
            for copies, which takes long, and again, with true, once they are in groups.

    Raises:
        DataError: nothing to learn from, or a label without an image.
        MissingExtraError: imagehash is not installed, so that copies could cross folds.
    """
    notes = []
    data = data.in_order()
    seen = data if with_test else data.take(data.split != "test")
    if len(seen) < len(data):
        notes.append(
            f"{counted(len(data) - len(seen), 'test image is', 'test images are')} kept out"
        )
    images = usable(seen, recipe)
    if recipe is not None:
        require_ratings(seen, images, recipe)
    if lost := len(seen) - len(images):
        labels = recipe is None or not any(step.affect_weight for step in recipe.steps)
        lacking = "a single label" if labels else "anything to learn"
        notes.append(
            f"{counted(lost, 'image')} without {lacking} {by_number(lost, 'is', 'are')} left out"
        )
    learning = images.take(images.split != "test")
    require_classes(learning)
    require(learning, False)
    grouped = with_groups(images)
    if not grouped.near:
        raise MissingExtraError("keeping near-duplicates in one fold", "train", "imagehash")
    notes.append(in_words(grouped.found))
    learning = grouped.images.take(images.split != "test")
    require(learning, True)
    test = grouped.images.in_split("test")
    return Prepared(
        learning,
        test if len(test) else None,
        grouped.images,
        grouped.basis,
        describe_division(images, splits=bool(len(test))),
        tuple(notes),
        grouped.by_path,
    )
