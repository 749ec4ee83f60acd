"""Files that are whole or not there, and text that cannot steer a terminal."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from evoca.cli import app
from evoca.data.manifest.rejects import Reject, write_rejects
from evoca.drafts import ENDING_SIGNALS, drafted
from evoca.runtime.bundle import bundled_models
from run_samples import write_run
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


LONG = """
import sys, time
from pathlib import Path
from evoca.drafts import ENDING_SIGNALS, drafted

try:
    with drafted(Path(sys.argv[1])) as draft:
        draft.write_text("half")
        print("writing", flush=True)
        time.sleep(60)
finally:
    print("cleaned", flush=True)
"""


def started(script, *arguments):
    """Start a process and wait until it says that it is writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    return process


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
def test_a_process_that_is_told_to_end_leaves_nothing(tmp_path):
    process = started(LONG, tmp_path / "page.html")
    assert len(left_in(tmp_path)) == 1
    process.terminate()
    assert process.communicate(timeout=60)[0] == ""  # ended by the signal, as without a draft
    assert process.returncode == -signal.SIGTERM
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, *ENDING_SIGNALS])
def test_a_signal_waits_until_a_draft_is_removed(tmp_path, monkeypatch, number):
    remove = shutil.rmtree

    def disturbed(*args, **options):
        signal.raise_signal(number)
        remove(*args, **options)

    monkeypatch.setattr(shutil, "rmtree", disturbed)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), drafted(tmp_path / "page.html") as draft:
            draft.write_text("whole")
    finally:
        signal.signal(number, before)
    assert left_in(tmp_path) == ["page.html"]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    pytest.importorskip("fcntl", reason="this system has no locks that end with a process")
    dead, living = (started(LONG, tmp_path / name) for name in ("a.html", "b.html"))
    dead.kill()
    dead.wait()
    own = tmp_path / ".mine-0123456789abcdef.draft"
    own.write_text("whoever named a file like this keeps it")
    try:
        assert len(left_in(tmp_path)) == 3
        write = f"{LONG.partition('try:')[0]}with drafted(Path(sys.argv[1])) as d: d.touch()"
        subprocess.run([sys.executable, "-c", write, tmp_path / "c.html"], check=True)
        draft, *others = left_in(tmp_path)
        assert draft.startswith(".b.html-")
        assert others == [own.name, "c.html"]
        assert (tmp_path / draft / "draft").read_text() == "half"
    finally:
        living.kill()
        living.communicate()


def test_many_that_write_at_once_take_no_draft_from_each_other(tmp_path):
    write = (
        "import sys\nfrom pathlib import Path\nfrom evoca import drafts\n"
        "for _ in range(150):\n"
        "    drafts._remove_left.cache_clear()\n"
        "    with drafts.drafted(Path(sys.argv[1])) as draft: draft.write_text('whole')\n"
    )
    command = [sys.executable, "-c", write, str(tmp_path / "page.html")]
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(subprocess.run, command, capture_output=True, text=True) for _ in range(4)
        ]
    assert [run.result().stderr for run in runs] == [""] * 4
    assert left_in(tmp_path) == ["page.html"]


def test_a_fork_that_is_ended_leaves_the_draft_alone(tmp_path):
    """Workers that decode are forks, and ended by a signal: the draft is not theirs."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no forks")
    with drafted(tmp_path / "table.csv") as draft:
        draft.write_text("whole")
        ready, started = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(started, b".")  # a signal that comes while it is forked is lost
            time.sleep(60)
            os._exit(1)
        os.read(ready, 1)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert (tmp_path / "table.csv").read_text() == "whole"


EVALUATE = """
import sys, time
import evoca.commands.evaluate as command
from evoca.cli import main

def evaluate_system(*_):
    print("writing", flush=True)
    time.sleep(60)

command.evaluate_system = evaluate_system
sys.argv = ["evoca", "evaluate", "default", "--data", "set", "--out", "runs/run"]
main()
"""
REPORT = """
import sys, time
from evoca.cli import main
import evoca.report.build as build

def page_parts(*_, **__):
    yield "half"
    print("writing", flush=True)
    time.sleep(60)

build.page_parts = page_parts
sys.argv = ["evoca", "report", "run", "--out", "runs/page.html", "--no-images"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without asking it")
@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_no_command_leaves_drafts_behind(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    for emotion, name in (("awe", "coffee"), ("fear", "chelsea")):
        (tmp_path / "set" / emotion).mkdir(parents=True)
        photo(name).save(tmp_path / "set" / emotion / "0.png")
    write_run(tmp_path / "run", "default")
    runs = tmp_path / "runs"

    script = {"evaluate": EVALUATE, "report": REPORT}[command]
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = started(script)
        assert len(left_in(runs)) == 1
        process.send_signal(number)
        process.communicate(timeout=60)
        assert process.returncode == -number
        assert len(left_in(runs)) == (number == signal.SIGKILL)
    again = {
        "evaluate": "evaluate default --data set --split all --allow-missing --out runs/run",
        "report": "report run --out runs/page.html --no-images",
    }[command]
    done = subprocess.run([*EVOCA, *again.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert left_in(runs) == [{"evaluate": "run", "report": "page.html"}[command]]


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
