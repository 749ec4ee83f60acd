"""The images to train on, those that choose, and those that are only evaluated on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from evoca.data.manifest.labelled import LabelledImages
from evoca.data.merging import merge_labels
from evoca.errors import DataError, OptionError
from evoca.lab.config.recipe import Recipe
from evoca.lab.experiments.copies import Copied, copied
from evoca.lab.training.data import ratings_of
from evoca.words import by_number, counted

__all__ = [
    "MORE_GROUPS",
    "Holdout",
    "cut_validation",
    "first_source",
    "has_test",
    "hold_out",
    "in_source",
    "learnt_without",
    "of_first_source",
    "require_classes",
    "require_folds",
    "require_parts",
    "require_ratings",
    "require_two_groups",
    "strata",
    "usable",
]


def usable(data: LabelledImages, recipe: Recipe | None = None) -> LabelledImages:
    """Return the images with a target for every step.

    The target is a label; the viewers' distribution, where a step learns distributions
    (tied votes leave no label); ratings, where a step learns valence and arousal. A recipe
    without emotions is given none to be scored by.

    Emotions that the recipe merges are returned as one class.

    Args:
        data: labelled images.
        recipe: none for a head that is fitted on labels.

    Raises:
        DataError: there is no emotion that is to be merged; something the recipe predicts
            is known of no image, or a rating is off its scale: it would be learnt from
            nothing, or bent to the scale's end.
    """
    if data.teaching is not None:
        return _usable_of_several(data, recipe)
    if recipe is not None:
        data = merge_labels(data, recipe.merge)
    rated = np.asarray(np.isfinite(ratings_of(data)).any(axis=1))
    if recipe is not None and not recipe.model.predicts_emotions():
        none = np.full(len(data), -1, dtype=np.int64)
        unnamed = replace(data, truth=none, distribution=None, agreement=None).take(rated)
        _require_taught(unnamed, recipe)
        return unnamed
    every = np.ones(len(data), dtype=np.bool_)
    for step in recipe.steps if recipe is not None and recipe.steps else (None,):
        known = data.truth >= 0
        if step is not None and step.targets == "distribution" and data.distribution is not None:
            known = known | np.isfinite(data.distribution).all(axis=1)
        if step is not None and step.affect_weight:
            known = known | rated
        every &= known
    found = data.take(every)
    if recipe is not None:
        _require_taught(found, recipe)
    return found


def _usable_of_several(data: LabelledImages, recipe: Recipe | None) -> LabelledImages:
    """Return the images of several sources that say anything about emotions, or are rated."""
    if recipe is not None and recipe.merge:
        raise DataError(
            f"{recipe.name}: merges emotions, which several sources are not learnt with: leave "
            "merge out, or give one --data"
        )
    assert data.teaching is not None  # several
    rated = np.isfinite(ratings_of(data)).any(axis=1)
    found = data.take((data.teaching.shares.sum(axis=1) > 0) | rated)
    assert found.teaching is not None
    if lost := sorted(set(range(len(data.teaching.sources))) - set(found.teaching.of.tolist())):
        name = data.teaching.sources[lost[0]]
        raise DataError(f"{name}: none of its images says anything about what is learnt")
    return found


def _require_taught(images: LabelledImages, recipe: Recipe) -> None:
    """Refuse images without a target for one of several heads."""
    scale = recipe.model.rating_scale()
    if not len(images) or scale is None:
        return
    ratings = ratings_of(images)
    for name, own in zip(("valence", "arousal"), ratings.T, strict=True):
        if not np.isfinite(own).any():
            raise DataError(f"{images.source}: no image has a rating of {name} to learn from")
    low, high = scale
    if off := int(((ratings < low) | (ratings > high)).any(axis=1).sum()):
        raise DataError(
            f"{images.source}: {counted(off, 'image has', 'images have')} ratings outside {low:g} "
            f"to {high:g}: set the scale of the data, such as model.affect_range=[1, 9]"
        )
    named = images.truth >= 0
    if images.distribution is not None:
        named = named | np.isfinite(images.distribution).all(axis=1)
    if recipe.model.predicts_emotions() and not named.any():
        raise DataError(
            f"{images.source}: no image has an emotion to learn from; ratings alone are learnt "
            "with model.emotions=false, as in the recipe affect"
        )


def strata(data: LabelledImages) -> NDArray[np.int64]:
    """Return the strata of folds, int64 (n,), from 0.

    A stratum is the image's label; where votes tie, the first of the tied labels. Images
    that are only rated are one more stratum.
    """
    found = data.truth.copy()
    if data.distribution is not None:
        tied = (found < 0) & np.isfinite(data.distribution).all(axis=1)
        found[tied] = data.distribution[tied].argmax(axis=1)
    found[found < 0] = found.max(initial=-1) + 1
    return found


MORE_GROUPS = (
    "give images of more groups (copies, and images that the column group names alike, stay "
    "together)"
)
"""What to do where too few groups of images can be divided, for messages."""


@dataclass(frozen=True, eq=False)
class Holdout:
    """Labelled images by their use.

    Attributes:
        train: to train on.
        validation: for early stopping, temperature and set threshold.
        test: to evaluate on; ``None`` where the data names none.
        cut: whether validation was cut from the training images here.
    """

    train: LabelledImages
    validation: LabelledImages
    test: LabelledImages | None
    cut: bool

    @property
    def evaluated(self) -> LabelledImages:
        """The images that figures are of: test images, where there are any."""
        return self.validation if self.test is None else self.test

    def copied(self) -> Copied:
        """Return which evaluated images are copies of training or validation images."""
        return copied(self.evaluated, self.train, None if self.test is None else self.validation)

    def chosen_by_copies(self) -> tuple[str, ...]:
        """Return a note on how many validation images are copies of training images."""
        n, again = len(self.validation), np.isin(self.validation.groups, self.train.groups).sum()
        if not again:
            return ()
        return (
            f"WARNING: of {counted(n, 'validation image')} {again:,} "
            f"{by_number(again, 'is a copy', 'are copies')} of training images: what "
            "is stopped and chosen by them remembers",
        )

    def without_copies(self) -> Holdout:
        """Return the same without such copies among the evaluated images.

        Raises:
            DataError: none is left.
        """
        again = self.copied().any
        if again.all():
            raise DataError(
                f"{self.evaluated.source}: all {len(again):,} images to evaluate on are copies of "
                "images that are learnt from: none is left without copies"
            )
        kept = self.evaluated.take(~again)
        if self.test is None:
            return replace(self, validation=kept)
        return replace(self, test=kept)


def hold_out(
    data: LabelledImages, share: float, seed: int, recipe: Recipe | None = None
) -> Holdout:
    """Return the parts by the data's splits; cut validation images where it names none.

    Images without a split are training images.

    Args:
        data: labelled images.
        share: of the training images to cut off, where the data has no ``val``.
        seed: of that cut.
        recipe: states what is learnt; labels if omitted.

    Raises:
        DataError: no image to learn from, or a class with too few.
    """
    known = usable(data, recipe)
    if recipe is not None:
        require_ratings(data, known, recipe)
    learning = _learning(known)
    chosen, test = known.in_split("val"), known.in_split("test")
    if len(chosen):
        return Holdout(learning, chosen, test if len(test) else None, cut=False)
    train, validation = cut_validation(learning, share, seed)
    return Holdout(train, validation, test if len(test) else None, cut=True)


def _learning(known: LabelledImages) -> LabelledImages:
    learning = known.take((known.split == "train") | (known.split == ""))
    if len(known) and not len(learning):
        raise DataError(
            f"{known.source}: all {len(known):,} labelled images are of the splits val and test: "
            "none is left to learn from"
        )
    require_classes(learning)
    return learning


def require_parts(known: LabelledImages, share: float) -> None:
    """Refuse images that cannot be held out, whatever copies there are among them.

    Looking for copies takes long; this does not wait for it.

    Args:
        known: usable images.
        share: of the training images to cut off, where they name no ``val``.

    Raises:
        DataError: as :func:`hold_out` does.
    """
    learning = _learning(known)
    if not (known.split == "val").any():
        _require_enough(learning, share)


def has_test(data: LabelledImages, recipe: Recipe | None = None) -> bool:
    """Return whether the data name test images that can be evaluated."""
    test = data.in_split("test")
    return bool(len(test)) and bool(len(usable(test, recipe)))


def grouped_parts(
    truth: NDArray[np.int64], groups: NDArray[np.int64], parts: int, seed: int
) -> list[NDArray[np.int64]]:
    """Return the positions of each part of the images, stratified by class, whole groups together.

    Args:
        truth: (n,) what is stratified by.
        groups: (n,) images of one group share a number.
        parts: how many.
        seed: of the draw.
    """
    splitter = StratifiedGroupKFold(n_splits=parts, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # the caller that divides checks for classes in few groups
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [part for _, part in splitter.split(truth[:, None], truth, groups)]


def cut_validation(
    data: LabelledImages, share: float, seed: int
) -> tuple[LabelledImages, LabelledImages]:
    """Return a training and a validation part, stratified by class, whole groups together.

    Returns:
        The images to train on, and those set aside.

    Raises:
        DataError: too few images for such a cut, or one that takes all of a class.
    """
    truth, groups = strata(data), data.groups
    parts = _require_enough(data, share)
    inside = np.zeros(len(truth), dtype=np.bool_)
    if data.teaching is None:
        inside[grouped_parts(truth, groups, parts, seed)[0]] = True
    else:
        for source in np.unique(data.teaching.of):  # some of every source
            own = np.flatnonzero(data.teaching.of == source)
            if len(np.unique(groups[own])) >= parts:
                cut = grouped_parts(truth[own], groups[own], parts, seed)[0]
                inside |= np.isin(groups, groups[own[cut]])
    train, validation = data.take(~inside), data.take(inside)
    _require_remaining(data, train)
    return train, validation


def first_source(images: LabelledImages) -> LabelledImages:
    """Return the images of the first of several sources; all of a single one."""
    teaching = images.teaching
    return images if teaching is None else images.take(teaching.of == 0)


def of_first_source(
    check: Callable[[LabelledImages, bool], None], data: LabelledImages, leave_out: str | None
) -> Callable[[LabelledImages, bool], None]:
    """Return a check of the images of the first source alone.

    Args:
        check: takes images, and whether they are in groups.
        data: of several sources.
        leave_out: name of the source that is left out: of the first, nothing is checked.

    Raises:
        OptionError: no source is called so.
    """
    assert data.teaching is not None  # several
    if leave_out is not None:
        in_source(data, leave_out)
    if leave_out == data.teaching.sources[0]:
        return lambda _images, _grouped: None
    return lambda images, grouped: check(first_source(images), grouped)


def in_source(images: LabelledImages, source: str) -> NDArray[np.bool_]:
    """Return which images are of a source, bool (n,).

    Raises:
        DataError: no source is called so.
    """
    teaching = images.teaching
    assert teaching is not None
    if source not in teaching.sources:
        raise OptionError(
            {"leave_out": source},
            f"no source is called so; they are {', '.join(teaching.sources)}",
        )
    return np.asarray(teaching.of == teaching.sources.index(source))


def learnt_without(images: LabelledImages, out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which images to learn from: no copy of a held-out one, bool (n,)."""
    return np.asarray(~np.isin(images.groups, images.groups[out]))


def _require_enough(data: LabelledImages, share: float) -> int:
    """Return the number of parts, one of which is set aside; a class needs an image in each."""
    largest, parts = int(np.bincount(strata(data)).max()), max(2, round(1 / share))
    # A class with fewer images than parts is still divided as evenly as can be.
    if largest < parts:
        raise DataError(
            f"the largest class has {counted(largest, 'image')}, too few to set one in {parts} "
            "aside for validation: give more, name a split val, or set a larger share aside "
            "(protocol.validation)"
        )
    return parts


def _require_remaining(data: LabelledImages, train: LabelledImages) -> None:
    """Refuse a cut that leaves a class without training images."""
    for code, label in enumerate(data.labels):
        own = data.truth == code
        if own.any() and not (train.truth == code).any():
            groups = len(np.unique(data.groups[own]))
            raise DataError(
                f"{label} has {counted(int(own.sum()), 'image')} in {counted(groups, 'group')}, "
                "all of which are set aside for validation, and none is left to learn from: "
                f"{MORE_GROUPS}, or name a split val"
            )


def require_ratings(data: LabelledImages, known: LabelledImages, recipe: Recipe) -> None:
    """Refuse images without ratings for a recipe that predicts nothing else.

    Args:
        data: as given.
        known: those of them that the recipe can learn from.
        recipe: that learns.

    Raises:
        DataError: none of the images is rated.
    """
    if len(data) and not len(known) and not recipe.model.predicts_emotions():
        raise DataError(
            f"{data.source}: {recipe.name} learns ratings, and none of "
            f"{counted(len(data), 'image')} "
            "has any: give a table with the columns valence and arousal "
            "(evoca data readers show oasis)"
        )


def require_classes(data: LabelledImages) -> None:
    """Refuse data that lack a class; data without any label pass.

    Raises:
        DataError: no image to learn from, or none of some label.
    """
    if not len(data):
        raise DataError(
            f"{data.source}: no labelled images to train on: of a table, the columns emotion, "
            "votes_<emotion> and p_<emotion> are its labels"
        )
    known = data.truth[data.truth >= 0]
    if not len(known):  # ratings alone
        return
    counts = np.bincount(known, minlength=len(data.labels))
    empty = [label for label, count in zip(data.labels, counts, strict=True) if not count]
    if empty:
        raise DataError(
            f"no image to train on is labelled {', '.join(empty)}: a class cannot be learnt "
            "from nothing"
        )


def require_folds(data: LabelledImages, folds: int, inner_folds: int = 0) -> None:
    """Refuse data with a class too small to be in every fold.

    Args:
        data: to be cross-validated; without any label, nothing is refused.
        folds: outer folds.
        inner_folds: folds inside each training part; 0 for none.

    Raises:
        DataError: names the smallest class.
    """
    if not (data.truth >= 0).any():
        return
    counts = np.bincount(strata(data), minlength=len(data.labels))
    names = (*data.labels, "the stratum of images that are only rated")
    label, count = names[int(counts.argmin())], int(counts.min())
    if count < folds:
        raise DataError(
            f"{label} has {counted(count, 'image')}, fewer than the {counted(folds, 'fold')}: give "
            "more images, or fewer folds (protocol.folds)"
        )
    left = count - -(-count // folds)
    if left < inner_folds:
        raise DataError(
            f"{label} has {counted(count, 'image')}, of which {left} "
            f"{by_number(left, 'is', 'are')} in a training part, fewer than its "
            f"{inner_folds} inner folds: give more images, or fewer folds (protocol.inner_folds)"
        )


def require_two_groups(parts: Holdout) -> None:
    """Refuse too few images to evaluate on, before any training.

    Raises:
        DataError: those that figures are of are fewer than two independent ones.
    """
    evaluated = parts.evaluated
    if len(np.unique(evaluated.groups)) < 2:
        split = "val" if parts.test is None else "test"
        raise DataError(
            f"{evaluated.source}: the split {split} has {counted(len(evaluated), 'image')} in 1 "
            f"group: figures with intervals need two; {MORE_GROUPS}"
        )
