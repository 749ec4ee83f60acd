"""Progress: one bar that ends full, counts of what is computed, few lines in logs, or silence."""

import io
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from evoca.cli import app
from evoca.commands import progress

EMOTIONS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")
MAIN = "from evoca.cli import main; main()"


@pytest.fixture
def labelled(tmp_path):
    draws = np.random.default_rng(0)
    for emotion in EMOTIONS:
        for split, count in (("train", 6), ("test", 1)):
            folder = tmp_path / "set" / split / emotion
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = draws.integers(0, 256, (6, 6, 3), np.uint8)
                Image.fromarray(pixels).resize((96, 96)).save(folder / f"{i}.png")
    return tmp_path / "set"


def on_a_terminal(*arguments, stdout=subprocess.DEVNULL):
    """What a command shows on a terminal's standard error, and its standard output too if None."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", MAIN, *map(os.fspath, arguments)]
    printed = theirs if stdout is None else stdout
    running = subprocess.Popen(command, stdout=printed, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the terminal is closed
            break
        if not part:
            break
        shown += part
    running.wait()
    os.close(ours)
    return shown.decode()


def test_what_is_evaluated_is_counted(labelled):
    shown = on_a_terminal("evaluate", "default", "--data", labelled, "--split", "test")
    counts = re.findall(r"(\d+)/(\d+)", shown)
    assert {total for _, total in counts} == {"8"}
    assert counts[-1] == ("8", "8")


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_results_reach_their_file_past_a_bar(labelled, tmp_path, form):
    piped = subprocess.run(
        [sys.executable, "-c", MAIN, "predict", labelled, "--format", form],
        capture_output=True,
        check=True,
    )
    with (tmp_path / "printed").open("wb") as file:
        shown = on_a_terminal("predict", labelled, "--format", form, stdout=file)
    assert (tmp_path / "printed").read_bytes() == piped.stdout
    assert "56/56" in shown


@pytest.mark.parametrize(
    ("options", "bar"),
    [
        ((), False),
        (("--format", "json"), False),
        (("--sort", "doubt"), True),
        (("--emotion", "awe"), True),
        (("--out", "tags.csv"), True),
    ],
)
def test_a_bar_stands_where_no_lines_scroll(labelled, tmp_path, monkeypatch, options, bar):
    monkeypatch.chdir(tmp_path)
    assert ("predicting" in on_a_terminal("predict", labelled, *options, stdout=None)) == bar


def test_bars_stand_one_at_a_time_and_end_full(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with progress.announcing_lines() as (announce, say):
        announce("first", 10)(3)  # ends early
        advance = announce("second", 4)
        for _ in range(4):
            advance(1)
        say("a line")
    text = screen.getvalue()
    assert "10/10" in text
    assert "4/4" in text
    last = [line for line in text.splitlines() if "second" in line]
    assert not any("first" in line for line in last)
    assert "a line" in text


def test_a_log_gets_a_line_a_minute(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.announcing_lines() as (announce, say):
        for part in range(250):
            advance = announce(f"part {part}", 60)
            for _ in range(60):
                now[0] += 0.01
                advance(1)
            say(f"epoch {part}")
        say("evoca: a remark is never lost")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "part 0 (60)"
    assert lines[-1] == "evoca: a remark is never lost"
    assert lines[-2] == "epoch 249"
    assert len(lines) == 1 + 2 + 2  # the start, one minute and two, the end, and the remark


def test_short_work_of_one_part_leaves_no_line(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.advancing("images", 5000) as advance:
        for _ in range(5000):
            now[0] += 0.03
            advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2  # of two and a half minutes
    assert re.fullmatch(r"images \(2,0\d\d of 5,000\)", lines[0])


def test_quiet_shows_results_alone(labelled, tmp_path):
    out = tmp_path / "page.html"
    done = CliRunner().invoke(app, ["predict", str(labelled), "--html", str(out), "-q"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert out.is_file()
    (tmp_path / "bad.jpg").write_bytes(b"")
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "bad.jpg"), "--quiet"])
    assert "the file is empty" in done.stderr
    place = [str(labelled), "--out", str(tmp_path / "run"), "--no-deletion-test"]
    pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    done = CliRunner().invoke(app, ["train", "default", "--data", *place, "--quiet"])
    assert done.exit_code == 0, done.output
    assert not re.search(r"features|deletion|cross-validation \(", done.stderr)
    assert not (tmp_path / "run" / "deletion_test.json").exists()
    bundle = str(tmp_path / "bundle")
    done = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--out", bundle])
    assert done.exit_code == 1
    assert "train without --no-deletion-test" in done.stderr


def test_a_recipe_is_shown_alone():
    done = CliRunner().invoke(app, ["reproduce", "--recipe", "najid2018-resnet101-fc"])
    assert done.exit_code == 0
    assert "62.73" in done.stdout
    assert "rapolu2023" not in done.stdout
    assert "sreenivas2018" not in done.stdout
