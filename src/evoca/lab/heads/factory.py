"""What a recipe without steps consists of: an extractor of features, and a fitter."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from evoca.lab.backbones import load_probe
from evoca.lab.config.models import Colour, Hog, SiftWords, ZeroShot
from evoca.lab.config.recipe import Recipe, RecipeError, SvmHead
from evoca.lab.features.colour import ColourHistograms
from evoca.lab.features.extract import Extractor, FrozenTrunk
from evoca.lab.features.hog import OrientedGradients
from evoca.lab.features.sift import DenseSift
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
    options, size = recipe.model, (recipe.preprocessing.height, recipe.preprocessing.width)
    if isinstance(options, Hog):
        return OrientedGradients(options, size)
    if isinstance(options, Colour):
        return ColourHistograms(options, size)
    if isinstance(options, SiftWords):
        return DenseSift(options, size)
    return load_probe(recipe)


def extractor_of(recipe: Recipe) -> Extractor:
    """Return what computes a recipe's features.

    Raises:
        EvocaError: weights cannot be had; a package is missing; or the recipe trains in
            steps.
    """
    return FrozenTrunk(network_of(recipe), recipe.preprocessing)


def fitter_of(recipe: Recipe, labels: Sequence[str]) -> Fitter:
    """Return what fits a recipe's head.

    Args:
        recipe: without steps.
        labels: K of them.

    Raises:
        EvocaError: a text tower cannot be had; or the recipe trains in steps.
    """
    if isinstance(recipe.model, ZeroShot):
        return GivenHead(zero_shot_head(recipe, labels))
    head = recipe.head
    if head is None:
        raise RecipeError(f"{recipe.name}: trains a {recipe.model.system} in steps, no head")
    fitter: Fitter = (
        SvmFitter(head.c_grid, head.gamma, head.standardise)
        if isinstance(head, SvmHead)
        else LinearFitter(head.c_grid)
    )
    if isinstance(recipe.model, SiftWords):
        return WordsFitter(recipe.model.words, fitter, recipe.protocol.seed)
    return fitter
