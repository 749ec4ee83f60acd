"""Tables of predictions, made by the real commands or drawn at random."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from samples import EXAMPLES

pytest.importorskip("duckdb", reason="needs evoca[data]")

EVOCA = [sys.executable, "-c", "from evoca.cli import main; main()"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def evoca(tmp_path: Path) -> Run:
    """The command line, in a folder of the test's own: status, standard output and error."""

    def run(*arguments: object, **options: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [*EVOCA, *map(os.fspath, map(str, arguments))],
            capture_output=True,
            encoding="utf-8",
            cwd=tmp_path,
            timeout=300,
            env={**os.environ, **options},
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="session")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example photographs, a broken one, and all three tables of them."""
    folder = tmp_path_factory.mktemp("predicted")
    shutil.copytree(EXAMPLES, folder / "photos", ignore=shutil.ignore_patterns("*.md"))
    (folder / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xffno more")
    for suffix in ("parquet", "csv", "jsonl"):
        command = [*EVOCA, "predict", "photos", "--out", f"tags.{suffix}"]
        assert subprocess.run(command, cwd=folder, capture_output=True).returncode == 1
    return folder


@pytest.fixture
def photos(predicted: Path, tmp_path: Path) -> Path:
    """A copy of that folder, in which the commands run."""
    shutil.copytree(predicted, tmp_path, dirs_exist_ok=True)
    return tmp_path
