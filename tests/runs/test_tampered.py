"""A run directory that was tampered with is one line in every command that reads runs."""

import csv
import json
import traceback

import pytest
from typer.testing import CliRunner

from evoca.cli import app
from evoca.lab.config.recipe import load_recipe
from samples import photo
from tampering import tampered

EMOTIONS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")
COMMANDS = {
    "report": ["report", "run", "--out", "page.html", "--no-images"],
    "reproduce": ["reproduce", "run"],
    "compare": ["compare", "run", "other", "--draws", "20"],
    "evaluate": ["evaluate", "run", "--data", "data.csv", "--split", "all", "--draws", "20"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make(tmp_path_factory.mktemp("tampered"))


def make(root):
    """Make an evaluation of the bundled model, with what trainings and probes leave besides."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        with (root / "data.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["image", "emotion", "group", "agreement"])
            names = ("astronaut", "chelsea", "coffee", "flower")
            for i, emotion in enumerate(EMOTIONS * 2):
                photo(names[i % 4], (64 + i, 48)).save(f"{i}.png")
                table.writerow([f"{i}.png", emotion, f"g{i}", 0.6 + i / 40])
        run = ["evaluate", "default", "--data", "data.csv", "--split", "all", "--out"]
        for name in ("run", "other"):
            assert CliRunner().invoke(app, [*run, name]).exit_code == 0
        probe = ["probe", "default", "--data", "data.csv", "--split", "all", "--out", "run"]
        assert CliRunner().invoke(app, [*probe, "--limit", "2"]).exit_code == 0
        description = json.loads((root / "run" / "run.json").read_text())
        metrics = json.loads((root / "run" / "metrics.json").read_text())
        recipe = load_recipe("najid2018-resnet101-ensemble").model_dump(mode="json")
        chosen = [{"repeat": 0, "fold": 0, "c": 0.1, "temperature": 1.0, "set_threshold": 0.2}]
        description |= {"recipe": recipe, "chosen_in_folds": chosen}
        description["split"] = {"kind": "cross-validation", "folds": 5, "repeats": 1}
        metrics["validation"] = {"n": 4, "accuracy": metrics["accuracy"]}
        (root / "run" / "run.json").write_text(json.dumps(description))
        (root / "run" / "metrics.json").write_text(json.dumps(metrics))
        (root / "run" / "history.csv").write_text(
            "step,epoch,train_loss,val_loss,val_accuracy,minutes,kept_features\n"
            "1,1,2.1,2.2,0.1,0.5,1\n1,2,1.5,1.9,,0.4,1\n2,1,1.1,1.8,0.4,2.0,0\n"
        )
    return root


def failures(place, command, count, seed):
    """Tamper so many times; return what ended in a traceback."""
    run = place / "run"
    files = {file.name: file.read_bytes() for file in run.iterdir()}
    found = []
    for what, name, data in tampered(files, count, seed):
        (run / name).write_bytes(data)
        result = CliRunner().invoke(app, COMMANDS[command])
        (run / name).write_bytes(files[name])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            last = traceback.format_exception(result.exception)[-3:]
            found.append(f"{command}: {name}: {what}\n{''.join(last)}")
        elif "Warning:" in result.stderr:
            found.append(f"{command}: {name}: {what}\n{result.stderr[-400:]}")
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_what_was_tampered_with_is_one_line(place, monkeypatch, command):
    monkeypatch.chdir(place)
    monkeypatch.setenv("EVOCA_LEDGER", "off")
    assert CliRunner().invoke(app, COMMANDS[command]).exit_code == 0
    assert failures(place, command, 50, seed=1) == []
