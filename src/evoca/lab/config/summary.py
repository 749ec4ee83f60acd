"""What a recipe is, in a sentence made from what it holds, stand-ins and changes named.

A summary may name ``{backbone}``, and any other network by its key, ``{size}`` of the
pictures and ``{rate}`` of the first step. They are filled in last, once the profile and the
settings of the command line are applied: a summary that named the paper's network would
be kept by whatever stands in for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from evoca.lab.config.models import Network

if TYPE_CHECKING:
    from evoca.lab.config.recipe import Recipe

__all__ = ["described", "rate_in_words", "same_recipe"]

# What summaries take from the recipe itself, and what none speaks of.
_FILLED_IN = {"backbone", "weights", "rate", "epochs", "batch_size"}
# What a setting may change without changing what is trained.
_UNSAID = {"name", "summary", "paper", "published", "protocol", "search", "left_open"}


def described(recipe: Recipe, before: Recipe, overrides: Sequence[str]) -> Recipe:
    """Return a recipe with its summary filled in and its stand-ins recorded.

    Args:
        recipe: as it will be trained.
        before: as its file has it, without profile and settings.
        overrides: the settings, ``KEY=VALUE``.
    """
    stand_ins = _stand_ins(recipe, before)
    summary = _filled(recipe.summary, recipe)
    new = {key: title for key, title in stand_ins.items() if before.stand_ins.get(key) != title}
    changes = _changes_in_words(recipe, before, overrides)
    if any(_may_be_untrue(text, recipe) for text in overrides):
        # A sentence that the changes make untrue cannot lead.
        said = [f"{changes} Without that: {summary}", _stand_ins_in_words(recipe, new)]
    else:
        said = [summary, _stand_ins_in_words(recipe, new), changes]
    return recipe.model_copy(
        update={"summary": " ".join(filter(None, said)), "stand_ins": stand_ins}
    )


def same_recipe(recipe: Recipe, other: Recipe) -> bool:
    """Whether two recipes differ in nothing, or in words alone, such as those of a version."""
    words = {"summary", "stand_ins", "left_open"}
    return recipe.model_dump(exclude=words) == other.model_dump(exclude=words)


def rate_in_words(number: float) -> str:
    """Return 1e-4 for 0.0001, as papers print rates."""
    if number >= 0.01:
        return f"{number:g}"
    digits, exponent = f"{number:.2e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def _titles(recipe: Recipe) -> dict[str, str]:
    """Return what texts call each of a recipe's networks, by its key."""
    if not isinstance(recipe.model, Network):
        return {}
    return {key: recipe.record_of(own).called for key, own in recipe.model.slots().items()}


def _stand_ins(recipe: Recipe, before: Recipe) -> dict[str, str]:
    meant = _titles(before) | before.stand_ins
    own = _titles(recipe)
    return {key: meant[key] for key in own if key in meant and meant[key] != own[key]}


def _filled(template: str, recipe: Recipe) -> str:
    size = recipe.preprocessing
    known = _titles(recipe) | {"size": f"{size.width} x {size.height}"}
    if recipe.steps:
        known["rate"] = rate_in_words(recipe.steps[0].rate)
    text = re.sub(r"\{([a-z0-9.]+)\}", lambda m: known.get(m[1], m[0]), template)
    return text[:1].upper() + text[1:] if template.startswith("{") else text


def _stand_ins_in_words(recipe: Recipe, stand_ins: Mapping[str, str]) -> str:
    own = _titles(recipe)
    pairs = dict.fromkeys((own[key], meant) for key, meant in stand_ins.items())
    if not pairs:
        return ""
    text = ", ".join(f"{name} is a stand-in for {meant}" for name, meant in pairs)
    return f"{text[0].upper()}{text[1:]}."


def _may_be_untrue(override: str, recipe: Recipe) -> bool:
    """Whether a summary may speak of what a setting changes, and is not filled in with it."""
    key = override.partition("=")[0].split(".")
    return key[0] in {"model", "steps", "head", "merge"} and key[-1] not in (
        _FILLED_IN | set(_titles(recipe))
    )


def _changes_in_words(recipe: Recipe, before: Recipe, overrides: Sequence[str]) -> str:
    """Say what else is not as the recipe's file has it, so that the summary need not hold."""
    by = []
    if recipe.profile is not None and recipe.profile != before.profile:
        by.append(f"the profile {recipe.profile}")
    keys = [(text, text.partition("=")[0].split(".")) for text in overrides]
    settings = [
        text for text, key in keys if key[0] not in _UNSAID and key != ["model", "backbone"]
    ]
    if settings:
        by.append(f"--set {', '.join(settings)}")
    return f"Changed by {' and by '.join(by)}." if by else ""
