"""The page docs/data.md, followed as a reader would: its files made, its commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evoca.cli import app

pytest.importorskip("cleanlab", reason="needs the extra crowd")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"
FENCE = re.compile(
    r"(?:^`(?P<file>[^`\n]+)`\n\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
PORT = "127.0.0.1:8000"  # what the page says; the test takes a free one


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve ``fi/`` as the page tells the reader to."""
    handler = partial(Quiet, directory=str(tmp_path / "work" / "fi"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def run(command: str, port: str) -> str:
    """Return what a command prints, on both streams, in order."""
    arguments, _, target = command.partition(" > ")
    if not arguments.startswith("evoca "):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        return done.stdout
    done = CliRunner().invoke(app, shlex.split(arguments)[1:])
    if target:
        Path(target).write_text(done.stdout)
        return done.stderr
    return done.output.replace(port, PORT)


def said_and_printed(port: str) -> Iterator[tuple[str, str, str]]:
    """Make the page's files and run its commands; yield command, what the page says, what is."""
    for block in FENCE.finditer(PAGE.read_text(encoding="utf-8")):
        if block["file"]:
            path = Path(block["file"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["body"].replace(PORT, port))
        if block["kind"] == "console":
            for part in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
                command, _, said = part.partition("\n")
                yield command, said, run(command, port)


def plain(text: str) -> list[str]:
    # Groups are named after files, one of which the installed Pillow encodes.
    text = re.sub(r"\b[0-9a-f]{16}\b", "<group>", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def test_every_command_prints_what_the_page_says(
    tmp_path: Path, examples: Path, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "examples").symlink_to(examples)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    commands = 0
    for command, said, printed in said_and_printed(served):
        assert plain(printed) == plain(said), command
        commands += 1
    assert commands > 25
