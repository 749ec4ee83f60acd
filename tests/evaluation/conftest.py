"""The bundled model, and the example photographs as labelled images."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import evoca
from evoca.data.manifest.labelled import load_labelled
from evoca.evaluation import System, model_system

# What a viewer might say; the tests need labels, not true ones.
SAID = {
    "astronaut": "awe",
    "chelsea": "amusement",
    "china": "awe",
    "coffee": "contentment",
    "flower": "contentment",
    "rocket": "excitement",
}


@pytest.fixture(scope="session")
def system() -> System:
    return model_system(evoca.load(threads=1))


@pytest.fixture(scope="session")
def photos(examples) -> list[dict[str, str]]:
    """A row of a manifest for each example photograph."""
    return [
        {"image": str(examples / f"{name}.jpg"), "emotion": emotion}
        for name, emotion in SAID.items()
    ]


@pytest.fixture
def manifest(tmp_path, photos):
    """Write a manifest of the photographs, with changed or further columns."""

    def write(*columns: dict[str, object], name: str = "data.csv") -> Path:
        rows = [{**row, **extra} for row, extra in zip(photos, columns or [{}] * 6, strict=True)]
        with (tmp_path / name).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return tmp_path / name

    return write


@pytest.fixture
def labelled(manifest):
    def load(*columns: dict[str, object]):
        return load_labelled(manifest(*columns), require_files=False)

    return load


@pytest.fixture(scope="session")
def predicted(system, photos) -> np.ndarray:
    """The bundled model's predictions for the photographs, (6, 8)."""
    model = evoca.load(threads=1)
    found = model.predict([row["image"] for row in photos])
    return np.array([list(one.probabilities.values()) for one in found])
