"""Tables of predictions as data sets that FiftyOne imports."""

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evoca.adapters import convert
from evoca.cli import app
from evoca.emotions import MIKELS8
from evoca.errors import DataError, EvocaError
from evoca.runtime.tables import table_columns

pytest.importorskip("duckdb", reason="needs the extra data")


def line(path, **cells):
    shares = {f"p_{emotion}": 0.0 for emotion in MIKELS8} | {"p_awe": 0.75, "p_fear": 0.25}
    row = {"path": path, "emotion": "awe", "confidence": 0.75, **shares}
    return json.dumps(row | {"prediction_set": ["awe"], "model": "m", "prior": "natural"} | cells)


def read(folder):
    return [json.loads((folder / name).read_text()) for name in ("data.json", "labels.json")]


def test_a_data_set_names_each_picture_and_its_label(tmp_path, examples):
    picture = examples / "china.jpg"
    (tmp_path / "tags.jsonl").write_text(
        line(str(picture)) + "\n" + json.dumps({"path": "bad.jpg", "error": "no image"}) + "\n"
    )
    arguments = ["convert", str(tmp_path / "tags.jsonl"), "--to", "fiftyone"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "set")])
    assert done.exit_code == 0, done.output
    assert done.stderr.endswith("1 image, 1 without a prediction left out\n")
    data, labels = read(tmp_path / "set")
    assert list(data.values()) == [str(picture)]
    (found,) = labels["labels"].values()
    assert list(labels["labels"]) == list(data)
    assert (found["label"], found["confidence"]) == ("awe", 0.75)
    attributes = found["attributes"]
    assert (attributes["p_fear"], attributes["prediction_set"]) == (0.25, ["awe"])
    shares = [math.exp(one) for one in attributes["logits"]]
    assert shares == pytest.approx([attributes[f"p_{e}"] for e in MIKELS8], abs=1e-11)
    assert set(attributes) - {"logits"} <= set(table_columns([str(e) for e in MIKELS8]))


def test_pictures_that_are_not_there_are_counted(tmp_path):
    (tmp_path / "tags.jsonl").write_text(line("gone.jpg") + "\n")
    arguments = ["convert", str(tmp_path / "tags.jsonl"), "--to", "fiftyone"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "set")])
    assert done.exit_code == 1
    assert "1 of the images is not at the path in the table" in done.stderr
    assert len(read(tmp_path / "set")[0]) == 1


def test_a_refused_table_leaves_nothing(tmp_path):
    (tmp_path / "tags.jsonl").write_text(line("a.jpg") + "\n" + line("https://a.org/b.jpg") + "\n")
    out = tmp_path / "set"
    with pytest.raises(DataError, match="files of this machine alone"):
        convert([tmp_path / "tags.jsonl"], "fiftyone", out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tags.jsonl"]
    with pytest.raises(EvocaError, match="did you mean fiftyone"):
        convert([tmp_path / "tags.jsonl"], "fifty-one", out)
    with pytest.raises(EvocaError, match="label-studio"):
        convert([tmp_path / "tags.jsonl"], "fiftyone", out, images=Path())
    with pytest.raises(DataError, match="no such file"):
        convert([tmp_path / "gone.csv"], "fiftyone", out)


def test_several_tables_are_one_data_set(tmp_path):
    for part in (1, 2):
        lines = (line(f"{part}-{number}.jpg") for number in range(20))
        (tmp_path / f"part-{part}.jsonl").write_text("\n".join(lines) + "\n")
    done = convert(sorted(tmp_path.glob("part-*.jsonl")), "fiftyone", tmp_path / "set")
    assert (done.images, done.missing) == (40, 40)
    data, labels = read(tmp_path / "set")
    assert len(data) == len(labels["labels"]) == 40
