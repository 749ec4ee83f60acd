import json

import pytest

from evoca.errors import EvocaError
from evoca.runs import new_run, read_run, write_json
from run_samples import write_run


def test_a_run_appears_only_when_it_is_whole(tmp_path):
    def fail():
        with new_run(tmp_path / "run") as folder:
            write_json(folder / "run.json", {"run_version": 1})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "run.json: missing: this is not a complete run directory"),
        ("{", "run.json: cannot be read"),
        ("[]", "run.json: holds no object"),
        ("{}", "run_version None"),
        ('{"run_version": 99}', "run_version 99; this Evoca reads up to 1"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(EvocaError, match=message):
        read_run(tmp_path)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(EvocaError, match="nowhere: no such run directory"):
        read_run(tmp_path / "nowhere")


def test_a_run_without_figures_or_predictions_says_what_is_missing(tmp_path):
    (tmp_path / "run.json").write_text('{"run_version": 1, "recipe": {"name": "default"}}')
    run = read_run(tmp_path)
    assert run.recipe == "default"
    assert run.history == ()
    with pytest.raises(EvocaError, match=r"no predictions\.parquet or predictions\.csv"):
        _ = run.predictions
    with pytest.raises(EvocaError, match=r"metrics\.json: missing"):
        _ = run.report


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("run.json", {"labels": ["awe", 1]}, r"run\.json: not the description of a run: labels\.1"),
        ("run.json", {"labels": ["awe", "awe"]}, "a label is there twice"),
        ("run.json", {"data": {"images": -1}}, r"data\.images"),
        ("run.json", {"data": {"images": float("nan")}}, "NaN is no number in JSON"),
        ("run.json", {"split": 5}, "split"),
        ("metrics.json", {"per_emotion": None}, r"not the figures of a run: per_emotion"),
        ("metrics.json", {"confusion": [[1]]}, "confusion is not 8 x 8"),
        ("metrics.json", {"accuracy": {"value": "x", "ci95": [0, 1]}}, "value: must be"),
        ("metrics.json", {"accuracy": {"value": 1, "ci95": [0]}}, r"ci95"),
        ("metrics.json", {"n": True}, r"n: must be"),
    ],
)
def test_what_was_tampered_with_names_the_place(tmp_path, file, change, message):
    folder = write_run(tmp_path / "run", "default")
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | change))
    with pytest.raises(EvocaError, match=message):
        _ = read_run(folder).report


@pytest.mark.parametrize(
    "content", [b"minutes\nx\n", b"minutes\nnan\n", b"step\n1,2\n", b"step\n\xff\n"]
)
def test_a_history_that_is_no_table_of_epochs_is_one_line(tmp_path, content):
    folder = write_run(tmp_path / "run", "default")
    (folder / "history.csv").write_bytes(content)
    with pytest.raises(EvocaError, match=r"history\.csv: not a table of epochs"):
        _ = read_run(folder).history
