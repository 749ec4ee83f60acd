"""What the lab alone puts into a run directory: its description, and the trained head."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from evoca import __version__
from evoca.errors import EvocaError
from evoca.lab.heads import LinearHead
from evoca.lab.recipe import Recipe
from evoca.runs.directory import RUN_VERSION

__all__ = ["read_head", "run_description", "write_head"]


def run_description(recipe: Recipe, fingerprint: str, n: int, data_name: str) -> dict[str, Any]:
    """Return the content of ``run.json`` that every kind of run shares."""
    protocol = recipe.protocol
    return {
        "run_version": RUN_VERSION,
        "evoca_version": __version__,
        "recipe": recipe.model_dump(mode="json"),
        "data": {"fingerprint": fingerprint, "images": n, "name": data_name},
        "split": {
            "kind": "nested cross-validation, stratified, grouped by duplicates",
            "folds": protocol.folds,
            "inner_folds": protocol.inner_folds,
            "repeats": protocol.repeats,
        },
        "seeds": [protocol.seed + r for r in range(protocol.repeats)],
    }


def write_head(folder: Path, head: LinearHead) -> None:
    """Keep a linear head as plain arrays."""
    folder.mkdir()
    np.savez(folder / "head.npz", weight=head.weight, bias=head.bias, c=np.float64(head.c))


def read_head(folder: Path) -> LinearHead:
    """Read a head back; arrays only, nothing is unpickled.

    Raises:
        EvocaError: missing or damaged.
    """
    file = folder / "head.npz"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return LinearHead(arrays["weight"], arrays["bias"], float(arrays["c"]))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EvocaError(f"{file}: missing or damaged: this is not a trained run") from error
