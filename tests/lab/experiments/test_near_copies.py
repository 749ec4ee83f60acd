"""Near-duplicates stay in one fold where the data name no groups."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from website import make_picture

pytest.importorskip("torch", reason="needs the extra train")

from evoca.commands.crossval import crossval
from evoca.emotions import MIKELS8

COMMAND = "from evoca.cli import main; main()"
SMALL = (
    "model.backbone=efficientnet_lite0",
    "preprocessing.height=64",
    "preprocessing.width=64",
    "protocol.inner_folds=2",
    "head.c_grid=[0.05]",
)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Class folders with four pictures of each emotion, two of them as a smaller copy too."""
    root = tmp_path / "set"
    for k, emotion in enumerate(MIKELS8):
        (root / emotion).mkdir(parents=True)
        for n in range(4):
            make_picture(10 * k + n).save(root / emotion / f"{n}.png")
            if n < 2:
                make_picture(10 * k + n, (128, 96)).save(root / emotion / f"{n}-small.jpg")
    return root


def test_cross_validation_keeps_copies_in_one_fold(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    crossval(
        "default",
        copied,
        folds=2,
        repeats=2,
        seed=0,
        output="json",
        out=out,
        settings=SMALL,
        cache=False,
        resume=False,
    )

    assert "16 near-duplicate clusters (32 images) among 48 images" in capsys.readouterr().err
    with (out / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    places: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        picture = row["image"].split(".")[0].removesuffix("-small")
        places.setdefault((row["repeat"], picture), set()).add(row["fold"])
    assert len(places) == 2 * 32
    assert all(len(folds) == 1 for folds in places.values())
    assert len({row["group"] for row in rows}) == 32


def test_without_the_means_to_look_for_copies_one_line_says_so(
    copied: Path, tmp_path: Path
) -> None:
    """A package that cannot be imported stands in for one that is not installed."""
    (tmp_path / "imagehash.py").write_text("raise ImportError('blocked')")
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    done = subprocess.run(
        [
            *(sys.executable, "-c", COMMAND, "crossval", "default", "--data", str(copied)),
            *("--folds", "2", "--set", "protocol.inner_folds=2"),
        ],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    line = done.stderr.removesuffix("\n")
    assert "\n" not in line
    assert line.startswith("evoca: keeping near-duplicates in one fold needs the package imagehash")
    assert "[train]" in line
