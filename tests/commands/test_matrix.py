"""A recipe trained on each data set and evaluated on the other."""

import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("torch", reason="needs the extra train")

from evoca.cli import app
from evoca.emotions import MIKELS8

SMALL = {
    "model.backbone": "efficientnet_lite0",
    "preprocessing.height": 64,
    "preprocessing.width": 64,
    "protocol.folds": 2,
    "protocol.inner_folds": 2,
    "protocol.repeats": 1,
    "head.c_grid": "[0.05]",
}


def draw(folder, seed, shared):
    """Five textured pictures an emotion, each with its colour; the first of ``shared``."""
    for i, emotion in enumerate(MIKELS8):
        (folder / emotion).mkdir(parents=True)
        for j in range(5):
            rng = np.random.default_rng([shared if j == 0 else seed, i, j])
            colour = np.array([(i & 1) * 150, (i >> 1 & 1) * 150, (i >> 2) * 150])
            cells = rng.integers(0, 100, (6, 6, 1)) + colour
            picture = Image.fromarray(cells.astype(np.uint8)).resize((80, 80), 0)
            picture.save(folder / emotion / f"{j}.png")
    return folder


def test_a_recipe_meets_the_other_data_without_copies(tmp_path):
    data = [draw(tmp_path / name, seed, shared=9) for seed, name in enumerate(("one", "two"))]
    arguments = ["matrix", "--recipe", "default", "--format", "json", "--draws", "20"]
    arguments += [part for folder in data for part in ("--data", str(folder))]
    arguments += [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    arguments += ["--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    cells = {(cell["row"], cell["column"]): cell for cell in json.loads(done.stdout)["cells"]}
    assert len(cells) == 4
    for one, other in (("one", "two"), ("two", "one")):
        own, across = cells[f"default from {one}", one], cells[f"default from {one}", other]
        assert (own["protocol"], own["figures"]["n"]) == ("cross-validated", 40)
        assert (across["protocol"], across["figures"]["n"], across["copies"]) == (
            "evaluated",
            32,
            8,
        )
        assert across["figures"]["training_images"] == 0
        assert across["figures"]["accuracy"]["value"] > 0.5
    again = CliRunner().invoke(app, arguments)
    assert json.loads(again.stdout) == json.loads(done.stdout)
    assert "cross-validation" not in again.stderr
