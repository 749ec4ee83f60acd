"""What figures are of, and when a finished run is another's: through the commands."""

import csv
import json
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import yaml
from typer.testing import CliRunner

from evoca.cli import app
from tiny_system import draw_pictures

STEPS = {
    "name": "drawn",
    "summary": "A frozen trunk and a head.",
    "model": {"system": "classifier", "backbone": "efficientnet_lite0"},
    "preprocessing": {"height": 32, "width": 32},
    "protocol": {"validation": 0.34, "repeats": 1},
    "steps": [{"name": "head", "trainable": ["head"], "rate": 1e-2, "epochs": 1, "batch_size": 8}],
    "search": {"settings": {"steps.0.rate": {"values": [1e-2]}}, "sampler": "grid"},
}
HOG = ("hog-svm", "--set", "preprocessing.height=32", "--set", "preprocessing.width=32")
HOG += ("--set", "protocol.inner_folds=2", "--set", "protocol.repeats=1")
HOG += ("--set", "head.c_grid=[1]")
EACH = 8


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path / "cache"))
    draw_pictures(tmp_path / "data", EACH)
    Path("steps.yaml").write_text(yaml.safe_dump(STEPS))


def table(*, test="", group=lambda emotion, number: ""):
    """Write the manifest: pictures of the numbers in ``test`` are of that split."""
    with Path("data.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["image", "emotion", "split", "group"])
        writer.writeheader()
        for path in sorted(Path("data").rglob("*.png")):
            emotion, number = path.parent.name, path.stem
            split = ("test" if number in test else "train") if test else ""
            row = {"image": str(path), "emotion": emotion, "split": split}
            writer.writerow(row | {"group": group(emotion, int(number))})


def evoca(*arguments, status=0):
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == status, done.stderr
    return done


def run_of(name):
    return json.loads(Path(name, "run.json").read_text())


def test_every_recipe_measures_the_test_images_where_there_are_some(place):
    table(test="45")
    evoca("train", *HOG, "--data", "data.csv", "--out", "probe")
    evoca("train", "steps.yaml", "--data", "data.csv", "--out", "steps", "--workers", "0")
    for name in ("probe", "steps"):
        assert run_of(name)["split"]["kind"] == "the test split"
        assert run_of(name)["split"]["test"] == 16
        with Path(name, "predictions.csv").open() as stream:
            assert {Path(row["image"]).stem for row in csv.DictReader(stream)} == {"4", "5"}
    assert len(run_of("probe")["training_images"]) == 48
    assert run_of("probe")["data"] == run_of("steps")["data"]
    shared = json.loads(evoca("compare", "probe", "steps", "--format", "json").stdout)
    assert shared["n"] == 16
    evoca("export", "probe", "--out", "bundle")
    name = json.loads(Path("bundle/model.json").read_text())["name"]
    assert name.endswith("-" + run_of("probe")["data"]["fingerprint"][:8])
    card = Path("bundle/README.md").read_text()
    assert "48 images to train, whose 2 inner folds choose, 16 to test" in " ".join(card.split())
    assert "measured on the test split" in " ".join(card.split())


def test_without_test_images_a_probe_is_cross_validated(place):
    table()
    evoca("train", *HOG, "--data", "data.csv", "--out", "run", "--set", "protocol.folds=2")
    assert run_of("run")["split"]["kind"] == "nested cross-validation, stratified and grouped"
    assert json.loads(Path("run/metrics.json").read_text())["n"] == 64


def in_pairs(emotion, number):
    return emotion if number in {0, 1} else ""


def in_other_pairs(emotion, number):
    return emotion if number in {0, 2} else ""


@pytest.mark.parametrize(
    "command",
    [
        ("train", *HOG),
        ("train", "steps.yaml", "--workers", "0"),
    ],
    ids=["probe", "steps"],
)
def test_a_finished_training_is_of_its_own_splits_and_groups(command, place):
    table(test="45")
    command = (*command, "--data", "data.csv", "--out", "run", "--resume")
    evoca(*command)
    assert "finished already" in evoca(*command).stderr
    table(test="45", group=in_pairs)
    refused = evoca(*command, status=1).stderr
    assert refused == (
        "evoca: run: a finished run of the same images under another column group; name another "
        "folder\n"
    )
    table(test="01")
    assert "same images under another column split" in evoca(*command, status=1).stderr
    table()
    refused = evoca(*command, status=1).stderr
    assert "run: a finished run of " in refused


@pytest.mark.parametrize(
    "command",
    [("crossval", *HOG), ("crossval", "steps.yaml", "--workers", "0")],
    ids=["probe", "steps"],
)
def test_a_finished_cross_validation_is_of_its_own_groups(command, place):
    command = (*command, "--data", "data.csv", "--out", "run", "--resume", "--folds", "2")
    table(group=in_pairs)
    evoca(*command)
    assert "finished already" in evoca(*command).stderr
    table(group=in_other_pairs)
    assert "same images under another column group" in evoca(*command, status=1).stderr
    table(group=in_pairs, test="5")
    assert "others kept out as test images" in evoca(*command, status=1).stderr
    trained = ("train", *command[1:-2], "--set", "protocol.folds=2")
    table(group=in_pairs)
    assert (
        "a finished run of a cross-validation, not a training" in evoca(*trained, status=1).stderr
    )


def test_a_run_from_before_splits_were_recorded_is_still_finished(place):
    table(test="45")
    command = ("train", *HOG, "--data", "data.csv", "--out", "run", "--resume")
    evoca(*command)
    about = run_of("run")
    for key in ("split_sha256", "group_sha256"):
        del about["split"][key]
    Path("run/run.json").write_text(json.dumps(about))
    assert "finished already" in evoca(*command).stderr


def test_a_search_goes_on_only_under_its_own_splits(place):
    table(group=in_pairs)
    search = ("search", "steps.yaml", "--data", "data.csv", "--out", "found", "--trials", "1")
    evoca(*search, "--workers", "0")
    evoca(*search, "--workers", "0", "--resume")
    table(group=in_other_pairs)
    refused = evoca(*search, "--workers", "0", "--resume", status=1).stderr
    assert "found: the search of the same images under another column split or group" in refused


def awe_in(groups):
    """Groups of copies of awe alone, which has eight images."""
    return lambda emotion, number: f"awe{number % groups}" if emotion == "awe" else ""


@pytest.mark.parametrize(
    ("command", "groups", "message"),
    [
        (("crossval", *HOG), 2, "awe has 8 images in 2 groups: folds inside folds need"),
        (("train", *HOG), 1, "awe has 8 images in 1 group: folds inside folds need 3"),
        (("crossval", "steps.yaml"), 1, "awe has 8 images in 1 group: folds need 2"),
        (
            ("search", "steps.yaml", "--trials", "1"),
            1,
            "awe has 8 images in 1 group, all",
        ),
    ],
)
def test_a_class_in_too_few_groups_is_named_before_any_work(command, groups, message, place):
    table(group=awe_in(groups))
    folds = ("--folds", "2") if command[0] == "crossval" else ("--set", "protocol.folds=2")
    command = (*command, "--data", "data.csv", "--out", "run", *folds)
    found = evoca(*command, status=1).stderr.splitlines()
    assert message in found[-1]
    assert len(found) == 1  # nothing was computed before, not even copies were looked for
    assert not Path("run/run.json").exists()
