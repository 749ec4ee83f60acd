"""evaluate, compare and matrix as users run them."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from evoca.cli import app
from evoca.emotions import MIKELS8
from evoca.runtime.bundle import read_bundle

FIGURES = ("accuracy", "balanced_accuracy", "macro_f1", "polarity_accuracy", "ece", "nll", "brier")


def evoca(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def classes(tmp_path, examples):
    """A class folder an emotion, two photographs each (copies: the labels cannot be true)."""
    photos = sorted(examples.glob("*.jpg"))
    for i, emotion in enumerate(MIKELS8):
        (tmp_path / "data" / emotion).mkdir(parents=True)
        for j in range(2):
            shutil.copy(photos[(i + j) % 6], tmp_path / "data" / emotion / f"{j}.jpg")
    return tmp_path / "data"


def test_json_is_what_programs_are_promised(classes):
    done = evoca("evaluate", "default", "--data", classes, "--format", "json", "--draws", 50)
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert found["schema_version"] == 2
    assert (found["n"], len(found["labels"]), found["unreadable"]) == (16, 8, 0)
    for name in FIGURES:
        low, high = found[name]["ci95"]
        assert low <= found[name]["value"] <= high
    assert [sum(row) for row in found["confusion"]] == [2] * 8
    assert {"precision", "recall", "f1", "support"} <= set(found["per_emotion"]["awe"])
    assert found["bootstrap"] == {"draws": 50, "groups": 6, "repeats": 1, "seed": 0}
    assert "all 16 rows are used" in done.stderr


def test_an_unreadable_image_is_named_and_the_status_tells(classes):
    (classes / "awe" / "broken.jpg").write_bytes(b"")
    done = evoca("evaluate", "default", "--data", classes, "--format", "json", "--draws", 20)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["unreadable"] == 1
    assert "broken.jpg: the file is empty" in done.stderr


@pytest.mark.parametrize("masked", [True, False])
def test_a_run_records_whether_it_was_restricted_in_deed(classes, tmp_path, masked):
    for emotion in ("awe", "fear") if masked else ():
        shutil.rmtree(classes / emotion)
    out = tmp_path / "run"
    arguments = ("--data", classes, "--draws", 20, "--restrict", "--format", "json", "--out", out)
    found = json.loads(evoca("evaluate", "default", *arguments).stdout)
    recorded = json.loads((out / "run.json").read_text())
    assert (len(found["labels"]), found["restricted"]) == ((6, True) if masked else (8, False))
    assert (recorded["restricted"], recorded["split"]["restricted"]) == (masked, masked)


def test_the_table_fits_eighty_columns(classes, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = evoca("evaluate", "default", "--data", classes, "--draws", 20)
    lines = done.stdout.splitlines()
    assert any(line.split()[:1] == ["accuracy"] for line in lines)
    assert "\x1b" not in done.stdout
    assert max(len(line) for line in lines[1:]) <= 80


def test_runs_of_evaluate_are_compared(classes, tmp_path):
    for name in ("one", "two"):
        run = tmp_path / name
        done = evoca("evaluate", "default", "--data", classes, "--draws", 20, "--out", run)
        assert done.exit_code == 0, done.stderr
    again = evoca("evaluate", "default", "--data", classes, "--out", tmp_path / "one")
    assert (again.exit_code, "exists already" in again.stderr) == (1, True)
    done = evoca("compare", tmp_path / "one", tmp_path / "two", "--format", "json", "--draws", 20)
    found = json.loads(done.stdout)
    assert [run["difference"] is None for run in found["runs"]] == [True, False]
    assert found["runs"][1]["difference"]["value"] == 0
    assert found["runs"][0]["fingerprint"] == found["runs"][1]["fingerprint"] != ""
    assert "one seed only" in done.stderr
    table = evoca("compare", tmp_path / "one", tmp_path / "two", "--draws", 20).stdout
    assert "reference" in table
    judged = evoca("evaluate", tmp_path / "one", "--data", classes, "--draws", 20)
    assert judged.exit_code == 0, judged.stderr


def test_a_matrix_of_models(classes, tmp_path):
    data = ["--data", classes, "--data", shutil.copytree(classes, tmp_path / "more")]
    done = evoca("matrix", "--model", "default", *data, "--draws", 20, "--format", "json")
    found = json.loads(done.stdout)
    assert (found["rows"], found["columns"]) == (
        [read_bundle("default").card.name],
        ["data", "more"],
    )
    assert found["cells"][0]["figures"]["accuracy"] == found["cells"][1]["figures"]["accuracy"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["evaluate", "none", "--data", "examples"], 1, "none: no such model bundle"),
        (["evaluate", "default", "--data", "nowhere"], 1, "nowhere: no such file or folder"),
        (["evaluate", "default"], 2, "--data"),
        (["evaluate", "default", "--data", "x", "--split", "dev"], 2, "dev"),
        (["compare", "nowhere", "nothing"], 1, "nowhere: no such run directory"),
        (["matrix", "--data", "x"], 1, "name a model (--model) or a recipe (--recipe)"),
    ],
)
def test_wrong_use(arguments, status, message):
    done = evoca(*arguments)
    assert done.exit_code == status
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_the_table_says_how_many_images_each_figure_is_of(manifest):
    voted = [{"votes_awe": 3, "votes_fear": 1} for _ in range(6)]
    table = manifest({"emotion": ""} | voted[0], *voted[1:])
    done = evoca("evaluate", "default", "--data", table, "--allow-missing")
    assert done.exit_code == 0, done.stderr
    first = done.stdout.splitlines()[1].strip()
    assert first.startswith("5 images have a label (accuracy to Brier score), 6 a distribution")
