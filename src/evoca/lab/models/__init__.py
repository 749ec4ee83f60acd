"""Networks that can be trained, by recipe: one file per family."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from evoca.errors import EvocaError
from evoca.lab.config.recipe import Recipe
from evoca.lab.models import (  # noqa: F401 - they register
    caption_text,
    classifier,
    differential,
    mldr,
    multi_task,
    stages,
    streams,
)
from evoca.lab.models.base import StagedSystem, Surroundings, SystemOutputs, builders
from evoca.plugins import plugins

__all__ = ["StagedSystem", "SystemOutputs", "build_system"]


def build_system(
    recipe: Recipe, labels: Sequence[str], *, weights: str | None = None, seed: int
) -> StagedSystem:
    """Return a recipe's system, its new layers drawn with a seed.

    Args:
        recipe: with steps.
        labels: K of them.
        weights: ``recorded``, ``random`` or a file, in place of the recipe's own.
        seed: of everything that starts at random.

    Raises:
        EvocaError: the recipe fits a head on frozen features; or the backbone's weights
            cannot be had.
    """
    plugins("evoca.networks")  # each registers how it builds the systems of its options
    build = builders.get(type(recipe.model))
    if build is None:
        raise EvocaError(f"{recipe.name}: a {recipe.model.system} has no steps to train")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(recipe.model, Surroundings(recipe, len(labels), weights))
