"""The order of a manifest's rows decides nothing: figures follow from the images' names."""

import csv
import json
import random
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
    "steps": [{"name": "head", "trainable": ["head"], "rate": 1e-2, "epochs": 2, "batch_size": 8}],
}
HOG = ("hog-svm", "--set", "preprocessing.height=32", "--set", "preprocessing.width=32")
HOG += ("--set", "protocol.inner_folds=2", "--set", "head.c_grid=[1]")


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """One manifest, and the same with its rows shuffled and its groups called otherwise."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path / "cache"))
    draw_pictures(tmp_path / "data", 6)
    rows = []
    for path in sorted(Path("data").rglob("*.png")):
        group = f"{path.parent.name}{int(path.stem) // 2}" if path.stem in {"0", "1"} else ""
        rows.append({"image": str(path), "emotion": path.parent.name, "group": group})
    shuffled = [row | {"group": row["group"][::-1]} for row in rows]
    random.Random(1).shuffle(shuffled)
    for name, own in (("sorted.csv", rows), ("shuffled.csv", shuffled)):
        with Path(name).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, ["image", "emotion", "group"])
            writer.writeheader()
            writer.writerows(own)
    Path("steps.yaml").write_text(yaml.safe_dump(STEPS))
    return "sorted.csv", "shuffled.csv"


def evoca(*arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    return done


def found_in(run):
    metrics = json.loads(Path(run, "metrics.json").read_text())
    with Path(run, "predictions.csv").open() as stream:
        return metrics, {(row["image"], row["repeat"]): row for row in csv.DictReader(stream)}


@pytest.mark.parametrize(
    "command",
    [
        ("crossval", *HOG, "--folds", "2", "--repeats", "2"),
        ("crossval", "steps.yaml", "--folds", "2", "--workers", "0"),
        ("train", "steps.yaml", "--workers", "0"),
        ("evaluate", "default"),
    ],
    ids=["probe", "steps", "cut", "evaluate"],
)
def test_shuffled_rows_give_the_same_figures(command, tables):
    for table in tables:
        evoca(*command, "--data", table, "--out", table[:-4])
    (first, predicted), (second, again) = found_in("sorted"), found_in("shuffled")
    if command[0] == "evaluate":
        first["notes"], first["test_uses"] = second["notes"], second["test_uses"]
        first["fingerprint"] = second["fingerprint"]
    assert first == second
    assert predicted == again


def test_shuffled_rows_are_divided_alike(tables):
    pytest.importorskip("duckdb", reason="needs the extra data")
    found = []
    for table in tables:
        evoca("data", "split", table, "--out", f"split-{table}", "--ratio", "50/25/25")
        with Path(f"split-{table}").open() as stream:
            found.append({row["image"]: row["split"] for row in csv.DictReader(stream)})
    assert found[0] == found[1]
