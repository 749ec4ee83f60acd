"""One schema of scores, whoever made the run, read back from runs of any version."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import yaml
from typer.testing import CliRunner

from evoca.cli import app
from evoca.errors import DataError
from evoca.metrics.result import HEADLINE
from evoca.runs import read_run, write_json
from evoca.runs.schema import Metrics, Scores
from tiny_system import draw_pictures

STEPS = {
    "name": "drawn",
    "summary": "A frozen trunk and a head.",
    "model": {"system": "classifier", "backbone": "efficientnet_lite0"},
    "preprocessing": {"height": 32, "width": 32},
    "protocol": {"validation": 0.25, "repeats": 1, "folds": 2},
    "steps": [
        {"name": "head", "trainable": ["head"], "rate": 1e-2, "epochs": 2, "batch_size": 16},
    ],
}
PROBE = ("colour-svm", "--set", "protocol.folds=2", "--set", "protocol.inner_folds=2")


def evoca(*arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of every kind, all of the same drawn pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("runs"))
        patch.setenv("EVOCA_CACHE", "cache")
        for split, each, seed in (("train", 8, 0), ("test", 2, 2)):
            draw_pictures(Path("data"), each, split, seed)
        Path("drawn.yaml").write_text(yaml.safe_dump(STEPS))
        rest = ("--data", "data", "--workers", "0", "--out")
        evoca("train", "drawn.yaml", *rest, "train-steps")
        evoca("train", *PROBE, *rest, "train-probe")
        evoca("crossval", "drawn.yaml", "--folds", "2", *rest, "crossval-steps")
        evoca("crossval", *PROBE, "--folds", "2", "--repeats", "1", *rest, "crossval-probe")
        evoca("evaluate", "train-steps", "--data", "data", "--out", "evaluate")
        yield sorted(path.parent.name for path in Path().glob("*/run.json"))


def test_every_kind_of_run_has_the_same_keys(runs):
    assert len(runs) == 5
    keys = {run: list(json.loads(Path(run, "metrics.json").read_text())) for run in runs}
    for run in runs[1:]:
        assert sorted(keys[run]) == sorted(keys[runs[0]]), run
    sets = {
        tuple(json.loads(Path(run, "metrics.json").read_text())["prediction_sets"]) for run in runs
    }
    assert sets == {("model", "class_conditional")}


def without_nothing(metrics):
    """Leave out what older versions left out."""
    sets = {name: one for name, one in metrics["prediction_sets"].items() if one is not None}
    older = {**metrics, "prediction_sets": sets or None}
    older["chosen_in_folds"] = older["chosen_in_folds"] or None
    always = {*HEADLINE, "confusion"}
    return {k: value for k, value in older.items() if value is not None or k in always}


def test_runs_of_the_version_before_still_open(runs):
    for run in runs:
        now = read_run(run).metrics
        old = Path("older", run)
        old.mkdir(parents=True)
        for file in Path(run).iterdir():
            if file.is_file():
                (old / file.name).write_bytes(file.read_bytes())
        before = without_nothing(now) | {"schema_version": 1}
        write_json(old / "metrics.json", before)
        assert read_run(old).metrics == Scores.completed(now) | {"schema_version": 1}
    evoca("compare", *(f"older/{run}" for run in runs if run.startswith("crossval")))
    evoca("report", "older/evaluate", "--data", "data", "--out", "page.html")
    evoca("reproduce", *(f"older/{run}" for run in runs))


def test_a_finished_run_of_the_version_before_is_printed_again(runs):
    command = ("crossval", *PROBE, "--folds", "2", "--repeats", "1", "--data", "data", "--resume")
    own, older = (
        evoca(*command, "--out", out) for out in ("crossval-probe", "older/crossval-probe")
    )
    assert own.stdout == older.stdout


def test_scores_of_a_newer_version_are_refused_in_a_line(runs):
    file = Path("older/evaluate/metrics.json")
    write_json(file, json.loads(file.read_text()) | {"schema_version": 3})
    done = CliRunner().invoke(app, ("reproduce", "older/evaluate"))
    assert done.exit_code == 1
    assert (
        "metrics.json: schema_version 3; this Evoca reads up to 2: install a newer" in done.stderr
    )


def test_what_is_written_fits_the_schema_and_is_read_back(runs):
    for run in runs:
        written = json.loads(Path(run, "metrics.json").read_text())
        assert Scores.model_fields.keys() <= written.keys()
        Metrics.model_validate(written)
        result = read_run(run).result
        assert result.to_dict() == written
        assert list(result.to_dict()) == list(written)


WRONG = {
    "set_coverage": 5,
    "set_size": "2",
    "prediction_sets": {"model": {"coverage": 1}},
    "calibration": {"perfect": 3},
    "validation": [],
    "chosen": {"temperature": "warm"},
    "chosen_in_folds": [5],
    "restricted": "no",
    "test_uses": 5,
    "fingerprint": 7,
    "by_source": 5,
    "notes": "none",
    "copies_left_out": -1,
}


@pytest.mark.parametrize("key", WRONG)
def test_a_key_of_another_type_is_one_line_that_names_it(runs, tmp_path, key):
    run = shutil.copytree("crossval-probe", tmp_path / "tm")
    file = run / "metrics.json"
    write_json(file, json.loads(file.read_text()) | {key: WRONG[key]})
    with pytest.raises(DataError, match=rf"metrics\.json: not the figures of a run: {key}\b"):
        _ = read_run(run).result
    command = ("crossval", *PROBE, "--folds", "2", "--repeats", "1", "--data", "data", "--resume")
    done = CliRunner().invoke(app, (*command, "--out", str(run)))
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1), done.stderr


def test_an_error_of_ours_is_not_wrapped_in_another(runs, tmp_path):
    """DataError is a ValueError, so that a reader caught its own."""
    run = shutil.copytree("evaluate", tmp_path / "tm")
    file = run / "metrics.json"
    written = json.loads(file.read_text())
    for content, reason in (
        (written | {"schema_version": 3}, "schema_version 3; this Evoca reads up to 2"),
        ({k: v for k, v in written.items() if k != "confusion"}, "a run: confusion is missing"),
    ):
        write_json(file, content)
        for name in ("report", "result"):
            with pytest.raises(DataError, match=reason) as caught:
                getattr(read_run(run), name)
            assert str(caught.value).count("metrics.json") == 1
