"""``evoca probe``: the bundled model on the example photographs."""

import json
import shutil
from functools import partial

import pytest
from rich.console import Console

import evoca
from evoca.cards.analysis import read_perturbations
from evoca.commands import probe as command
from evoca.commands.probe import probe
from evoca.data.manifest.labelled import load_labelled
from evoca.errors import DataError, EvocaError
from evoca.evaluation.robustness import run_probe
from evoca.images.boxes import Box
from evoca.images.perturb import Perturbation, greyscale, jpeg, perturbations_for
from evoca.runs.robustness import RobustnessResult
from samples import EXAMPLES

CHANGES = (
    Perturbation("nothing", lambda picture: picture),
    Perturbation("greyscale", greyscale),
    Perturbation("JPEG quality 10", partial(jpeg, quality=10)),
)


@pytest.fixture(scope="module")
def model():
    return evoca.load(threads=1)


@pytest.fixture
def manifest(tmp_path):
    """The examples, with labels, one of them of a taxonomy's label that none predicts."""
    for photo in sorted(EXAMPLES.glob("*.jpg")):
        shutil.copy(photo, tmp_path)
    names = sorted(path.name for path in tmp_path.glob("*.jpg"))
    rows = [
        f"{name},{'awe' if i % 2 else ''},{'test' if i < 4 else ''}" for i, name in enumerate(names)
    ]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,emotion,split", *rows]))
    return tmp_path / "manifest.csv"


@pytest.fixture
def two_changes(monkeypatch):
    """Fewer changes than the whole table, which the table's own tests go through."""
    monkeypatch.setattr(command, "perturbations_for", lambda _: CHANGES)


def test_the_pictures_as_they_are_are_what_predict_sees(model, manifest):
    images = load_labelled(manifest)
    expected = [list(model.predict(path).probabilities.values()) for path in images.paths]
    seen = []

    def note(picture):
        seen.append(list(model.predict(picture).probabilities.values()))
        return picture

    run_probe(model, images, [Perturbation("note", note)], None)
    assert sorted(seen) == sorted(expected)


def test_no_change_moves_nothing_and_greyscale_does(model, manifest):
    found = run_probe(model, load_labelled(manifest), CHANGES, None)
    same, grey, _ = found.movements
    assert (same.distance.value, same.same_emotion.value, same.accuracy_change.value) == (0, 1, 0)
    assert grey.distance.value > 0.01
    assert (found.n, found.labelled, found.masking) == (6, 3, None)
    assert "faces were not looked for" in found.notes[0]


def test_the_models_own_filter_moves_nothing(model, manifest):
    changes = [one for one in perturbations_for(model.card.preprocessing) if "resize" in one.name]
    moved = run_probe(model, load_labelled(manifest), changes, None).movements
    distances = {one.change: one.distance.value for one in moved}
    assert distances.pop(f"resize {model.card.preprocessing.filter}") == 0
    assert min(distances.values()) > 0


def test_faces_are_compared_where_there_is_room(model, manifest):
    places = iter([(), (Box(0.1, 0.1, 0.3, 0.3),), (Box(0.0, 0.0, 0.9, 0.9),)] * 2)
    found = run_probe(model, load_labelled(manifest), (), lambda _: next(places))
    assert (found.masking.n, found.masking.with_faces) == (2, 4)
    assert found.masking.faces.distance.value > 0


def test_json_and_back(model, manifest):
    found = run_probe(model, load_labelled(manifest), CHANGES, lambda _: (Box(0, 0, 0.2, 0.2),))
    assert RobustnessResult.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_card_takes_what_a_probe_wrote(two_changes, manifest, tmp_path):
    file = tmp_path / "result.json"
    probe("default", manifest, split="all", limit=None, output="json", out=file)
    rows = read_perturbations(file)
    assert [row.change for row in rows] == [change.name for change in CHANGES]
    assert rows[0].same_emotion.value == 1
    assert rows[0].accuracy_change.value == 0


def test_bad_pictures_are_told_and_the_others_answered(two_changes, manifest, capsys):
    (manifest.parent / "coffee.jpg").write_bytes(b"no image")
    (manifest.parent / "rocket.jpg").unlink()
    status = probe("default", manifest, split="all", limit=None, output="json", out=None)
    out, err = capsys.readouterr()
    assert status == 1
    assert json.loads(out)["n"] == 4
    assert sum("coffee.jpg" in line or "rocket.jpg" in line for line in err.splitlines()) == 2


@pytest.mark.parametrize(
    ("split", "limit", "n"), [("all", None, 6), ("test", None, 4), ("all", 3, 3), ("all", 99, 6)]
)
def test_split_and_limit(two_changes, manifest, capsys, split, limit, n):
    assert probe("default", manifest, split=split, limit=limit, output="json", out=None) == 0
    assert json.loads(capsys.readouterr().out)["n"] == n


def test_a_folder_without_classes_is_unlabelled(two_changes, manifest, capsys):
    assert (
        probe("default", manifest.parent, split="test", limit=None, output="table", out=None) == 0
    )
    out = capsys.readouterr().out
    assert "6 pictures, no labels" in out
    assert "accuracy change" not in out


@pytest.mark.parametrize(("columns", "last"), [(80, "moved"), (200, "fall of the top")])
def test_the_table_fits_the_terminal(two_changes, manifest, capsys, monkeypatch, columns, last):
    monkeypatch.setattr(command, "console_for", lambda: Console(width=columns))
    probe("default", manifest, split="all", limit=None, output="table", out=None)
    lines = capsys.readouterr().out.splitlines()
    (heading,) = (line for line in lines if line.strip().startswith("accuracy change"))
    assert heading.rstrip().endswith(last)
    assert max(map(len, lines[2:6])) <= columns


@pytest.mark.parametrize("out", ["result.json", "run"])
def test_out_is_a_file_or_a_run_directory(two_changes, manifest, tmp_path, out):
    run = tmp_path / "new" / out
    probe("default", manifest, split="all", limit=2, output="json", out=run)
    file = run if out.endswith(".json") else run / "probe.json"
    assert RobustnessResult.from_dict(json.loads(file.read_text())).n == 2
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_out_that_cannot_be_written_is_one_clear_line(two_changes, manifest):
    with pytest.raises(EvocaError, match=r"--out .*manifest\.csv/probe\.json: cannot be written"):
        probe("default", manifest, split="all", limit=2, output="json", out=manifest)


@pytest.mark.parametrize(
    ("limit", "empty", "message"),
    [(1, False, "at least two pictures"), (None, True, "no images in this folder")],
)
def test_too_few_pictures(two_changes, manifest, tmp_path, limit, empty, message):
    data = manifest
    if empty:
        data = tmp_path / "empty"
        data.mkdir()
    with pytest.raises(DataError, match=message):
        probe("default", data, split="all", limit=limit, output="json", out=None)
