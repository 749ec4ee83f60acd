"""``evoca train``, ``crossval`` and ``search`` as a user types them."""

import json
import os
import signal
import subprocess
import sys
import time
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
    deadline = time.monotonic() + 120
    while not Path("run/history.csv").is_file():  # written after each epoch
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert rest.splitlines()[-1] == ("evoca: interrupted; the same command with --resume goes on")
    assert Path("run/checkpoints/resume.pt").is_file()


FITTED = ("--set", "preprocessing.height=64", "--set", "preprocessing.width=64")
FITTED += ("--set", "model.backbone=efficientnet_lite0", "--set", "protocol.inner_folds=2")
FITTED += ("--set", "protocol.folds=2", "--set", "protocol.repeats=1", "--set", "head.c_grid=[0.1]")


@pytest.mark.parametrize(
    "option",
    [
        ("--accelerator", "gpu"),
        ("--precision", "16-mixed"),
        ("--devices", "2"),
        ("--nodes", "2"),
        ("--strategy", "ddp"),
    ],
)
def test_a_recipe_without_steps_refuses_what_it_cannot_use(place, option):
    done = evoca("train", "default", "--data", "data", "--out", "run", *FITTED, *option)
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert f"{' '.join(option)}: default has no steps to train" in line
    assert not Path("run").exists()
    if option[0] in {"--accelerator", "--precision"}:
        again = evoca("crossval", "default", "--data", "data", *FITTED, *option)
        assert again.exit_code == 1
        assert "has no steps to train" in again.stderr


def test_a_recipe_without_steps_takes_what_it_keeps(place):
    train = ("train", "default", "--data", "data", "--out", "run", *FITTED, "--resume")
    machine = ("--accelerator", "cpu", "--precision", "32-true", "--deterministic")
    done = evoca(*train, *machine)  # on a fresh folder, --resume simply starts
    assert done.exit_code == 0, done.stderr
    again = evoca(*train)
    assert again.stdout == done.stdout
    assert "finished already" in again.stderr


def test_workers_decode_for_a_recipe_without_steps(place, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    from evoca.lab.features import extract as features

    sizes = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, max_workers):
            sizes.append(max_workers)
            super().__init__(max_workers)

    monkeypatch.setattr(features, "ThreadPoolExecutor", Pool)
    runner, found = CliRunner(), []
    for workers in ("0", "1", "3"):
        crossval = ("crossval", "default", "--data", "data", *FITTED, "--format", "json")
        done = runner.invoke(app, [*crossval, "--no-cache", "--workers", workers])
        assert done.exit_code == 0, done.stderr
        found.append(done.stdout)
    assert sizes == [1, 3]
    assert len(set(found)) == 1


def test_nothing_is_gone_on_with_where_no_run_is_written(place):
    done = evoca("crossval", "recipe.yaml", "--data", "data", "--folds", "2", "--resume")
    assert done.exit_code == 1
    assert "--resume: goes on with a run directory: name it with --out" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "nosuch", "--data", "data", "--out", "run"), "nosuch: no such recipe"),
        (("train", "recipe.yaml", "--data", "bad.csv", "--out", "run"), "bad.csv: row 2"),
        (("crossval", "nosuch", "--data", "data"), "nosuch: no such recipe"),
        (("crossval", "recipe.yaml", "--data", "bad.csv"), "bad.csv: row 2"),
        (("search", "nosuch", "--data", "data", "--out", "run"), "nosuch: no such recipe"),
        (("search", "recipe.yaml", "--data", "bad.csv", "--out", "run"), "bad.csv: row 2"),
        (("matrix", "--recipe", "nosuch", "--data", "data"), "nosuch: no such recipe"),
        (("reproduce", "--recipe", "nosuch", "--data", "data"), "nosuch: no such recipe"),
        (("reproduce", "--recipe", "default", "--data", "bad.csv"), "bad.csv: row 2"),
    ],
)
def test_a_slip_is_found_before_pytorch_is_imported(place, arguments, message):
    """The import takes many times longer than reading the recipe and the manifest."""
    Path("bad.csv").write_text("image,emotion\ndata/train/awe/0.png,awful\n")
    script = (
        "import sys\nfrom typer.testing import CliRunner\nfrom evoca.cli import app\n"
        f"done = CliRunner().invoke(app, {arguments!r})\n"
        "print(done.exit_code, 'torch' in sys.modules, done.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 False "), done.stdout
    assert message in done.stdout


def test_options_are_named_as_they_are_typed(place):
    crossval = ("crossval", "recipe.yaml", "--data", "data", "--folds", "2")
    for option in ("--accelerator", "--precision", "--strategy"):
        done = evoca("train", "recipe.yaml", "--data", "data", "--out", "run", option, "nosuch")
        assert f"evoca: {option} nosuch: not known" in done.stderr
    assert not Path("run").exists()
    assert "evoca: --precision 99: not known" in evoca(*crossval, "--precision", "99").stderr
    assert "evoca: --set folds: write KEY=VALUE" in evoca(*crossval, "--set", "folds").stderr
