"""Tables as spreadsheets, pandas and Windows write them: read, or refused with a hint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.data.conftest import MakeImage
from typer.testing import CliRunner

from evoca.commands.data.app import app
from evoca.data.check import check
from evoca.data.manifest.labelled import load_labelled
from evoca.data.manifest.rules import SPACES
from evoca.data.manifest.table import read_manifest
from evoca.errors import DataError


def _table(folder: Path, text: str) -> Path:
    path = folder / "m.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.fixture
def images(tmp_path: Path, make_image: MakeImage) -> Path:
    make_image(tmp_path / "awe" / "1.jpg")
    make_image(tmp_path / "awe" / "2.jpg", 1)
    return tmp_path


def test_a_cell_may_be_large(images: Path) -> None:
    caption = "word " * 60_000  # 300,000 characters
    path = _table(images, f"image,emotion,caption\nawe/1.jpg,awe,{caption}\nawe/2.jpg,awe,x\n")
    assert len(read_manifest(path).texts("caption")[0]) == len(caption.strip())
    assert len(load_labelled(path)) == 2


def test_an_open_quote_is_still_found(images: Path) -> None:
    path = _table(images, 'image,emotion\nawe/1.jpg,"awe\n' + "x" * (1 << 24) + "\n")
    with pytest.raises(DataError, match=r"after row 1: not valid CSV: a cell of more than .* open"):
        read_manifest(path)


def test_the_spaces_are_those_that_python_strips() -> None:
    assert set(SPACES) == {chr(code) for code in range(0x110000) if chr(code).isspace()}


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2009", " \u00a0 ", "\u2028"])
def test_check_and_training_read_the_same_label(images: Path, space: str) -> None:
    text = f"image,emotion,split\nawe/1.jpg,awe{space},{space}train\n{space}awe/2.jpg,Awe,test\n"
    path = _table(images, text)
    manifest = read_manifest(path)
    assert list(manifest.rows("image", "emotion", "split")) == [
        ("awe/1.jpg", "awe", "train"),
        ("awe/2.jpg", "awe", "test"),
    ]
    labelled = load_labelled(path)
    assert labelled.names == ("awe/1.jpg", "awe/2.jpg")
    assert [labelled.labels[code] for code in labelled.truth] == ["awe", "awe"]
    assert labelled.split.tolist() == ["train", "test"]


def test_the_index_of_pandas_gets_a_hint(images: Path) -> None:
    path = _table(images, ",image,emotion\n0,awe/1.jpg,awe\n1,awe/2.jpg,awe\n")
    for read in (read_manifest, load_labelled):
        with pytest.raises(DataError, match=r"first column has no name: .*index=False"):
            read(path)


def test_backslashes_get_a_hint(images: Path) -> None:
    path = _table(images, "image,emotion\nawe\\1.jpg,awe\nawe/2.jpg,awe\n")
    hint = "paths on Windows have backslashes: write / in their place"
    with pytest.raises(DataError, match=hint):
        load_labelled(path)
    (finding,) = [f for f in check(read_manifest(path)).findings if f.kind == "missing-file"]
    assert hint in finding.message
    done = CliRunner().invoke(
        app, ["build", "csv", str(path), "--out", str(images / "out.csv"), "--strict"]
    )
    assert done.exit_code == 1
    assert hint in done.stderr


def test_no_entropy_is_zero_and_not_minus_zero(images: Path) -> None:
    path = _table(images, "image,p_awe,p_fear\nawe/1.jpg,1,0\nawe/2.jpg,1,0\n")
    done = CliRunner().invoke(app, ["stats", str(path)])
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("entropy")]
    assert "-0" not in line
    done = CliRunner().invoke(app, ["stats", str(path), "--format", "json"])
    assert "-0.0" not in json.dumps(json.loads(done.stdout)["entropy_bits"])
