"""The parts of a recipe without steps: an extractor of features, and a fitter."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from evoca.lab.backbones import load_probe
from evoca.lab.config.recipe import Recipe, RecipeError, SvmHead
from evoca.lab.features import colour, hog, sift  # noqa: F401 - they register
from evoca.lab.features.extract import Extractor, FrozenTrunk, feature_networks
from evoca.lab.heads.base import Fitter
from evoca.lab.heads.linear import GivenHead, LinearFitter
from evoca.lab.heads.svm import SvmFitter
from evoca.lab.heads.visual_words import WordsFitter
from evoca.lab.heads.zero_shot import zero_shot_head

__all__ = ["extractor_of", "fitter_of", "network_of"]


def network_of(recipe: Recipe) -> nn.Module:
    """Return the network that computes a recipe's features.

    Raises:
        EvocaError: weights cannot be had; the pictures are too small; or the recipe trains
            in steps.
    """
    build = feature_networks.get(type(recipe.model))
    if build is None:
        return load_probe(recipe)
    return build(recipe.model, (recipe.preprocessing.height, recipe.preprocessing.width))


def extractor_of(recipe: Recipe) -> Extractor:
    """Return the extractor of a recipe's features.

    Raises:
        EvocaError: weights cannot be had; a package is missing; or the recipe trains in
            steps.
    """
    return FrozenTrunk(network_of(recipe), recipe.preprocessing)


def fitter_of(recipe: Recipe, labels: Sequence[str]) -> Fitter:
    """Return the fitter of a recipe's head.

    Args:
        recipe: without steps.
        labels: K of them.

    Raises:
        EvocaError: a text tower cannot be had; or the recipe trains in steps.
    """
    if recipe.model.trained_by == "nothing":
        return GivenHead(zero_shot_head(recipe, labels))
    head = recipe.head
    if head is None:
        raise RecipeError(f"{recipe.name}: trains a {recipe.model.system} in steps, no head")
    fitter: Fitter = (
        SvmFitter(head.c_grid, head.gamma, head.standardise)
        if isinstance(head, SvmHead)
        else LinearFitter(head.c_grid)
    )
    words = recipe.model.visual_words()
    return fitter if words is None else WordsFitter(words, fitter, recipe.protocol.seed)
