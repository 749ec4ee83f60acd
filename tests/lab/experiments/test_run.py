"""The one door to training: every recipe, by name or value, from Python and from ``matrix``."""

import json
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
from typer.testing import CliRunner

from evoca import lab
from evoca.cli import app
from evoca.errors import EvocaError
from evoca.lab.experiments.run import cross_validate
from tiny_system import draw_pictures

FEW = ("protocol.folds=2", "protocol.inner_folds=2")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path / "cache"))
    draw_pictures(Path("data"), 8)
    return tmp_path


def test_a_name_a_file_and_a_recipe_are_one(place):
    named = lab.cross_validate("colour-svm", "data", settings=FEW)
    Path("mine.yaml").write_text("extends: colour-svm\nname: colour-svm\n")
    of_file = lab.cross_validate("mine.yaml", Path("data"), settings=FEW)
    built = lab.cross_validate(lab.load_recipe("colour-svm", FEW), "data")
    assert named.to_dict() == of_file.to_dict() == built.to_dict()


def test_a_run_is_read_back_where_it_is_finished(place):
    first = lab.train("colour-svm", "data", "run", settings=FEW)
    assert first.chosen["c"] in {1, 3, 10}
    again = lab.train("colour-svm", "data", "run", settings=FEW, resume=True)
    assert again.to_dict() == first.to_dict()
    with pytest.raises(EvocaError, match="run: a finished run of another recipe"):
        lab.train("colour-svm", "data", "run", settings=("head.c_grid=[2]", *FEW), resume=True)
    with pytest.raises(EvocaError, match="a finished run of a training, not a cross-validation"):
        lab.cross_validate("colour-svm", "data", "run", settings=FEW, resume=True)


def test_what_cannot_be_meant_is_refused(place):
    recipe = lab.load_recipe("colour-svm", FEW)
    with pytest.raises(EvocaError, match="change a recipe that is named, not one built"):
        lab.train(recipe, "data", "run", settings=FEW)
    with pytest.raises(EvocaError, match="resume: goes on with a run directory"):
        lab.cross_validate(recipe, "data", resume=True)
    with pytest.raises(EvocaError, match="--devices 2: colour-svm has no steps to train"):
        lab.cross_validate(recipe, "data", options=lab.RunOptions(devices=2))
    with pytest.raises(EvocaError, match="has no steps to train; its inner folds choose already"):
        cross_validate(recipe, "data", tune=lambda _data, _folder: recipe)
    assert not Path("run").exists()


def test_a_matrix_trains_a_recipe_of_steps(place):
    """It was refused: the matrix knew one of two ways to train."""
    small = (
        *("model.backbone=squeezenet1_1", "model.weights=random"),
        *("preprocessing.height=48", "preprocessing.width=48"),
        *("steps.*.epochs=1", "steps.*.batch_size=16", "protocol.validation=0.25"),
    )
    arguments = ["matrix", "--recipe", "najid2018-resnet101-ensemble", "--data", "data"]
    arguments += ["--out", "out", "--draws", "20"]
    arguments += [part for one in small for part in ("--set", one)]
    done = CliRunner().invoke(app, [*arguments, "--format", "json"])
    assert done.exit_code == 0, done.stderr
    (cell,) = json.loads(done.stdout)["cells"]
    assert (cell["protocol"], cell["figures"]["n"]) == ("validation", 16)
    again = CliRunner().invoke(app, arguments)
    assert "~ on the validation images of the data it is trained on" in again.stdout
    assert "epoch" not in again.stderr  # trained once
