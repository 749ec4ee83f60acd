"""Streams that are closed, full or coloured, and Ctrl-C while results are written."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from samples import encode, photo

EVOCA = f"{sys.executable} -c 'from evoca.cli import main; main()'"
FULL = Path("/dev/full")


def shell(line, **environment):
    """Run a line in which EVOCA stands for the command."""
    return subprocess.run(
        ["bash", "-c", line.replace("EVOCA", EVOCA)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        photo().save(name)
    Path("c.png").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "--version",
        "--help",
        "predict a.png",
        "predict a.png --format json",
        "predict a.png --format csv",
        "models list",
        "data --help",
    ],
)
def test_nobody_need_listen(folder, line):
    for closed, heard in ((">&-", False), ("2>&-", True), ("<&- >&- 2>&-", False)):
        done = shell(f"EVOCA {line} {closed}")
        assert (done.returncode, done.stderr) == (0, ""), closed
        assert bool(done.stdout) == heard, closed


@pytest.mark.parametrize("form", ["json", "csv"])
def test_messages_never_land_in_results(folder, form):
    """The next file would get the number of the closed stream, and ``print`` the other one."""
    done = shell(f"EVOCA predict . --format {form} 2>&-")
    assert done.returncode == 1
    assert "evoca:" not in done.stdout
    rows = json.loads if form == "json" else lambda text: list(csv.DictReader(io.StringIO(text)))
    assert [row["path"] for row in rows(done.stdout)] == ["a.png", "b.png", "c.png"]


def test_files_are_written_without_any_stream(folder):
    done = shell("EVOCA predict a.png --explain maps >&- 2>&-")
    assert done.returncode == 0
    assert [path.name for path in Path("maps").iterdir()] == ["a.png.evoca.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="Pillow holds libtiff inside itself")
def test_libtiff_adds_nothing_to_the_messages(folder):
    """It writes to file descriptor 2 itself; whole pictures beside it are decoded in threads."""
    damaged = bytearray(encode(photo(), "TIFF", compression="tiff_adobe_deflate"))
    damaged[60:120] = bytes(byte ^ 0x5A for byte in damaged[60:120])
    for number in range(8):
        Path(f"{number}.tif").write_bytes(damaged)
        photo().save(f"{number}-whole.tif", compression="tiff_lzw")
    alone = "from PIL import Image; Image.open('0.tif').load()"
    talks = subprocess.run([sys.executable, "-c", alone], capture_output=True, text=True)
    assert "ZIPDecode" in talks.stderr  # or this shows nothing

    done = shell("EVOCA predict *.tif")
    assert done.returncode == 1
    expected = [
        f"evoca: {number}.tif: the file is damaged: decoder error -2" for number in range(8)
    ]
    *messages, closing = done.stderr.splitlines()
    assert messages == expected
    assert closing.startswith("evoca: 16 images, 8 could not be read, ")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "line", ["--version", "--help", "predict --help", "predict a.png", "models list", "data --help"]
)
def test_a_full_disk_is_one_line(folder, line):
    done = shell(f"EVOCA {line} >{FULL}")
    assert done.returncode == 1
    assert done.stderr == "evoca: [Errno 28] No space left on device\n"


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_full_disk_behind_messages_costs_no_result(folder, form):
    """The first message that could not be written ended the table without a word."""
    line = f"EVOCA predict a.png nosuch.jpg b.png --format {form}"
    full, quiet = shell(f"{line} 2>{FULL}"), shell(f"{line} 2>/dev/null")
    assert full.stdout == quiet.stdout
    assert "b.png" in full.stdout
    assert full.returncode == quiet.returncode == 1


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_messages_leaves_a_status(folder):
    assert shell(f"EVOCA predict a.png --model none 2>{FULL}").returncode == 1


@pytest.mark.parametrize(("asked", "coloured"), [("0", False), ("false", False), ("1", True)])
def test_colour_in_a_pipe_is_there_when_it_is_forced(folder, asked, coloured):
    done = shell("EVOCA predict a.png", FORCE_COLOR=asked, TERM="xterm-256color")
    assert ("\x1b[" in done.stdout) == coloured


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize(
    ("number", "ends"),
    [
        (signal.SIGINT, (130, b"evoca: interrupted\n")),
        (signal.SIGTERM, (-signal.SIGTERM, b"")),
        (signal.SIGHUP, (-signal.SIGHUP, b"")),
    ],
)
def test_results_are_whole_after_an_interrupt(folder, form, number, ends):
    # A reader that waits: its pipe fills up, and the interrupt comes while a row is written.
    source = Path("many")
    source.mkdir()
    for at in range(400):
        os.link("a.png", source / f"{at:03}-{'long' * 50}.png")
    process = subprocess.Popen(
        ["bash", "-c", f"exec {EVOCA} predict many --format {form}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # or what a buffer holds is missing from what is read to the end
    )
    first = b""
    while len(first) < 2000:  # some rows behind the header
        read = process.stdout.read(100)
        assert read, process.stderr.read()
        first += read
    process.send_signal(number)
    output, errors = process.communicate(timeout=120)
    text = (first + output).decode()
    assert (process.returncode, errors) == ends
    rows = json.loads(text) if form == "json" else list(csv.DictReader(io.StringIO(text)))
    assert 0 < len(rows) < 400
    assert all(row["emotion"] for row in rows)
