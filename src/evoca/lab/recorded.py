"""Recipes as runs and bundles keep them, and the packaged ones they are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import ValidationError

from evoca.lab.config.backbone import Backbone
from evoca.lab.config.base import RecipeError
from evoca.lab.config.models import Network
from evoca.lab.config.recipe import Recipe, load_recipe, recipe_names

__all__ = ["PackagedRecipes", "shareable"]

_FILES = (".safetensors", ".yaml", ".yml")


class PackagedRecipes:
    """The recipes inside the package, with every default filled in."""

    def recipe(self, name: str) -> dict[str, Any] | None:
        """Return the content of a packaged recipe; ``None`` where there is none of the name."""
        if name not in recipe_names():
            return None
        return load_recipe(name).model_dump(mode="json")

    def completed(self, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what a run kept of its recipe, with every default filled in.

        Weights from a file count as recorded where a backbone's record asks for a file.

        Args:
            recorded: of this version, or of an earlier one that had fewer keys.

        Returns:
            ``None`` where this version does not understand it.
        """
        try:
            recipe = Recipe.model_validate(recorded)
            content = recipe.model_dump(mode="json")
            networks = recipe.model.networks() if isinstance(recipe.model, Network) else []
            known = {network.backbone: recipe.record_of(network) for network in networks}
        except (ValidationError, RecipeError):
            return None
        for part in (content["model"], *content["model"].values()):
            if isinstance(part, dict) and _as_asked(part, known):
                part["weights"] = "recorded"
        return content


def _as_asked(network: Mapping[str, Any], known: Mapping[str, Backbone]) -> bool:
    """Whether a network's weights are a file, and its record has no weights but a user's."""
    record = known.get(network.get("backbone", ""))
    if record is None or str(network.get("weights")) in {"recorded", "random"}:
        return False
    return record.weights.origin is not None and record.weights.hub is None


def shareable(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe for a bundle: all that decides the model, files by name alone.

    Folders of one's own machine are nobody else's business.
    """
    whole = recipe.model_dump(mode="json", exclude={"left_open", "search"})
    return {key: _named(value) for key, value in whole.items()}


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _named(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_named(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if value.endswith("/"):
        return f"{PurePath(value).name}/"
    return PurePath(value).name if value.endswith(_FILES) else value
