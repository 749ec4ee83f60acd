"""The one door to training: every recipe, by name or value, from Python and from ``matrix``."""

import inspect
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
from typer.testing import CliRunner

from evoca import lab, load
from evoca.cli import app
from evoca.data.build import build
from evoca.data.manifest.labelled import load_labelled
from evoca.data.manifest.table import read_manifest
from evoca.errors import EvocaError, OptionError
from evoca.evaluation import Options, evaluate_system, open_system, write_evaluation
from evoca.images import find_images
from evoca.lab.experiments.run import cross_validate
from evoca.report.build import build_report
from evoca.runs import find_runs, new_run, read_predictions, read_run
from evoca.tagger.merging import merge
from evoca.tagger.tagging import tag
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
    with pytest.raises(EvocaError, match=r"^devices 2: colour-svm has no steps to train"):
        lab.cross_validate(recipe, "data", options=lab.RunOptions(devices=2))
    with pytest.raises(EvocaError, match="has no steps to train; its inner folds choose already"):
        cross_validate(recipe, "data", tune=lambda _data, _folder: recipe)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accelerator": "quantum"}, "accelerator quantum: not known; known are auto, cpu"),
        ({"precision": "99"}, "precision 99: not known"),
        ({"strategy": "magic"}, "strategy magic: not known"),
        ({"workers": -1}, "workers -1: must be a whole number, at least 0"),
        ({"devices": 0}, "devices 0: must be a whole number, at least 1"),
        ({"nodes": 1.5}, "nodes 1.5: must be a whole number, at least 1"),
        ({"checkpoint_seconds": -1}, "checkpoint_seconds -1: must be a number of seconds"),
        ({"cache": 3}, "cache 3: must be a folder"),
        ({"deterministic": "no"}, "deterministic no: must be True or False"),
    ],
)
def test_options_are_checked_where_they_are_made(options, message):
    with pytest.raises(OptionError, match=f"^{message}"):
        lab.RunOptions(**options)


def test_what_the_machine_lacks_is_said_before_a_folder_is_made(place, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    Path("steps.yaml").write_text("extends: najid2018-resnet101-fc\nname: steps\n")
    for options in (lab.RunOptions(accelerator="gpu"), lab.RunOptions("cpu", devices=10_000)):
        for call in (lab.train, lab.cross_validate):
            with pytest.raises(OptionError, match="this machine has"):
                call("steps.yaml", "data", "run", options=options)
    assert not Path("run").exists()


def test_a_cache_is_named_by_a_text_too(place):
    cached = lab.RunOptions(cache="features")
    lab.cross_validate("colour-svm", "data", settings=FEW, options=cached)
    assert any(Path("features").rglob("*.npy"))


def test_one_setting_may_be_a_text(place):
    plain = lab.load_recipe("colour-svm", "protocol.inner_folds=2")
    assert plain == lab.load_recipe("colour-svm", ["protocol.inner_folds=2"])
    with pytest.raises(EvocaError, match=r"^settings folds: write KEY=VALUE"):
        lab.train("colour-svm", "data", "run", settings="folds")
    assert not Path("run").exists()


def test_every_door_takes_texts_and_paths(place, tmp_path):
    """The second call of each pair raised a TypeError or an AttributeError."""
    lab.train("colour-svm", Path("data"), Path("run"), settings=FEW)
    bundle = lab.export_bundle("run", "bundle")
    assert lab.export_bundle(Path("run"), Path("other")).path.name == "other"
    assert read_run("run").result.to_dict() == read_run(Path("run")).result.to_dict()
    images = load_labelled("data")
    for system in ("bundle", Path("bundle")):
        scored = evaluate_system(open_system(system), images, Options(split="all"))
        out = f"{len(str(system))}-{type(system).__name__}"
        with new_run(out) as folder:
            write_evaluation(str(folder), scored)
        assert [*find_runs(out)] == [*find_runs(Path(out))] == [Path(out)]
        table = f"{out}/predictions.csv"
        assert read_predictions(table).images == read_predictions(Path(table)).images
    assert load(bundle.path).card == load("bundle").card
    assert [*find_images("data")] == [*find_images(Path("data"))]


def test_every_public_door_states_texts_and_paths():
    """Whatever takes a path says so, for all that the page of Python describes."""
    doors = [
        *(lab.train, lab.cross_validate, lab.export_bundle, lab.load_recipe),
        *(read_run, open_system, write_evaluation, new_run, find_runs, read_predictions),
        *(load_labelled, read_manifest, build, tag, merge, find_images, build_report),
    ]
    for door in doors:
        for name, parameter in inspect.signature(door).parameters.items():
            stated = str(parameter.annotation)
            if "Path" in stated and name != "draft" and "Callable" not in stated:
                assert "str" in stated, (door.__name__, name, stated)


def test_every_name_of_the_lab_has_an_example():
    for name in lab.__all__:
        described = getattr(lab, name).__doc__
        assert ">>>" in described or re.search(r"docs/[\w/-]+\.md", described), name


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
