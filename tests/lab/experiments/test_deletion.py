"""The deletion test on models whose evidence is known to be right, or wrong."""

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")
from PIL import Image

from evoca.emotions import MIKELS8
from evoca.images.preprocess import Preprocessing
from evoca.lab.experiments.deletion import deletion_test
from evoca.softmax import softmax

SIDE, CELLS = 32, 4


@dataclass
class Corner:
    """Sees the red of one corner cell alone; says so, or denies it."""

    honest: bool

    def probabilities(self, pixels):
        red = pixels[:, : SIDE // CELLS, : SIDE // CELLS, 0].mean(axis=(1, 2)) / 255
        return softmax(np.stack([6 * red - 3, *[np.zeros_like(red)] * 7], axis=1))

    def evidence(self, pixels):
        maps = np.zeros((8, CELLS, CELLS), np.float32)
        maps[0, 0, 0] = 1.0
        return maps if self.honest else -maps


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twelve pictures that are red in one corner."""
    folder = tmp_path_factory.mktemp("corners")
    rng = np.random.default_rng(0)
    for number in range(12):
        pixels = rng.integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
        pixels[: SIDE // CELLS, : SIDE // CELLS, 0] = 255
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return sorted(folder.iterdir())


def test_a_map_is_told_from_chance_and_from_a_wrong_one(pictures):
    preprocessing = Preprocessing(height=SIDE, width=SIDE)
    asked = []

    def test_of(honest):
        def model_of(index):
            asked.append(index)
            return Corner(honest)

        return deletion_test(model_of, pictures, preprocessing, tuple(MIKELS8), images=8)

    right, wrong = test_of(True), test_of(False)
    assert right.images == 8
    assert asked[:8] == sorted(set(asked[:8]))
    assert right.evidence_minus_random.ci95[1] < 0
    assert right.evidence_minus_centre.ci95[1] < 0
    assert wrong.evidence_minus_random.ci95[0] > 0
    assert right.random == wrong.random
