"""What one command writes, the others read, or say what to do with it."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EVOCA = [sys.executable, "-c", "from evoca.cli import main; main()"]


def evoca(*arguments: object, cwd: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [*EVOCA, *map(os.fspath, arguments)],
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        timeout=300,
        env={**os.environ, "EVOCA_LEDGER": "off"},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Class folders of four of the example photographs, and a file that is none."""
    for i, photo in enumerate(sorted((ROOT / "examples").glob("*.jpg"))[:4]):
        folder = tmp_path / "photos" / ("awe" if i % 2 else "fear")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, folder)
    (tmp_path / "photos" / "awe" / "broken.jpg").write_bytes(b"\xff\xd8\xffno more")
    return tmp_path


@pytest.fixture
def table(photos: Path) -> Path:
    """What predict writes of them."""
    status, out, _ = evoca("predict", "photos", "--format", "csv", cwd=photos)
    assert status == 1
    (photos / "preds.csv").write_text(out, encoding="utf-8")
    return photos / "preds.csv"


def test_evaluate_reads_the_table_of_predict(photos: Path, table: Path) -> None:
    evaluated = ["evaluate", table.name, "--data", "photos", "--allow-missing", "--format", "json"]
    status, out, _ = evoca(*evaluated, cwd=photos)
    found = json.loads(out)
    assert status == 1
    assert (found["n"], found["unreadable"]) == (4, 1)
    (photos / "photos" / "awe" / "broken.jpg").unlink()
    _, same, _ = evoca("evaluate", "default", *evaluated[2:], cwd=photos)
    assert found["confusion"] == json.loads(same)["confusion"]
    # A table has fewer digits than a model gives.
    assert found["nll"]["value"] == pytest.approx(json.loads(same)["nll"]["value"], abs=1e-6)


def test_data_reads_path_as_image(photos: Path, table: Path) -> None:
    status, out, err = evoca("data", "stats", table.name, "--format", "json", cwd=photos)
    assert status == 0, err
    assert json.loads(out)["images"] == 5


def test_build_reads_path_as_image(photos: Path, table: Path) -> None:
    status, _, err = evoca("data", "build", "csv", table.name, "--out", "built.csv", cwd=photos)
    assert status == 0, err
    status, out, err = evoca("data", "stats", "built.csv", "--format", "json", cwd=photos)
    assert status == 0, err
    assert json.loads(out)["images"] == 5


def test_predictions_as_json_are_told_apart_from_a_table(photos: Path) -> None:
    _, out, _ = evoca("predict", "photos", "--format", "json", cwd=photos)
    (photos / "preds.json").write_text(out)
    status, _, err = evoca("evaluate", "preds.json", "--data", "photos", cwd=photos)
    assert status == 1
    assert "preds.json: predictions are read from a CSV or Parquet table" in err
    assert "evoca predict --format csv" in err


@pytest.mark.parametrize("command", [["report"], ["compare"]])
def test_a_table_in_the_place_of_a_run_is_told_apart(
    command: list[str], photos: Path, table: Path
) -> None:
    more = ["--out", "r.html"] if command == ["report"] else [table.name]
    status, _, err = evoca(*command, table.name, *more, cwd=photos)
    assert status != 0
    assert "preds.csv: a table, not a run directory" in err
    assert "evoca evaluate TABLE" in err


def test_a_run_in_the_place_of_a_bundle_is_told_apart(photos: Path) -> None:
    shutil.rmtree(photos / "photos" / "awe")
    (photos / "photos" / "awe").mkdir()
    shutil.copy(ROOT / "examples" / "china.jpg", photos / "photos" / "awe")
    evaluated = ["evaluate", "default", "--data", "photos", "--allow-missing", "--out", "run"]
    status, _, err = evoca(*evaluated, cwd=photos)
    assert status == 0, err
    status, _, err = evoca("predict", "photos", "--model", "run", cwd=photos)
    assert status != 0
    assert "run: a run directory, not a model bundle" in err
    assert "evoca export run --out BUNDLE" in err
    pytest.importorskip("torch", reason="needs evoca[train]")
    status, _, err = evoca("export", "run", "--out", "bundle", cwd=photos)
    assert status != 0
    assert "run: an evaluation, not a training: nothing to export" in err


def test_addresses_of_other_kinds(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    shutil.copy(ROOT / "examples" / "china.jpg", tmp_path / "a b")
    local = (tmp_path / "a b").as_uri()
    given = [f"{local}/china.jpg", local, "ftp://example.org/a.jpg", "file://elsewhere/a.jpg"]
    status, out, _ = evoca("predict", *given, "--format", "csv", cwd=tmp_path)
    one, also, *refused = csv.DictReader(io.StringIO(out))
    assert (status, one["path"], also["path"]) == (1, *[str(tmp_path / "a b" / "china.jpg")] * 2)
    assert [row["path"] for row in refused] == given[2:]
    assert all(row["error"].startswith("only http, https and files of this") for row in refused)


def test_backslashes_in_names_are_hinted_at(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image,emotion\nawe\\1.jpg,awe\n")
    for command in (["evaluate", "default", "--allow-missing", "--data", "m.csv"], ["predict"]):
        status, _, err = evoca(*command, *(["awe\\1.jpg"] * (len(command) == 1)), cwd=tmp_path)
        assert status == 1
        assert "no such file (paths on Windows have backslashes: write / in their place)" in err


def test_an_address_is_fetched_under_the_rules_of_a_download(tmp_path: Path) -> None:
    pytest.importorskip("httpx2", reason="needs evoca[data]")
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=ROOT / "examples",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split("port ")[1].split()[0]
        good = f"http://127.0.0.1:{port}/china.jpg"
        gone = f"http://127.0.0.1:{port}/gone.jpg"
        status, out, err = evoca("predict", good, "--format", "json", cwd=tmp_path)
        (refused,) = json.loads(out)
        assert (status, refused["path"]) == (1, good)
        assert "127.0.0.1 is a loopback address" in refused["error"]
        wanted = [good, gone, ROOT / "examples" / "china.jpg"]
        allowed = ["--allow-network", "127.0.0.1", "--format", "csv"]
        status, out, err = evoca("predict", *wanted, *allowed, cwd=tmp_path)
        fetched, missing, local = csv.DictReader(io.StringIO(out))
        assert status == 1
        assert fetched["path"] == good
        assert fetched["sha256"] == local["sha256"]
        assert fetched["emotion"] == local["emotion"]
        assert float(fetched["p_awe"]) == pytest.approx(float(local["p_awe"]), abs=1e-6)
        assert (missing["path"], missing["emotion"]) == (gone, "")
        assert "404" in missing["error"]
        assert gone in err
    finally:
        server.terminate()
        server.communicate()
