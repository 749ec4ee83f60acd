"""The recipe that a run records, for every kind of run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from evoca.runs import Run

__all__ = [
    "Packaged",
    "backbones_of",
    "mapping",
    "parts_of",
    "published_by",
    "recipe_name",
    "recorded_recipe",
]

_LABELS = {"name", "summary", "paper", "published", "left_open", "profile"}
"""Keys that identify a recipe and are not settings."""


class Packaged(Protocol):
    """The recipes of the package: :class:`evoca.lab.experiments.results.PackagedRecipes`."""

    def recipe(self, name: str) -> Mapping[str, Any] | None:
        """Return the content of a recipe, with every default; ``None`` where there is none."""

    def completed(self, recorded: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return a recorded recipe with every default; ``None`` where it is not valid."""


def mapping(content: object) -> Mapping[str, Any]:
    """Return a mapping unchanged, and an empty one for anything else."""
    return content if isinstance(content, Mapping) else {}


def recorded_recipe(run: Run) -> Mapping[str, Any]:
    """Return the recipe of a run, or of the system that it evaluated; empty if not recorded."""
    own = mapping(run.description.get("recipe"))
    return own or mapping(mapping(run.description.get("origin")).get("recipe"))


def is_whole(recipe: Mapping[str, Any]) -> bool:
    """Return whether a recorded recipe has more than its name."""
    return bool(set(recipe) - _LABELS)


def recipe_name(run: Run) -> str:
    """Return the name of the recipe; for an evaluated model without one, the model's name."""
    evaluated = mapping(run.description.get("system"))
    return str(recorded_recipe(run).get("name") or evaluated.get("recipe") or run.recipe)


def published_by(run: Run, packaged: Packaged | None = None) -> str:
    """Return the published system that a run is compared with: its recipe's.

    A variant is compared with the figures of the system that it varies.

    Args:
        run: of any kind.
        packaged: has the system that a variant varies, where the run does not record it.
    """
    name, recorded = recipe_name(run), recorded_recipe(run)
    known = packaged.recipe(name) if packaged is not None and not is_whole(recorded) else None
    return str(recorded.get("published") or mapping(known).get("published") or name)


def parts_of(model: object) -> Iterator[Mapping[str, Any]]:
    """Yield every pretrained network that the section ``model`` of a recipe declares.

    The first is the section itself; others are entries of it, such as ``second``, or of a
    list, such as ``more``.
    """
    options = mapping(model)
    listed = [part for value in options.values() if isinstance(value, list) for part in value]
    for part in (options, *options.values(), *listed):
        if isinstance(mapping(part).get("backbone"), str):
            yield part


def backbones_of(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the backbones that a recipe declares, sorted, each once.

    >>> backbones_of({
    ...     "model": {"backbone": "resnet101", "second": {"backbone": "densenet201"}},
    ...     "steps": [{"rates": {"backbone": 1e-4}}],
    ... })
    ('densenet201', 'resnet101')
    """
    return tuple(sorted({str(part["backbone"]) for part in parts_of(recipe.get("model"))}))
