"""What a recipe without steps consists of: an extractor of features, and a fitter."""

from __future__ import annotations

from collections.abc import Sequence

from evoca.lab.backbones import load_probe
from evoca.lab.features import Extractor, FrozenTrunk
from evoca.lab.fitters import Fitter, GivenHead, LinearFitter
from evoca.lab.model_options import Descriptors, ZeroShot
from evoca.lab.recipe import Recipe, RecipeError

__all__ = ["extractor_of", "fitter_of"]


def extractor_of(recipe: Recipe) -> Extractor:
    """Return what computes a recipe's features.

    Raises:
        EvocaError: weights cannot be had; a package is missing; or the recipe trains in
            steps.
    """
    if isinstance(recipe.model, Descriptors):
        from evoca.lab.descriptors import extractor_for

        return extractor_for(recipe.model, recipe.preprocessing)
    return FrozenTrunk(load_probe(recipe), recipe.preprocessing)


def fitter_of(recipe: Recipe, labels: Sequence[str]) -> Fitter:
    """Return what fits a recipe's head.

    Args:
        recipe: without steps.
        labels: K of them.

    Raises:
        EvocaError: a text tower cannot be had; or the recipe trains in steps.
    """
    if isinstance(recipe.model, ZeroShot):
        from evoca.lab.systems.zero_shot import zero_shot_head

        return GivenHead(zero_shot_head(recipe, labels))
    if recipe.head is None:
        raise RecipeError(f"{recipe.name}: trains a {recipe.model.system} in steps, no head")
    return LinearFitter(recipe.head.c_grid)
