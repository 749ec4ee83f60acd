"""Merged emotions from training to the evaluation of the bundle on eight labels."""

import json
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
from typer.testing import CliRunner

from evoca.cli import app
from evoca.lab.config.describe import in_words
from evoca.lab.config.recipe import RecipeError, load_recipe
from tiny_system import draw_pictures

MERGE = ("--set", "merge=[[anger, fear]]")
MERGED = ["amusement", "anger+fear", "awe", "contentment", "disgust", "excitement", "sadness"]
SMALL = ("--set", "preprocessing.height=32", "--set", "preprocessing.width=32", "--workers", "0")
SMALL += ("--set", "model.backbone=efficientnet_lite0")
STEPS = ("--set", "steps.*.epochs=8", "--set", "steps.*.rate=0.01")
STEPS += ("--set", "protocol.validation=0.34")
FITTED = ("--set", "protocol.inner_folds=2", "--set", "protocol.folds=2")
FITTED += ("--set", "protocol.repeats=1", "--set", "head.c_grid=[0.1]")


def evoca(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path / "cache"))
    draw_pictures(tmp_path / "data", 6)
    draw_pictures(tmp_path / "new", 3, "test", seed=1)
    return tmp_path


@pytest.mark.parametrize(
    ("recipe", "options"), [("najid2018-resnet101-fc", STEPS), ("default", FITTED)]
)
def test_merged_emotions_are_trained_exported_and_evaluated(recipe, options, place):
    evoca("train", recipe, "--data", "data", "--out", "run", *SMALL, *options, *MERGE)
    metrics = json.loads(Path("run/metrics.json").read_text())
    assert metrics["labels"] == MERGED
    assert metrics["polarity_accuracy"] is not None
    evoca("export", "run", "--out", "bundle")
    card = json.loads(Path("bundle/model.json").read_text())
    assert (card["labels"], card["taxonomy"]) == (MERGED, "mikels8")
    assert "anger+fear" in evoca("models", "show", "bundle").stdout

    (answer,) = json.loads(
        evoca("predict", "new/test/anger/0.png", "--model", "bundle", "--format", "json").stdout
    )
    assert list(answer["probabilities"]) == MERGED
    assert answer["polarity"]["label"] in {"positive", "negative"}

    # On a manifest of eight labels anger and fear are right as one class.
    done = evoca("evaluate", "bundle", "--data", "new", "--format", "json", "--out", "judged")
    found = json.loads(done.stdout)
    assert (found["labels"], found["n"]) == (MERGED, 24)
    support = {label: own["support"] for label, own in found["per_emotion"].items()}
    assert support == dict.fromkeys(MERGED, 3) | {"anger+fear": 6}
    assert "anger and fear count as one class, as the model has them" in done.stderr
    # The table of its predictions is evaluated alike.
    again = json.loads(evoca("evaluate", "judged", "--data", "new", "--format", "json").stdout)
    assert again["accuracy"] == found["accuracy"]
    evoca("report", "judged", "--out", "report.html")


@pytest.mark.parametrize(
    ("recipe", "options"), [("najid2018-resnet101-fc", STEPS), ("default", FITTED)]
)
def test_merged_emotions_are_cross_validated_and_gone_on_with(recipe, options, place):
    crossval = ("crossval", recipe, "--data", "data", "--folds", "2", "--out", "run")
    rest = ("--format", "json", *SMALL, *options, *MERGE)
    found = json.loads(evoca(*crossval, *rest).stdout)
    assert found["labels"] == MERGED
    assert found["per_emotion"]["anger+fear"]["support"] == 12
    again = evoca(*crossval, *rest, "--resume")
    assert "finished already" in again.stderr
    assert json.loads(again.stdout) == found


def test_a_recipe_may_merge_and_says_so(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: default\nname: mine\nmerge: [[anger, fear], [awe, contentment]]\n")
    said = dict(in_words(load_recipe(str(file))))["What it is"]
    assert "anger and fear are one class." in said
    assert "awe and contentment are one class." in said
    packaged = load_recipe("jacobson2019-caption-embedding-merged")
    assert packaged.merge == (("anger", "fear"),)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[anger, fear]", "such as [[anger, fear]]"),
        ("anger", "such as [[anger, fear]]"),
        ("[[anger]]", "at least two emotions"),
        ("[[anger, fear], [fear, awe]]", "fear is there twice"),
    ],
)
def test_what_is_no_group_is_one_line(value, message):
    with pytest.raises(RecipeError) as caught:
        load_recipe("default", [f"merge={value}"])
    assert message in str(caught.value)


def test_a_label_that_is_not_there_is_one_line(place):
    crossval = ("crossval", "default", "--data", "data", *SMALL, *FITTED)
    done = CliRunner().invoke(app, [*crossval, "--set", "merge=[[anger, joy]]"])
    assert done.exit_code == 1
    assert "merge: no label joy; its labels are amusement, anger" in done.stderr
