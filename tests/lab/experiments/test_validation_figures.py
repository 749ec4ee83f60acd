"""Figures of the images that chose, and what they chose: kept by every run."""

import csv
import json
from collections import defaultdict

import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("pytorch_lightning", reason="needs the extra train")
from evoca.cli import app  # noqa: E402
from evoca.data.manifest.labelled import load_labelled  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402
from evoca.lab.experiments.finetune import train_steps  # noqa: E402
from evoca.lab.experiments.finetune_cv import crossval_steps  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.training import RunOptions  # noqa: E402
from tiny_system import draw_pictures  # noqa: E402

RECIPE = "sreenivas2018-search"
SMALL = (
    "model.backbone=squeezenet1_1",
    "model.weights=random",
    "preprocessing.height=48",
    "preprocessing.width=48",
    "steps.*.epochs=3",
    "steps.*.batch_size=16",
    "steps.*.rate=0.001",
    "protocol.folds=2",
    "protocol.validation=0.34",
)
QUIET = RunOptions(accelerator="cpu", workers=0, tensorboard=False, cache=None)


def build(recipe, labels, seed):
    return build_system(recipe, labels, seed=seed)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "all"
    draw_pictures(folder, each=6)
    return load_labelled(folder)


def best_in(history):
    """The best validation accuracy of each fold: that of the weights that were kept."""
    best = defaultdict(float)
    with history.open() as stream:
        for row in csv.DictReader(stream):
            fold = row.get("fold", "")
            best[fold] = max(best[fold], float(row["val_accuracy"]))
    return list(best.values())


def test_a_cross_validation_keeps_what_its_folds_had_on_validation_images(drawn, tmp_path):
    run = tmp_path / "runs" / "one"
    crossval_steps(load_recipe(RECIPE, SMALL), build, drawn, run, QUIET)
    kept = json.loads((run / "metrics.json").read_text())["validation"]
    best = best_in(run / "history.csv")
    assert len(best) == 2
    assert kept["n"] == 16  # 8 of the 24 images of each training part
    assert kept["accuracy"]["value"] == pytest.approx(sum(best) / 2)
    low, high = kept["accuracy"]["ci95"]
    assert low <= kept["accuracy"]["value"] <= high
    assert "flatter" in kept["note"]

    result = CliRunner().invoke(app, ["reproduce", str(tmp_path / "runs"), "--format", "json"])
    assert result.exit_code == 0, result.output
    systems = {row["system"]: row for row in json.loads(result.stdout)["systems"]}
    ((one, other),) = [attempt["figures"] for attempt in systems[RECIPE]["runs"]]
    assert (one["published"], other["published"]) == (0.556, 0.548)
    for figure in (one, other):
        assert figure["part"] == "val"
        assert figure["measured"]["value"] == kept["accuracy"]["value"]
    shown = CliRunner().invoke(app, ["reproduce", str(tmp_path / "runs")])
    assert "accuracy on validation images at layers 8" in " ".join(shown.stdout.split())
    assert "No figure was published" not in shown.stdout


def test_a_training_keeps_them_beside_those_of_its_test_images(drawn, tmp_path):
    for split, seed in (("train", 0), ("val", 1), ("test", 2)):
        draw_pictures(tmp_path / "data", 3, split, seed)
    data, run = load_labelled(tmp_path / "data"), tmp_path / "run"
    train_steps(load_recipe(RECIPE, SMALL), build, data, run, QUIET)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["validation"]["n"] == 24
    assert metrics["validation"]["accuracy"]["value"] == pytest.approx(
        best_in(run / "history.csv")[0]
    )
    chosen = json.loads((run / "run.json").read_text())["chosen"]
    assert metrics["chosen"] == chosen
    assert "c" not in chosen  # no head was fitted


def test_a_machine_chosen_by_inner_folds_keeps_its_c_too(drawn, tmp_path):
    out, data = tmp_path / "run", str(drawn.paths[0].parents[2])
    settings = ["protocol.folds=2", "protocol.inner_folds=2", "head.c_grid=[3]"]
    options = [part for setting in settings for part in ("--set", setting)]
    command = ["train", "hog-svm", "--data", data, "--out", str(out), "--no-cache"]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 0, result.output
    assert "C of the head, chosen: 3 for the model that was kept, 3 in 2 of 2 folds" in (
        result.stdout
    )
    for file in ("run.json", "metrics.json"):
        content = json.loads((out / file).read_text())
        assert content["chosen"]["c"] == 3
        assert [fold["c"] for fold in content["chosen_in_folds"]] == [3, 3]
