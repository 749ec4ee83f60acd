"""Compare a finished run with the one asked for: recipe, images, splits and groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from evoca.data.manifest.labelled import LabelledImages
from evoca.lab.config.recipe import Recipe
from evoca.lab.config.summary import same_recipe
from evoca.lab.experiments.holdout import has_test, usable
from evoca.runs.provenance import describe_division

__all__ = ["CROSS_VALIDATION", "TRAINING", "difference"]

CROSS_VALIDATION, TRAINING = "cross-validation", "training"
"""Kinds of run, as ``run.json`` has them."""


def difference(
    description: Mapping[str, Any], recipe: Recipe, data: LabelledImages, kind: str
) -> str:
    """Return in words how a finished run differs from the one asked for; empty if it does not.

    Runs that were made before splits and groups were recorded are compared by the rest.

    Args:
        description: the run's ``run.json``.
        recipe: asked for.
        data: all that is given now.
        kind: :data:`TRAINING` or :data:`CROSS_VALIDATION`.
    """
    if (found := description.get("kind", kind)) != kind:
        return f"a {found}, not a {kind}"
    if not _is_of(description.get("recipe"), recipe):
        return "another recipe, or of other settings"
    known, split = description.get("data", {}).get("fingerprint"), description.get("split", {})
    without_test = usable(data.take(data.split != "test"), recipe)
    if kind == CROSS_VALIDATION:
        if known != without_test.fingerprint():
            return f"other images{_or_of_other_test(data)}"
        return _moved(split, describe_division(without_test, splits=False))
    parted = bool(recipe.steps) or has_test(data)
    if parted and "folds" in split:
        return "figures by cross-validation, where the data name test images to evaluate on"
    if not parted and "folds" not in split:
        return "figures of test images, where the data name none now"
    used = usable(data, recipe) if parted else without_test
    if known != used.fingerprint():
        return f"other images{_or_of_other_test(data)}"
    return _moved(split, describe_division(used, splits=parted))


def _is_of(recorded: object, recipe: Recipe) -> bool:
    try:
        return same_recipe(Recipe.model_validate(recorded), recipe)
    except ValidationError:
        return False


def _or_of_other_test(data: LabelledImages) -> str:
    return ", or with others kept out as test images" if (data.split == "test").any() else ""


def _moved(recorded: Mapping[str, Any], now: Mapping[str, str]) -> str:
    """Return which recorded divisions have changed; those not recorded pass."""
    for key, column in (("split_sha256", "split"), ("group_sha256", "group")):
        if key in recorded and recorded[key] != now.get(key, recorded[key]):
            return f"the same images under another column {column}"
    return ""
