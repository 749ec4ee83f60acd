"""What makes two trainings the same."""

from __future__ import annotations

import hashlib
import json

from evoca.data.labelled import LabelledImages
from evoca.lab.fitting.state import Identity
from evoca.lab.recipe import Recipe

__all__ = ["identity_of"]

# What may differ between two trainings that are the same.
_NAMES = {"name", "summary", "search", "profile", "stand_ins"}


def identity_of(recipe: Recipe, *images: LabelledImages) -> Identity:
    """Fingerprint what decides the weights: the recipe, and the images in their order."""
    content = recipe.model_dump(mode="json")
    deciding = {key: content[key] for key in sorted(content) if key not in _NAMES}
    if not recipe.merge:  # as before it could be said
        del deciding["merge"]
    digest = hashlib.sha256()
    for part in images:
        digest.update(part.fingerprint().encode())
        digest.update("\0".join(part.names).encode())
    recipe_digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
    return Identity(recipe_digest, digest.hexdigest())
