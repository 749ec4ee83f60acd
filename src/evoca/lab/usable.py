"""Which images a recipe's steps can learn from, and how they are spread over folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evoca.data.labelled import LabelledImages
from evoca.data.merging import merge_labels
from evoca.errors import DataError
from evoca.lab.config.models import MultiTask
from evoca.lab.config.recipe import Recipe
from evoca.lab.training.data import ratings_of

__all__ = ["strata", "usable"]


def usable(data: LabelledImages, recipe: Recipe | None = None) -> LabelledImages:
    """Return the images that have what every step can learn from.

    That is a label; the viewers' distribution, where a step learns distributions (votes may
    tie, which leaves no label); ratings, where a step learns valence and arousal. A recipe
    without emotions is given none to be judged by.

    Emotions that the recipe merges are one class in what is returned.

    Args:
        data: labelled images.
        recipe: none for a head that is fitted on labels.

    Raises:
        DataError: there is no emotion that is to be merged; something the recipe predicts
            is known of no image, or a rating is off its scale: it would be learnt from
            nothing, or bent to the scale's end.
    """
    if recipe is not None:
        data = merge_labels(data, recipe.merge)
    rated = np.asarray(np.isfinite(ratings_of(data)).any(axis=1))
    if recipe is not None and isinstance(recipe.model, MultiTask) and not recipe.model.emotions:
        none = np.full(len(data), -1, dtype=np.int64)
        unnamed = replace(data, truth=none, distribution=None, agreement=None).take(rated)
        _require_taught(unnamed, recipe.model)
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
    if recipe is not None and isinstance(recipe.model, MultiTask):
        _require_taught(found, recipe.model)
    return found


def _require_taught(images: LabelledImages, options: MultiTask) -> None:
    """Refuse images that leave a head of several without anything to learn from."""
    if not len(images):
        return
    ratings = ratings_of(images)
    for name, own in zip(("valence", "arousal"), ratings.T, strict=True):
        if not np.isfinite(own).any():
            raise DataError(f"{images.source}: no image has a rating of {name} to learn from")
    low, high = options.affect_range
    if off := int(((ratings < low) | (ratings > high)).any(axis=1).sum()):
        raise DataError(
            f"{images.source}: {off} images have ratings outside {low:g} to {high:g}: say the "
            "scale of the data, such as model.affect_range=[1, 9]"
        )
    named = images.truth >= 0
    if images.distribution is not None:
        named = named | np.isfinite(images.distribution).all(axis=1)
    if options.emotions and not named.any():
        raise DataError(
            f"{images.source}: no image has an emotion to learn from; ratings alone are learnt "
            "with model.emotions=false, as in the recipe affect"
        )


def strata(data: LabelledImages) -> NDArray[np.int64]:
    """Return what folds are stratified by, int64 (n,), from 0.

    An image's label; where votes tie, the first of the tied; one more stratum for images
    that are only rated.
    """
    found = data.truth.copy()
    if data.distribution is not None:
        tied = (found < 0) & np.isfinite(data.distribution).all(axis=1)
        found[tied] = data.distribution[tied].argmax(axis=1)
    found[found < 0] = found.max(initial=-1) + 1
    return found
