"""Where an evaluated system comes from, for whoever reads the run of its evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evoca.runs import Run
from evoca.runtime.card import Provenance

__all__ = ["origin_of_model", "origin_of_run"]

_DATA = ("name", "images", "fingerprint")


def origin_of_model(provenance: Provenance) -> dict[str, Any]:
    """Return the recipe of a bundle, where it has it, and the data it learnt from."""
    data = {"images": provenance.images, "fingerprint": provenance.fingerprint}
    recipe = provenance.settings or {"name": provenance.recipe}
    return {"kind": "model", "recipe": recipe, "data": data}


def origin_of_run(run: Run) -> dict[str, Any]:
    """Return the recipe of a run, the data it learnt from, and how its predictions were made.

    A run that is itself an evaluation passes on where its system comes from, and how many
    of its images were learnt from.
    """
    known = run.description
    origin = {"kind": "run", "recipe": known.get("recipe"), "split": known.get("split")}
    data = known.get("data")
    if isinstance(data, Mapping):
        origin["data"] = {name: data[name] for name in _DATA if name in data}
    earlier = known.get("origin")
    if isinstance(earlier, Mapping):
        # Predictions that were read from a run are as that run made them.
        origin |= {key: value for key, value in earlier.items() if key != "kind"}
    learnt = known.get("training_images")
    return origin | ({"training_images": learnt} if isinstance(learnt, int) else {})
