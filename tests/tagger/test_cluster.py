"""Tagging on a real Ray cluster of several nodes, of which one fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import samples

pytest.importorskip("ray", reason="needs the extra cluster")
duckdb = pytest.importorskip("duckdb", reason="needs the extra data")
pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Ray's clusters of several nodes are not for Windows"
)

ROOT = Path(__file__).resolve().parents[2]
EVOCA = [sys.executable, "-c", "from evoca.cli import main; main()"]
NAMES = ("astronaut", "chelsea", "china", "coffee", "flower", "rocket")
# In the processes that decode: a crash, as of a fault in a C library, and pictures that take time.
DECODER = """
import os, sys, time
if 'evoca.images.isolated' in sys.orig_argv:
    import evoca.images.sources as sources
    load = sources.load_image
    def special(source, *rest, **given):
        if str(source).endswith('crash.jpg'):
            os.abort()
        if 'slow' in str(source):
            time.sleep(0.05)
        return load(source, *rest, **given)
    sources.load_image = special
"""


def evoca(*arguments, cwd=ROOT):
    done = subprocess.run(
        [*EVOCA, *map(os.fspath, arguments)], capture_output=True, text=True, timeout=600, cwd=cwd
    )
    return done.returncode, done.stdout, done.stderr


def begun(*arguments):
    """A run that goes on by itself, from when it has written some rows."""
    run = subprocess.Popen([*EVOCA, *map(os.fspath, arguments)], stderr=subprocess.PIPE, text=True)
    out = arguments[arguments.index("--out") + 1]
    while not list(out.glob("checkpoint/*.parquet")) and run.poll() is None:
        time.sleep(0.1)
    return run


def fill(folder, count):
    """Small photographs, no two of which are the same, and one that is none."""
    folder.mkdir()
    for i in range(count):
        picture = samples.photo(NAMES[i % len(NAMES)], (80 + i % 7, 60 + i // 7))
        (folder / f"{i:04}.jpg").write_bytes(samples.encode(picture, "JPEG", quality=80))
    (folder / "none.jpg").write_bytes(b"no image")
    return folder


def rows(table):
    """The columns, with their types, and the rows in the order of their paths."""
    files = f"read_parquet('{table / 'tags' / '*.parquet' if table.is_dir() else table}')"
    columns = duckdb.sql(f"DESCRIBE SELECT * FROM {files}").fetchall()
    return columns, duckdb.sql(f"SELECT * FROM {files} ORDER BY path").fetchall()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if "EVOCA_TEST_CLUSTER" not in os.environ:
        # They take minutes, and the nodes belong to this very process, whose signals Ray takes.
        pytest.skip("a cluster of several nodes: set EVOCA_TEST_CLUSTER=1, and run this file alone")
    from ray.cluster_utils import Cluster

    special = tmp_path_factory.mktemp("special")
    (special / "sitecustomize.py").write_text(DECODER)
    node = {"object_store_memory": 150 * 1024**2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(special))
        patch.setenv("RAY_worker_niceness", "0")  # beside other tests they would wait for ever
        found = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 2, "include_dashboard": False, **node},
        )
        found.add_node(num_cpus=1, **node)
        try:
            yield found
        finally:
            found.shutdown()


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """Pictures that take time, and the table that one machine makes of them."""
    place = tmp_path_factory.mktemp("one-machine")
    folder = fill(place / "slow", 150)
    assert evoca("tag", folder, "--out", place / "tags.parquet")[0] == 1
    return folder, rows(place / "tags.parquet")


def test_the_rows_are_those_of_one_machine(cluster, tmp_path):
    folder = fill(tmp_path / "photos", 40)
    (folder / "crash.jpg").write_bytes((folder / "0000.jpg").read_bytes())
    inputs = (folder, folder / "0003.jpg", "photos/0004.jpg", "nothing-*.jpg")  # the second: twice
    options = ("--ray", cluster.address)
    status, out, err = evoca("tag", *inputs, "--out", "ray", *options, cwd=tmp_path)
    assert (status, out) == (1, "")
    assert "44 images, 44 computed now, 3 could not be read" in err
    # Of Ray there is nothing on the screen.
    assert not [mark for mark in ("INFO", "WARN", "ERROR", ".cc:", "Ray") if mark in err], err
    inputs = (folder, "photos/0004.jpg", "nothing-*.jpg")
    evoca("tag", *inputs, "--out", "one.parquet", cwd=tmp_path)
    columns, found = rows(tmp_path / "ray")
    assert (columns, found) == rows(tmp_path / "one.parquet")
    errors = {Path(row[0]).name: row[-1] for row in found if row[-1]}
    assert "not what a photograph takes" in errors["crash.jpg"]


def test_a_cluster_for_the_time_of_the_run_gives_the_rows_of_one_machine(tmp_path):
    folder = fill(tmp_path / "photos", 12)
    status, _, err = evoca("tag", folder, "--out", tmp_path / "ray", "--ray", "local")
    assert (status, "13 images, 13 computed now" in err) == (1, True), err
    evoca("tag", folder, "--out", tmp_path / "one.parquet")
    assert rows(tmp_path / "ray") == rows(tmp_path / "one.parquet")


def test_a_node_that_fails_costs_nothing(cluster, slow, tmp_path):
    folder, wanted = slow
    node = cluster.add_node(num_cpus=1, object_store_memory=150 * 1024**2)
    run = begun("tag", folder, "--out", tmp_path / "ray", "--ray", cluster.address)
    cluster.remove_node(node, allow_graceful=False)
    _, err = run.communicate(timeout=600)
    assert (run.returncode, "151 images, 151 computed now" in err) == (1, True), err
    assert rows(tmp_path / "ray") == wanted


def test_a_run_whose_driver_is_killed_goes_on(cluster, slow, tmp_path):
    folder, wanted = slow
    command = ("tag", folder, "--out", tmp_path / "ray", "--ray", cluster.address)
    run = begun(*command)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    new = folder / "new.jpg"  # what is new is computed too
    new.write_bytes((folder / "0000.jpg").read_bytes())
    status, _, err = evoca(*command, "--resume")
    new.unlink()
    computed = int(err.split(" computed now")[0].split()[-1])
    assert (status, "152 images" in err, 1 < computed < 152) == (1, True, True), err
    columns, found = rows(tmp_path / "ray")
    assert (columns, [row for row in found if row[0] != str(new)]) == wanted
    assert len(found) == 152


def test_another_model_prior_or_directory_is_refused(tmp_path):
    out = tmp_path / "ray"
    nowhere = ("--ray", "127.0.0.1:1")
    options = ("tag", "examples", "--out", out, *nowhere)
    (out).mkdir()
    (out / "mine.txt").write_text("mine")
    status, _, err = evoca(*options, "--resume")
    assert (status, "no run of evoca tag --ray" in err, err.count("\n")) == (1, True, 1)
    (out / "mine.txt").unlink()
    (out / "run.json").write_text('{"format_version": 1, "kind": "evoca tag --ray", "prior": "x"}')
    for given, reason in (([], "--resume goes on with it"), (["--resume"], "prior x, not natural")):
        status, _, err = evoca(*options, *given)
        assert (status, reason in err, err.count("\n")) == (1, True, 1)
    assert [one.name for one in out.iterdir()] == ["run.json"]
    status, _, err = evoca("tag", "examples", "--out", tmp_path / "other", *nowhere)
    assert (status, "no cluster there" in err, err.count("\n")) == (1, True, 1)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("option", "status", "reason"),
    [
        (["--shard", "1/2"], 2, "--shard and --ray"),
        (["--threads", "2"], 2, "--threads"),
        (["--resume", "--retry-errors"], 2, "--retry-errors"),
        (["--prior", "estimate"], 1, "--prior estimate is for one machine"),
    ],
)
def test_options_of_one_machine_are_refused(tmp_path, option, status, reason):
    options = ("--out", tmp_path / "ray", "--ray", "auto", *option)
    found, _, err = evoca("tag", "examples", *options)
    assert (found, reason in err) == (status, True)
    assert not list(tmp_path.iterdir())
