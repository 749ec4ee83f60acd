"""``evoca train``, ``crossval`` and ``search`` as a user types them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import yaml
from typer.testing import CliRunner

from evoca.cli import app
from tiny_system import draw_pictures

RECIPE = {
    "name": "drawn",
    "summary": "A frozen trunk and a head.",
    "model": {"system": "classifier", "backbone": "efficientnet_lite0"},
    "preprocessing": {"height": 64, "width": 64},
    "protocol": {"validation": 0.25, "repeats": 1},
    "steps": [
        {"name": "head", "trainable": ["head"], "rate": 1e-2, "epochs": 8, "batch_size": 16},
    ],
    "search": {"settings": {"steps.0.rate": {"values": [1e-2, 1e-6]}}, "sampler": "grid"},
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path / "cache"))
    draw_pictures(tmp_path / "data", 8)
    Path("recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return tmp_path


def evoca(*arguments):
    done = CliRunner().invoke(app, [*arguments, "--workers", "0"])
    assert done.exit_code in {0, 1, 2}, done.exception
    return done


def test_train_resume_and_what_is_in_the_way(place):
    train = ("train", "recipe.yaml", "--data", "data", "--out", "run")
    done = evoca(*train)
    assert done.exit_code == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "head epoch 8/8: loss" in done.stderr
    assert json.loads(Path("run/metrics.json").read_text())["accuracy"]["value"] > 0.8
    refused = evoca(*train)
    assert refused.exit_code == 1
    assert "run: a finished run" in refused.stderr
    again = evoca(*train, "--resume")
    assert again.exit_code == 0
    assert again.stdout == done.stdout
    assert "finished already" in again.stderr
    other = evoca(*train, "--resume", "--set", "steps.0.rate=0.5")
    assert "a finished run of another recipe" in other.stderr
    Path("data/train/awe/0.png").unlink()
    fewer = evoca(*train, "--resume")
    assert fewer.exit_code == 1
    assert "run: a finished run of other images" in fewer.stderr


def test_crossval_prints_json_and_keeps_features_for_the_next(place):
    crossval = ("crossval", "recipe.yaml", "--data", "data", "--folds", "2", "--format", "json")
    done = evoca(*crossval, "--out", "cv")
    assert done.exit_code == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["n"] == 64
    assert figures["accuracy"]["value"] > 0.8
    assert figures["calibration"]["verdict"] in {"within", "above", "below"}
    assert set(figures["prediction_sets"]) == {"model", "class_conditional"}
    assert "frozen features" in done.stderr
    again = evoca(*crossval, "--set", "steps.0.epochs=2")
    assert "frozen features" not in again.stderr


def test_search_writes_a_recipe_that_trains(place):
    done = evoca("search", "recipe.yaml", "--data", "data", "--out", "found", "--trials", "9")
    assert done.exit_code == 0, done.stderr
    heading, first, second = done.stdout.splitlines()
    assert heading.split() == ["validation", "accuracy", "rate"]
    assert first.split()[1] == "0.01"
    assert second.split()[1] == "1e-06"
    trained = evoca("train", "found/best.yaml", "--data", "data", "--out", "run")
    assert trained.exit_code == 0, trained.stderr
    nothing = evoca("search", "default", "--data", "data", "--out", "other")
    assert nothing.exit_code == 1
    assert "names nothing to search: give a file with --space" in nothing.stderr


def test_ctrl_c_says_how_to_go_on(place):
    command = [str(Path(sys.executable).with_name("evoca")), "train", "recipe.yaml"]
    command += ["--data", "data", "--out", "run", "--workers", "0"]
    process = subprocess.Popen(
        [*command, "--set", "steps.0.epochs=100000"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    for line in process.stderr:
        if "epoch 2/" in line:
            break
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert rest.splitlines()[-1] == ("evoca: interrupted; the same command with --resume goes on")
    assert Path("run/checkpoints/resume.pt").is_file()
