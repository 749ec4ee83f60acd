"""What makes two trainings the same."""

from __future__ import annotations

import hashlib
import json

from evoca.data.labelled import LabelledImages
from evoca.lab.config.recipe import Recipe
from evoca.lab.fitting.state import Identity

__all__ = ["identity_of"]

# What may differ between two trainings that are the same.
_NAMES = {"name", "summary", "search", "profile", "stand_ins"}


def identity_of(recipe: Recipe, *images: LabelledImages, division: str = "") -> Identity:
    """Fingerprint what decides the weights: the recipe, and the images in their order.

    Args:
        recipe: says how they are trained on.
        images: by what they are for.
        division: what else must be the same, such as the groups that folds keep together.
    """
    content = recipe.model_dump(mode="json")
    deciding = {key: content[key] for key in sorted(content) if key not in _NAMES}
    if not recipe.merge:  # as before it could be said
        del deciding["merge"]
    digest = hashlib.sha256()
    for part in images:
        digest.update(part.fingerprint().encode())
        digest.update("\0".join(part.names).encode())
    digest.update(division.encode())
    recipe_digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
    return Identity(recipe_digest, digest.hexdigest())
