"""Pages of the documentation, followed as a reader would: their files made, their commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from evoca.cli import app

FENCE = re.compile(
    r"(?:^`(?P<file>[^`\n]+)`\n\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)


def run(command: str) -> str:
    """Return what a command prints: standard output, then standard error."""
    redirected = re.fullmatch(r"(.*) > ([\w./-]+)", command)
    arguments, target = redirected.groups() if redirected else (command, "")
    if not arguments.startswith("evoca "):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        return done.stdout
    done = CliRunner().invoke(app, shlex.split(arguments)[1:])
    if target:
        Path(target).write_text(done.stdout)
        return done.stderr
    return done.stdout + done.stderr


def commands_of(page: Path) -> Iterator[tuple[str, str]]:
    """Make a page's files in the working folder; yield each command and what the page prints."""
    for block in FENCE.finditer(page.read_text(encoding="utf-8")):
        if block["file"]:
            path = Path(block["file"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block["body"])
        if block["kind"] == "console":
            for part in re.split(r"^\$ ", block["body"], flags=re.MULTILINE)[1:]:
                command, _, said = part.partition("\n")
                yield command, said


def plain(text: str) -> list[str]:
    """Return the lines, with single spaces."""
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def agrees(said: list[str], printed: list[str]) -> bool:
    """Whether lines are those of a page, in which "..." stands for any."""
    if "..." not in said:
        return said == printed
    at = said.index("...")
    head, rest = said[:at], said[at + 1 :]
    if printed[:at] != head:
        return False
    return any(agrees(rest, printed[k:]) for k in range(at, len(printed) + 1))
