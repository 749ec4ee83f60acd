"""Which images two runs share: files before names; and what was said of a run goes with it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from evoca.cli import app
from evoca.emotions import MIKELS8
from evoca.runs import read_run

EIGHT = [str(emotion) for emotion in MIKELS8]
PER_LABEL = 2


def evoca(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def pictures(folder, seed):
    random = np.random.default_rng(seed)
    for emotion in EIGHT:
        (folder / emotion).mkdir(parents=True)
        for i in range(PER_LABEL):
            pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((64, 64)).save(folder / emotion / f"{i}.png")
    return folder


def table(file, images, seed, labels=EIGHT):
    random = np.random.default_rng(seed)
    rows = [
        ",".join([name, *(f"{p:.6f}" for p in random.dirichlet(np.ones(8)))]) for name in images
    ]
    file.write_text("\n".join([",".join(["image", *(f"p_{x}" for x in labels)]), *rows]) + "\n")
    return file


@pytest.fixture
def run_of(tmp_path):
    """Evaluate made-up predictions of a folder's pictures, as users do, into a run."""

    def make(name, folder, seed=0):
        images = sorted(str(f.relative_to(folder)) for f in folder.rglob("*.png"))
        predictions = table(tmp_path / f"{name}.csv", images, seed)
        done = evoca(
            "evaluate", predictions, "--data", folder, "--draws", 20, "--out", tmp_path / name
        )
        assert done.exit_code == 0, done.output
        return tmp_path / name

    return make


def test_other_files_of_the_same_names_are_refused(tmp_path, run_of):
    first = run_of("a", pictures(tmp_path / "one", 1))
    second = run_of("b", pictures(tmp_path / "two", 2), seed=1)
    done = evoca("compare", first, second, "--draws", 20)
    assert done.exit_code == 1
    assert "16 names agree, but the files under them differ (SHA-256)" in done.stderr


def test_files_that_differ_in_part_are_left_out_with_a_warning(tmp_path, run_of):
    one = pictures(tmp_path / "one", 1)
    shutil.copytree(one, tmp_path / "two")
    other = pictures(tmp_path / "other", 2)
    shutil.copy(other / "awe" / "0.png", tmp_path / "two" / "awe" / "0.png")
    first, second = run_of("a", one), run_of("b", tmp_path / "two", seed=1)
    done = evoca("compare", first, second, "--draws", 20, "--format", "json")
    found = json.loads(done.stdout)
    assert found["n"] == 15
    assert found["notes"][0].startswith("WARNING: a and b: 1 image shares a name, but the files")


def test_the_same_files_under_other_names_are_found(tmp_path, run_of):
    one = pictures(tmp_path / "one", 1)
    shutil.copytree(one, tmp_path / "two")
    for file in sorted((tmp_path / "two").rglob("*.png")):
        file.rename(file.with_name(f"photo-{file.name}"))
    first, second = run_of("a", one), run_of("b", tmp_path / "two", seed=1)
    done = evoca("compare", first, second, "--draws", 20, "--format", "json")
    found = json.loads(done.stdout)
    assert found["n"] == 16
    assert any("16 images are the same files under other names" in n for n in found["notes"])


def without_hashes(run):
    """Make a run one of an older version, whose tables have no such column."""
    file = run / "predictions.csv"
    lines = [line.rsplit(",", 1)[0] for line in file.read_text().splitlines()]
    assert lines[0].count("sha256") == 0
    file.write_text("\n".join(lines) + "\n")


def test_older_runs_of_other_data_are_matched_by_name_with_a_warning(tmp_path, run_of):
    first = run_of("a", pictures(tmp_path / "one", 1))
    second = run_of("b", pictures(tmp_path / "two", 2), seed=1)
    without_hashes(first)
    done = evoca("compare", first, second, "--draws", 20, "--format", "json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert "16 images are matched by name alone" in found["notes"][0]
    assert "WARNING" in done.stderr


def test_runs_keep_the_hashes_of_their_files(tmp_path, run_of):
    run = read_run(run_of("a", pictures(tmp_path / "one", 1)))
    assert all(len(digest) == 64 for digest in run.predictions.hashes)
    assert len(set(run.predictions.hashes)) == 16


def test_what_was_said_of_a_run_goes_with_it(tmp_path, run_of):
    folder = pictures(tmp_path / "one", 1)
    first, second = run_of("a", folder), run_of("b", folder, seed=1)
    caution = f"no row of {folder} has a split: all 16 rows are used"
    done = evoca("compare", first, second, "--draws", 20, "--format", "json")
    found = json.loads(done.stdout)
    assert f"all runs: {caution}" in found["notes"]
    assert all(caution in run["notes"] for run in found["runs"])
    again = evoca("evaluate", first, "--data", folder, "--draws", 20, "--format", "json")
    assert f"a: {caution}" in json.loads(again.stdout)["notes"]
    grid = evoca("matrix", "--model", first, "--data", folder)
    assert f"a on one: {caution}" in grid.stderr
