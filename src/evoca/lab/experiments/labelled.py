"""The labelled images that a training is given: one source, or several as one set.

Needs no PyTorch, so that a mistake in a manifest is found before it is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.data.sources import join_sources
from evoca.errors import OptionError
from evoca.lab.config.recipe import Recipe

__all__ = ["Data", "labelled_images"]

Data: TypeAlias = LabelledImages | str | Path | Sequence[LabelledImages | str | Path]
"""A manifest, a folder of class folders, labelled images, or several of these."""


def labelled_images(data: Data, say: Callable[[str], None], recipe: Recipe) -> LabelledImages:
    """Return labelled images to learn from, those of several sources as one set.

    Args:
        data: see :data:`Data`.
        say: shows what was left out of a folder.
        recipe: states scales of ratings, and steps that must be able to learn from several.

    Raises:
        DataError: they cannot be read, or say nothing about each other, or a step of the recipe
            does not learn from several sources as it is.
        OptionError: there are none.
    """
    if isinstance(data, Sequence) and not isinstance(data, str):
        several = [_one(own, say) for own in data]
        if not several:
            raise OptionError({"data": ""}, "no source to learn from")
        if len(several) == 1:
            return several[0]
        own = recipe.sources
        joined = join_sources(several, scale=own.scale, scales=own.scales)
        _refuse_unfit_steps(joined, recipe)
        return joined
    return _one(data, say)


def _refuse_unfit_steps(joined: LabelledImages, recipe: Recipe) -> None:
    """Refuse before anything slow what a step would refuse when it begins."""
    if not recipe.steps:
        return
    from evoca.lab.training.lessons import lessons_of

    for step in recipe.steps:
        lessons_of(joined, step, recipe.sources).criterion()


def _one(data: LabelledImages | str | Path, say: Callable[[str], None]) -> LabelledImages:
    if isinstance(data, LabelledImages):
        return data
    if not isinstance(data, str | Path):
        raise OptionError({"data": type(data).__name__}, "give a path, or labelled images")
    images = load_labelled(data)
    if images.left_out:
        say(f"evoca: {images.source}: {images.left_out}")
    return images
