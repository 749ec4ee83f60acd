import pytest

from evoca.errors import EvocaError
from evoca.runs import new_run, read_run, write_json


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
