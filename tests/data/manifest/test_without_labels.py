"""Tables without the column ``emotion``: votes are labels as in training, ratings are ratings."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("duckdb", reason="needs the extra data")
from evoca.cli import app


def evoca(*arguments, status=0):
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == status, done.stderr
    return done


def pictures(folder, names):
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name in names:
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((64, 64)).save(folder / name)


@pytest.fixture
def voted(tmp_path, monkeypatch):
    """Forty images with votes alone: thirty for awe, ten for fear; and one whose votes tie."""
    monkeypatch.chdir(tmp_path)
    names = [f"{i}.png" for i in range(41)]
    pictures(tmp_path / "images", names)
    with Path("votes.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "votes_awe", "votes_fear"])
        for i, name in enumerate(names):
            votes = (2, 2) if i == 40 else (3, 1) if i % 4 else (0, 4)
            writer.writerow([f"images/{name}", *votes])
    return "votes.csv"


def test_votes_are_stratified_by_the_emotion_with_most(voted):
    done = evoca("data", "split", voted, "--ratio", "60/20/20", "--out", "split.csv")
    with Path("split.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert "emotion" not in rows[0]  # what is derived is not written
    counts = Counter((row["split"], int(row["votes_awe"]) > 2) for row in rows[:40])
    assert [counts["test", True], counts["test", False]] == [6, 2]
    assert [counts["val", True], counts["val", False]] == [6, 2]
    awe = next(line.split() for line in done.stdout.splitlines() if line.startswith("awe"))
    assert awe == ["awe", "18", "6", "6"]


def test_votes_are_labels_for_check_and_stats(voted):
    found = json.loads(evoca("data", "check", voted, "--no-files", "--format", "json").stdout)
    assert {one["kind"]: one["count"] for one in found["findings"]}["unlabelled"] == 1
    figures = json.loads(evoca("data", "stats", voted, "--format", "json").stdout)
    assert figures["counts"]["awe"] == 30
    assert figures["unlabelled"] == 1


@pytest.fixture
def rated(tmp_path, monkeypatch):
    """OASIS as it is distributed, but small."""
    monkeypatch.chdir(tmp_path)
    themes = [f"Acorns {i}" for i in range(10)]
    pictures(tmp_path / "set" / "Images", [f"{theme}.jpg" for theme in themes])
    head = ",Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD"
    rows = [f"I{i},{theme},Object,Web,4.6,0.9,102,2.3,1.6,101" for i, theme in enumerate(themes)]
    Path("set/OASIS.csv").write_text("\r".join([f"{head},Arousal_N", *rows]))
    return "set"


def test_ratings_are_not_called_missing_labels(rated):
    built = evoca("data", "build", "oasis", rated, "--out", "oasis.csv").stdout
    assert "10 of them are rated in valence and arousal alone" in built
    divided = evoca("data", "split", "oasis.csv", "--out", "split.csv", "--ratio", "60/20/20")
    checked = evoca("data", "check", "split.csv").stdout
    assert "only-rated (10): images have ratings of valence and arousal alone" in checked
    counted = evoca("data", "stats", "split.csv").stdout
    for text in (built, divided.stdout, checked, counted):
        assert "single" not in text
        assert "labelled" not in text
        assert "sadness" not in text  # a table of emotions, all of them zero
    table = [line.split() for line in divided.stdout.splitlines()]
    assert ["images", "6", "2", "2"] in table
    assert ["images", "6", "2", "2"] in [line.split() for line in counted.splitlines()]
