"""Tagging as users run it: whole processes, ended at any moment."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path

import pytest

import samples
from evoca.errors import EvocaError
from evoca.images import ImageLimits
from evoca.tagger import Shard, TagSettings, Watcher, merge, tag, tagging
from evoca.tagger.inputs import list_inputs
from evoca.tagger.journal import journal_of
from evoca.tagger.reading import MemberReader

ROOT = Path(__file__).resolve().parents[2]
EVOCA = [sys.executable, "-c", "from evoca.cli import main; main()"]
NAMES = ("astronaut", "chelsea", "china", "coffee", "flower", "rocket")


def evoca(*arguments, **options):
    done = subprocess.run(
        [*EVOCA, *map(os.fspath, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=options.pop("cwd", ROOT),
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def fill(folder, count, first=0):
    """Small photographs, no two of which are the same."""
    folder.mkdir(exist_ok=True)
    for i in range(first, first + count):
        picture = samples.photo(NAMES[i % len(NAMES)], (80 + i % 7, 60 + i // 7))
        (folder / f"{i:04}.jpg").write_bytes(samples.encode(picture, "JPEG", quality=80))
    return folder


def rows(table):
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Count(Watcher):
    """Counts what is computed."""

    def __init__(self):
        self.computed = 0

    def advance(self, computed, unread):
        self.computed += computed


def tagged(paths, out, **settings):
    watcher = Count()
    done = tag([os.fspath(path) for path in paths], out, TagSettings(**settings), watcher)
    assert done.computed == watcher.computed
    return done


def test_the_rows_are_those_of_predict(tmp_path):
    status, out, err = evoca("tag", "examples", "--out", tmp_path / "tags.csv")
    assert (status, out) == (0, "")
    assert "6 images, 6 computed now, 0 could not be read" in err
    evoca("predict", "examples", "--out", tmp_path / "predicted.csv")
    assert (tmp_path / "tags.csv").read_bytes() == (tmp_path / "predicted.csv").read_bytes()


def test_what_cannot_be_read_is_a_row_and_the_others_go_on(tmp_path):
    folder = fill(tmp_path / "photos", 9)
    (folder / "0003.jpg").write_bytes((folder / "0003.jpg").read_bytes()[:300])
    (folder / "0005.jpg").write_bytes(b"")
    status, _, err = evoca("tag", folder, tmp_path / "gone.jpg", "--out", tmp_path / "t.csv")
    assert status == 1
    assert "1 could not be read: the file is empty" in err
    errors = [row["error"] for row in rows(tmp_path / "t.csv")]
    assert [i for i, error in enumerate(errors) if error] == [3, 5, 9]
    assert errors[9] == "no such file"


def test_only_what_is_new_or_has_changed_is_computed_again(tmp_path):
    folder, out = fill(tmp_path / "photos", 6), tmp_path / "tags.csv"
    (folder / "0002.jpg").write_bytes(b"")
    assert tagged([folder], out).computed == 6
    assert tagged([folder], out, resume=True).computed == 0
    fill(folder, 2, first=6)
    (folder / "0001.jpg").write_bytes((folder / "0004.jpg").read_bytes())
    (folder / "0003.jpg").unlink()
    assert tagged([folder], out, resume=True).computed == 3
    again = rows(out)
    tagged([folder], tmp_path / "anew.csv")
    assert again == rows(tmp_path / "anew.csv")
    # What could not be read is tried again only when that is asked for.
    assert tagged([folder], out, resume=True, retry_errors=True).computed == 1


def test_a_run_that_is_killed_goes_on_and_loses_and_repeats_nothing(tmp_path):
    folder = fill(tmp_path / "photos", 120)
    (folder / "0050.jpg").write_bytes(b"no image")
    tagged([folder], tmp_path / "clean.csv")
    out = tmp_path / "tags.csv"
    chance, kills = random.Random(0), 0
    while not out.exists():
        run = subprocess.Popen(
            [*EVOCA, "tag", str(folder), "--out", str(out), "--resume"],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            # Longer each time, so that a slow machine gets to the end as well.
            run.wait(timeout=chance.uniform(0.8, 3.0) * (1 + kills / 5))
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.wait()
            kills += 1
    assert run.returncode == 1  # the one that is no image
    assert out.read_bytes() == (tmp_path / "clean.csv").read_bytes()
    assert kills


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_an_interrupted_run_keeps_what_it_computed(tmp_path):
    folder, out = fill(tmp_path / "photos", 400), tmp_path / "tags.csv"
    run = subprocess.Popen(
        [*EVOCA, "tag", str(folder), "--out", str(out)], stderr=subprocess.PIPE, text=True
    )
    journal = journal_of(out)
    said = run.stderr.readline()
    assert "400 images to compute" in said
    written = out.with_name(f"{journal.name}-wal")
    before, deadline = written.stat().st_size, time.monotonic() + 60
    while time.monotonic() < deadline and written.stat().st_size == before:
        time.sleep(0.02)  # until the first images are recorded
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "interrupted; the same command with --resume goes on" in err
    with closing(sqlite3.connect(journal)) as db:
        known = db.execute("SELECT count(*) FROM image").fetchone()[0]
    assert 0 < known < 400
    assert tagged([folder], out, resume=True).computed == 400 - known


def test_an_image_that_ends_the_decoder_costs_itself_alone(tmp_path, monkeypatch):
    folder = fill(tmp_path / "photos", 6)
    # A decoder that crashes, in the process that decodes: what a fault in a C library does.
    crashing = tmp_path / "crashing"
    crashing.mkdir()
    (crashing / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'evoca.images.isolated' in sys.orig_argv:\n"
        "    import evoca.images.sources as sources\n"
        "    load = sources.load_image\n"
        "    def crash(source, *rest, **given):\n"
        "        if str(source).endswith('0002.jpg'):\n"
        "            os.abort()\n"
        "        return load(source, *rest, **given)\n"
        "    sources.load_image = crash\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(crashing))
    done = tagged([folder], tmp_path / "tags.csv")
    assert (done.images, done.unread) == (6, 1)
    assert "not what a photograph takes" in rows(tmp_path / "tags.csv")[2]["error"]


def test_another_model_prior_engine_or_share_is_refused(tmp_path):
    folder, out = fill(tmp_path / "photos", 3), tmp_path / "tags.csv"
    evoca("tag", folder, "--out", out)
    before = out.read_bytes()
    for option, wanted in (
        (["--prior", "balanced"], "prior natural, not balanced"),
        (["--shard", "1/2"], "shard 1/1, not 1/2"),
        (["--batch-size", "3"], "batch size 1, not 3"),
    ):
        status, _, err = evoca("tag", folder, "--out", out, "--resume", *option)
        assert (status, wanted in err, err.count("\n")) == (1, True, 1)
    status, _, err = evoca("tag", folder, "--out", out)
    assert (status, "--resume goes on with it" in err) == (1, True)
    other = tmp_path / "other.csv"
    other.write_text("mine\n")
    status, _, err = evoca("tag", folder, "--out", other, "--resume")
    assert (status, "no run of evoca tag" in err) == (1, True)
    assert (other.read_text(), out.read_bytes()) == ("mine\n", before)


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_a_share_out_of_range_is_refused(tmp_path, shard):
    status, _, err = evoca("tag", "examples", "--out", tmp_path / "t.csv", "--shard", shard)
    assert (status, list(tmp_path.iterdir())) == (2, [])
    assert shard in err


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_shares_join_to_what_one_run_writes(tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("duckdb")
    folder = fill(tmp_path / "photos", 7)
    parts = [tmp_path / f"part-{i}.{kind}" for i in (1, 2, 3)]
    for i, part in enumerate(parts, start=1):
        assert evoca("tag", folder, "--out", part, "--shard", f"{i}/3")[0] == 0
    whole, joined = tmp_path / f"whole.{kind}", tmp_path / f"joined.{kind}"
    evoca("tag", folder, "--out", whole)
    status, _, err = evoca("merge", parts[2], parts[0], parts[1], "--out", joined)
    assert (status, "7 images of 3 shares" in err) == (0, True)
    assert _content(joined) == _content(whole)
    for wrong, reason in (
        (parts[:2], "missing: the shares 3/3"),
        ([*parts, parts[0]], "the share 1/3 is given twice"),
        ([whole, *parts], "shares of different divisions"),
    ):
        status, _, err = evoca("merge", *wrong, "--out", tmp_path / f"wrong.{kind}")
        assert (status, reason in err, err.count("\n")) == (1, True, 1)
    status, _, err = evoca("merge", *parts, "--out", joined)
    assert (status, "exists already" in err) == (1, True)


def _content(table):
    if table.suffix != ".parquet":
        return table.read_bytes()
    import duckdb

    return duckdb.sql(f"SELECT * FROM read_parquet('{table}')").fetchall()


def test_shares_of_different_runs_do_not_join(tmp_path):
    folder = fill(tmp_path / "photos", 4)
    one, two = tmp_path / "1.csv", tmp_path / "2.csv"
    evoca("tag", folder, "--out", one, "--shard", "1/2")
    evoca("tag", folder, "--out", two, "--shard", "2/2", "--prior", "balanced")
    status, _, err = evoca("merge", one, two, "--out", tmp_path / "all.csv")
    assert (status, "shares of different runs: " in err) == (1, True)
    fill(folder, 1, first=4)
    two = tmp_path / "3.csv"
    evoca("tag", folder, "--out", two, "--shard", "2/2")
    status, _, err = evoca("merge", one, two, "--out", tmp_path / "all.csv")
    assert (status, "the images that were listed differ" in err) == (1, True)


def test_a_share_that_was_cut_off_does_not_join(tmp_path):
    folder, part = fill(tmp_path / "photos", 2), tmp_path / "1.csv"
    tagged([folder], part)
    assert merge([part], tmp_path / "all.csv") == 2
    part.write_bytes(b"".join(part.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(EvocaError, match="a copy that was cut off"):
        merge([part], tmp_path / "again.csv")


def test_shares_are_not_measured_since_all_must_compute_alike(tmp_path, monkeypatch):
    folder, said = fill(tmp_path / "photos", 4), []
    monkeypatch.setattr(tagging, "MEASURED_FROM", 2)
    monkeypatch.setattr(Watcher, "say", lambda _, line: said.append(line))
    tagged([folder], tmp_path / "1.csv", shard=Shard(1, 2))
    record = json.loads((tmp_path / "1.csv.run.json").read_text())
    assert (record["engine"], record["precision"]) == ("onnxruntime", "float32")
    assert record["batch size"] == "1"
    assert len(said) == 1
    assert "as every share takes it" in said[0]
    with pytest.raises(EvocaError, match="shares of different engines cannot be merged"):
        tagged([folder], tmp_path / "2.csv", shard=Shard(2, 2), engine="auto")
    assert not (tmp_path / "2.csv.journal").exists()


def test_a_run_that_could_not_start_has_not_begun(tmp_path):
    folder, out = fill(tmp_path / "photos", 1), tmp_path / "tags.csv"
    with pytest.raises(EvocaError):
        tagged([folder], out, engine="none", prior="balanced")
    out.write_text("mine\n")
    with pytest.raises(EvocaError, match=r"no tags\.csv\.journal of one beside it"):
        tagged([folder], out)
    assert out.read_text() == "mine\n"
    out.unlink()
    assert tagged([folder], out).images == 1


def test_lists_and_tables_may_name_addresses(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    here, there = fill(tmp_path / "my photos", 1) / "0000.jpg", "memory://listed/rocket.jpg"
    fsspec.filesystem("memory").pipe("/listed/rocket.jpg", here.read_bytes())
    (tmp_path / "list.txt").write_text(f"{here.as_uri()}\n{there}\nftp://127.0.0.1/a.jpg\n")
    lines = [f"{here.as_uri()},", f"{there},https://127.0.0.1/a.jpg", f"no.jpg,{there}"]
    (tmp_path / "manifest.csv").write_text("\n".join(["image,url", *lines, ""]))
    tagged([tmp_path / "list.txt", tmp_path / "manifest.csv"], tmp_path / "tags.csv")
    assert [(row["path"], row["error"]) for row in rows(tmp_path / "tags.csv")] == [
        (str(here), ""),
        (there, ""),
        ("ftp://127.0.0.1/a.jpg", "only http, https and files of this machine can be read"),
        (str(here), ""),
        (there, ""),
        (there, ""),
    ]


@pytest.mark.skipif(os.name == "nt", reason="such names are not possible there")
def test_names_of_any_characters_are_in_a_parquet(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    names = ["a\rb.jpg", "a\r\nb.jpg", 'a"b.jpg', "#c.jpg", "d\\.jpg", "e;f.jpg"]
    (tmp_path / "photos").mkdir()
    for name in names:
        (tmp_path / "photos" / name).write_bytes(b"no image")
    done = tagged([tmp_path / "photos"], tmp_path / "tags.parquet")
    assert (done.images, done.unread) == (6, 6)
    found = duckdb.sql(f"SELECT path FROM read_parquet('{tmp_path / 'tags.parquet'}')").fetchall()
    assert sorted(Path(path).name for (path,) in found) == sorted(names)


def test_archives_tables_lists_and_patterns_are_read(tmp_path):
    folder = fill(tmp_path / "photos", 4)
    with tarfile.open(tmp_path / "shard-000.tar", "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, f"{file.stem}.jpg")
    (tmp_path / "manifest.csv").write_text("image,emotion\nphotos/0001.jpg,awe\nno.jpg,fear\n")
    (tmp_path / "list.txt").write_text("# mine\nphotos/0002.jpg\n\n")
    inputs = ["shard-*.tar", "manifest.csv", "list.txt", "photos/000[01].jpg"]
    done = evoca("tag", *inputs, "--out", "tags.csv", cwd=tmp_path)
    assert done[0] == 1
    found = [(row["path"], row["error"]) for row in rows(tmp_path / "tags.csv")]
    assert found == [
        *((f"shard-000.tar/000{i}.jpg", "") for i in range(4)),
        ("photos/0001.jpg", ""),
        ("no.jpg", "no such file"),
        ("photos/0002.jpg", ""),
        ("photos/0000.jpg", ""),
        ("photos/0001.jpg", ""),
    ]
    members = rows(tmp_path / "tags.csv")[:2]
    assert members[1]["p_awe"] == rows(tmp_path / "tags.csv")[4]["p_awe"]


def test_an_image_that_is_named_twice_is_computed_once(tmp_path):
    folder = fill(tmp_path / "photos", 3)
    archived(folder, tmp_path / "a.tar")
    done = tagged([tmp_path / "a.tar", folder, tmp_path / "a.tar", folder], tmp_path / "tags.csv")
    assert (done.images, done.computed, done.unread) == (12, 6, 0)
    again = tagged([tmp_path / "a.tar"] * 2, tmp_path / "tags.csv", resume=True)
    assert (again.images, again.computed, again.unread) == (6, 0, 0)


def test_members_of_an_archive_are_read_in_any_order(tmp_path):
    folder = fill(tmp_path / "photos", 3)
    listed = list(list_inputs([os.fspath(archived(folder, tmp_path / "a.tar"))], print))
    with MemberReader(ImageLimits()) as reader:
        for one in (listed[2], listed[0], listed[0], listed[1]):
            assert reader.read(one) == (folder / one.member).read_bytes()


def archived(folder, archive):
    with tarfile.open(archive, "w") as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, file.name)
    return archive


def test_a_damaged_archive_gives_what_can_be_read_and_an_error(tmp_path):
    data = archived(fill(tmp_path / "photos", 4), tmp_path / "whole.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(data[: len(data) // 2])
    done = tagged([tmp_path / "cut.tar"], tmp_path / "tags.csv")
    assert 0 < done.unread < done.images < 6


def test_an_object_store_is_read(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for name in ("flower", "rocket"):
        store.pipe(f"/bucket/{name}.jpg", (ROOT / "examples" / f"{name}.jpg").read_bytes())
    store.pipe("/bucket/note.txt", b"text")
    done = tagged(["memory://bucket", "memory://bucket/none.jpg"], tmp_path / "tags.csv")
    assert [row["path"] for row in rows(tmp_path / "tags.csv")] == [
        "memory:///bucket/flower.jpg",
        "memory:///bucket/rocket.jpg",
        "memory://bucket/none.jpg",
    ]
    assert done.unread == 1


def test_archives_in_an_object_store_are_read(tmp_path):
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    data = archived(fill(tmp_path / "photos", 3), tmp_path / "a.tar").read_bytes()
    store.pipe({"/shards/a.tar": data, "/shards/b.tar": data[: len(data) // 2]})
    store.pipe("/shards/list.txt", b"a.jpg")
    paths = ["memory://shards/*.tar", "memory://shards/list.txt"]
    tagged(paths, tmp_path / "tags.csv")
    found = [(row["path"], row["error"]) for row in rows(tmp_path / "tags.csv")]
    assert found[:4] == [
        *((f"memory:///shards/a.tar/000{i}.jpg", "") for i in range(3)),
        ("memory:///shards/b.tar/0000.jpg", ""),
    ]
    assert found[-2] == ("memory:///shards/b.tar", "not a readable tar file: it ends too early")
    assert found[-1][1] == "a table or list: copy it to this machine first"
    store.rm("/shards/a.tar")
    done = tagged(paths[:1], tmp_path / "tags.csv", resume=True)
    assert done.computed == 0


def test_a_pattern_may_be_an_address_of_files(tmp_path):
    folder = fill(tmp_path / "my photos", 2)
    found = list_inputs([f"{folder.as_uri()}/*.jpg"], print)
    assert [one.path for one in found] == [str(folder / name) for name in ("0000.jpg", "0001.jpg")]


def test_names_that_are_not_utf8_are_tagged(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9 50%.jpg")
    try:
        shutil.copy(ROOT / "examples" / "flower.jpg", folder / name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    assert tagged([folder], tmp_path / "tags.csv").unread == 0
    assert rows(tmp_path / "tags.csv")[0]["path"].endswith("caf%E9 50%25.jpg")


def test_estimated_frequencies_are_those_of_the_images(tmp_path, shared_data):
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in sorted((shared_data / "oasis").rglob("*.jpg"))[:80]:
        (photos / photo.name).symlink_to(photo)
    status, _, err = evoca("tag", photos, "--out", tmp_path / "t.csv", "--prior", "estimate")
    assert status == 0
    assert "class frequencies estimated from" in err
    assert {row["prior"] for row in rows(tmp_path / "t.csv")} == {"estimate"}
    record = json.loads((tmp_path / "t.csv.run.json").read_text())
    assert sum(record["frequencies"].values()) == pytest.approx(1)


def test_inputs_are_listed_lazily(tmp_path):
    folder = fill(tmp_path / "photos", 3)
    listed = list_inputs([str(folder), "nowhere.tar"], print)
    assert next(listed).path == str(folder / "0000.jpg")
    assert [one.problem for one in listed][-1].startswith("cannot be read")
