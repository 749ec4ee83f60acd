from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("httpx2")

from PIL import Image
from typer.testing import CliRunner

from evoca.commands.data.app import app
from evoca.data.download.state import Ledger

ALLOW = ["--allow-network", "127.0.0.1", "--attempts", "1"]


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def links(site, encoded, acts, tmp_path):
    """A table with two good links, a dead one and a bad row."""
    site.add("/dead", b"", acts.status(404))
    table = [
        "url,votes_awe,note",
        f"{site.add('/a', encoded(1))},3,first",
        f"{site.add('/b', encoded(2))},0,",
        f"{site.url}/dead,2,",
        "nonsense,2,",
    ]
    path = tmp_path / "links.csv"
    path.write_text("\n".join(table))
    return path


def test_download_fills_a_manifest_and_a_table_of_rejects(links, site, tmp_path):
    out = tmp_path / "out"
    result = run("download", links, "--out", out, "--format", "json", *ALLOW)

    assert result.exit_code == 1, "a dead link is an input that failed"
    figures = json.loads(result.stdout)
    assert (figures["done"], figures["dead"], figures["bad_rows"]) == (2, 1, 1)
    assert figures["reasons"] == {"gone": 1}
    assert "links.csv: row 5: " in result.stderr
    manifest = rows_of(out / "manifest.csv")
    assert [(row["votes_awe"], row["note"]) for row in manifest] == [("3", "first"), ("0", "")]
    assert all((out / row["image"]).is_file() for row in manifest)
    assert [row["width"] for row in manifest] == ["256", "256"]
    rejects = rows_of(out / "manifest.rejects.csv")
    assert [(row["row"], row["reason"]) for row in rejects] == [("5", "bad row"), ("", "gone")]

    again = run("download", links, "--out", out, *ALLOW)
    assert "2 done" in again.stdout
    assert "1 dead: gone" in again.stdout
    assert len(site.log) == 3


def test_what_a_server_says_reaches_no_table_raw(site, tmp_path):
    def answer(handler, _page):
        handler.send_response(404, "\x1b[31mbad\x7f")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.add("/dead", b"", answer)
    path = tmp_path / "links.txt"
    path.write_text(f"{site.url}/dead")
    run("download", path, "--out", tmp_path / "out", *ALLOW)
    table = (tmp_path / "out" / "manifest.rejects.csv").read_text()
    assert "HTTP 404 \\x1b[31mbad\\x7f" in table
    assert table.replace("\n", "").isprintable()


def test_all_fetched_is_status_0(site, encoded, tmp_path):
    path = tmp_path / "links.txt"
    path.write_text(site.add("/a", encoded(1)))
    assert run("download", path, "--out", tmp_path / "out", *ALLOW).exit_code == 0


def test_strict_stops_at_the_first_bad_row(links, site, tmp_path):
    result = run("download", links, "--out", tmp_path / "out", "--strict", *ALLOW)
    assert result.exit_code == 1
    assert result.stderr.startswith("evoca: ")
    assert "row 5" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not site.log


@pytest.mark.parametrize(
    "arguments",
    [("download",), ("download", "x", "--out", "y", "--attempts", "0")],
)
def test_wrong_usage_is_status_2(arguments):
    assert run(*arguments).exit_code == 2


def test_a_list_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("download", "none.txt", "--out", "out")
    assert result.exit_code == 1
    assert "none.txt: cannot be read" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_interrupt_is_status_130_and_loses_nothing(site, encoded, acts, tmp_path):
    path = tmp_path / "links.txt"
    data = encoded(2)
    urls = [site.add("/a", encoded(1)), site.add("/b", data, acts.die_after(500, stall=True))]
    path.write_text("\n".join(urls))
    command = ["download", str(path), "--out", str(tmp_path / "out"), *ALLOW]
    child = subprocess.Popen(
        [sys.executable, "-c", "from evoca.commands.data.app import app; app()", *command],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    end = time.monotonic() + 20
    partials = tmp_path / "out" / ".partial"
    while not any(p.stat().st_size == 500 for p in partials.glob("*")):
        assert time.monotonic() < end
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    site.release.set()
    assert child.returncode == 130
    assert errors == "evoca: interrupted; run it again to go on\n"

    assert run(*command).exit_code == 0
    assert [r.start for r in site.requests("/b")] == [0, 500]
    assert site.sent("/b") == len(data)


def test_an_interrupt_does_not_wait_for_a_picture(site, tmp_path):
    """What it would have said of a picture that takes 5 s to decode is not known then."""
    picture = io.BytesIO()
    large = Image.effect_noise((60, 60), 90).resize((9_000, 9_000))
    large.save(picture, "JPEG", progressive=True, quality=5)
    data = picture.getvalue()
    last = data[data.rindex(b"\xff\xc4") : -2]
    slow = data[:-2] + last * 90 + data[-2:]
    url = site.add("/slow", slow)
    (tmp_path / "links.txt").write_text(url)
    command = ["download", str(tmp_path / "links.txt"), "--out", str(tmp_path / "out"), *ALLOW]
    child = subprocess.Popen(
        [sys.executable, "-c", "from evoca.commands.data.app import app; app()", *command],
        stderr=subprocess.PIPE,
        text=True,
    )
    partials = tmp_path / "out" / ".partial"
    while not any(p.stat().st_size == len(slow) for p in partials.glob("*")):
        assert child.poll() is None
        time.sleep(0.01)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (130, "evoca: interrupted; run it again to go on\n")
    ledger = Ledger(tmp_path / "out")
    try:
        assert len(ledger.to_fetch([url], retry_dead=False, refresh=False)) == 1
    finally:
        ledger.close()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_link_list_may_be_parquet(form, site, encoded, tmp_path):
    from evoca.data.manifest.table import read_manifest

    (tmp_path / "m.csv").write_text(
        f"image,emotion,url\nawe/1.jpg,awe,{site.add('/a', encoded(1))}"
    )
    source = tmp_path / f"links.{form}"
    read_manifest(tmp_path / "m.csv").write(source)
    assert run("download", source, "--out", tmp_path / "out", *ALLOW).exit_code == 0
    (row,) = rows_of(tmp_path / "out" / "manifest.csv")
    assert (row["image"], row["emotion"]) == ("images/awe/1.jpg", "awe")


def test_a_download_never_writes_over_its_own_list(links, site, tmp_path):
    kept = links.rename(tmp_path / "manifest.csv")
    text = kept.read_text()
    result = run("download", kept, "--out", tmp_path, *ALLOW)
    assert result.exit_code == 1
    assert "manifest.csv: is read, and would be written over" in result.stderr
    assert kept.read_text() == text
    assert not site.log


@pytest.mark.parametrize(
    ("command", "table"),
    [
        (("download", "links.txt"), "manifest.csv"),
        (("download", "links.txt"), "manifest.rejects.csv"),
        (("collect", "links.txt", "--no-serve"), "manifest.csv"),
        (("collect", "links.txt", "--no-serve"), "votes.csv"),
    ],
)
def test_a_folder_with_tables_from_elsewhere_is_refused(command, table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "links.txt").write_text("http://127.0.0.1/a.jpg\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / table).write_text("precious\n")
    result = run(*command, "--out", "out")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"evoca: out/{table}: is there already")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [table]
    assert (tmp_path / "out" / table).read_text() == "precious\n"
