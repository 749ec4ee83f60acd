"""The parts of a recipe without steps: an extractor of features, and a fitter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from evoca.lab.backbones import load_probe
from evoca.lab.config.recipe import AnyHead, Head, Recipe, RecipeError, SvmHead
from evoca.lab.features import colour, hog, sift  # noqa: F401 - they register
from evoca.lab.features.extract import Extractor, FrozenTrunk, feature_networks
from evoca.lab.heads.base import Fitter
from evoca.lab.heads.linear import GivenHead, LinearFitter
from evoca.lab.heads.svm import SvmFitter
from evoca.lab.heads.visual_words import WordsFitter
from evoca.lab.heads.zero_shot import zero_shot_head
from evoca.strict import Strict

__all__ = ["extractor_of", "fitter_of", "head_fitter", "network_of"]


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


_FITTERS: dict[type[Strict], Callable[[Any], Fitter]] = {
    Head: lambda head: LinearFitter(head.c_grid),
    SvmHead: lambda head: SvmFitter(head.c_grid, head.gamma, head.standardise),
}


def head_fitter(head: AnyHead) -> Fitter:
    """Return the fitter of a head, which is the same on frozen features and after steps."""
    return _FITTERS[type(head)](head)


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
    fitter = head_fitter(head)
    words = recipe.model.visual_words()
    return fitter if words is None else WordsFitter(words, fitter, recipe.protocol.seed)
