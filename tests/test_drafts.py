"""Files that are whole or not there, and text that cannot steer a terminal."""

import json
import os
import pty
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from evoca.cli import app
from evoca.data.rejects import Reject, write_rejects
from evoca.drafts import drafted
from evoca.runtime.bundle import bundled_models
from samples import photo

EVOCA = [sys.executable, "-c", "from evoca.cli import main; main()"]
HOSTILE = "a\x1b[31m\x7f\x9b1m\u202egpj.png"


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "page.html"
    target.write_text("old")

    def fail():
        with drafted(target) as draft:
            draft.write_text("ne")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    assert target.read_text() == "old"


def test_two_that_write_the_same_file_do_not_meet(tmp_path):
    target = tmp_path / "table.csv"
    with drafted(target) as one, drafted(target) as other:
        one.write_text("one")
        other.write_text("other")
        assert one != other
    assert target.read_text() == "one"
    assert len(list(tmp_path.iterdir())) == 1


def test_manifests_built_at_the_same_time_are_whole(tmp_path):
    pytest.importorskip("duckdb", reason="needs the extra data")
    for emotion in ("awe", "fear"):
        (tmp_path / "set" / emotion).mkdir(parents=True)
        photo().save(tmp_path / "set" / emotion / "0.png")
    build = [*EVOCA, "data", "build", "folder", "set", "--out", "m.csv"]
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(subprocess.run, build, cwd=tmp_path) for _ in range(4)]
    assert [run.result().returncode for run in runs] == [0] * 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.csv", "set"]


@pytest.mark.parametrize("kind", ["explained", "sheet.png", "sheet.html"])
def test_a_picture_that_cannot_be_finished_is_not_there(tmp_path, kind):
    """A file system that is full half way: a limit on how large a file may grow."""
    pytest.importorskip("resource", reason="this system has no limits for a process")
    Image.effect_noise((400, 400), 90).convert("RGB").save(tmp_path / "in.png")
    (tmp_path / "set" / "awe").mkdir(parents=True)
    shutil.copy(tmp_path / "in.png", tmp_path / "set" / "awe" / "0.png")
    arguments = (
        ["predict", "in.png", "--explain", "out"]
        if kind == "explained"
        else ["data", "stats", "set", "--contact-sheet", f"out/{kind}"]
    )
    script = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "from evoca.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1
    assert "cannot be written: File too large" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_names_cannot_steer_a_terminal(tmp_path, form):
    photo().save(tmp_path / HOSTILE)
    controller, terminal = pty.openpty()
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "dumb"}
    process = subprocess.Popen(
        [*EVOCA, "predict", ".", "--format", form],
        cwd=tmp_path,
        stdout=terminal,
        stderr=terminal,
        env=environment,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(controller, 4096)
        except OSError:  # how a terminal says that nothing more comes
            break
    os.close(controller)
    assert process.wait() == 0
    text = shown.decode()
    assert "gpj.png" in text
    assert not set(text) & set("\x1b\x7f\x9b\u202e")


def test_names_in_results_for_programs_stay_what_they_are(tmp_path):
    photo().save(tmp_path / HOSTILE)
    done = subprocess.run(
        [*EVOCA, "predict", ".", "--format", "json"], cwd=tmp_path, capture_output=True
    )
    (found,) = json.loads(done.stdout)
    assert Path(found["path"]).name == HOSTILE
    assert not set(done.stdout.decode()) & set("\x1b\x7f\x9b\u202e")


def test_what_a_server_said_is_made_visible_in_the_table_of_rejects(tmp_path):
    rejects = [Reject("links.csv", 2, "a.jpg", "404 \x1b[2JGone\x9b")]
    table = write_rejects(rejects, tmp_path / "m.csv")
    assert r"404 \x1b[2JGone\x9b" in table.read_text()


def test_the_installed_model_is_not_written_to():
    shipped = bundled_models()["default"]
    before = {file.name: file.stat().st_mtime_ns for file in shipped.iterdir()}
    done = CliRunner().invoke(app, ["models", "card", "default"])
    assert done.exit_code == 1
    assert "is part of the installed package" in done.stderr
    assert {file.name: file.stat().st_mtime_ns for file in shipped.iterdir()} == before
