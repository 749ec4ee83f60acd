"""The same folder to predict, stats, check and training: links, lost suffixes, other formats."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evoca.data.manifest.labelled import load_labelled
from evoca.errors import DataError
from evoca.images import LeftOut, find_images

EVOCA = [sys.executable, "-c", "from evoca.cli import main; main()"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs links to folders")


def evoca(*arguments):
    done = subprocess.run([*EVOCA, *map(str, arguments)], capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


OWN_SUFFIXES = [
    *("Dr. Smith 12.5", "IMG.thumb", "a.1700000000", "image.jpgx", "img.php", "photo.dat"),
    "x.jpg.txt",
]


@pytest.fixture
def folder(tmp_path, examples):
    """Class folders whose images a walk by suffix alone would not see."""
    photo, other = examples / "china.jpg", examples / "rocket.jpg"
    awe, elsewhere = tmp_path / "set" / "awe", tmp_path / "elsewhere"
    for made in (awe, elsewhere / "deep", tmp_path / "set" / "fear"):
        made.mkdir(parents=True)
    shutil.copy(photo, awe / "nosuffix")
    shutil.copy(photo, awe / "x.jpg.1")
    shutil.copy(photo, awe / "x.jpg_large")
    shutil.copy(photo, awe / "x.jpeg~")
    for name in OWN_SUFFIXES:
        shutil.copy(photo, awe / name)
    shutil.copy(other, elsewhere / "deep" / "rocket.jpg")
    store = tmp_path / "set" / ".store"
    (store / "more").mkdir(parents=True)
    (tmp_path / "set" / ".other").mkdir()
    shutil.copy(other, store / "hidden.jpg")
    shutil.copy(photo, store / "more" / "fear.jpg")
    shutil.copy(photo, tmp_path / "set" / ".other" / "anger.jpg")
    (tmp_path / "set" / "fear" / "stored").symlink_to(store)
    (tmp_path / "set" / "anger").symlink_to(tmp_path / "set" / ".other")
    (awe / "README").write_text("not an image")
    (awe / "list.jpg.txt").write_text("nor this")
    (awe / "drawing.psd").write_bytes(b"8BPS")
    (awe / "photo.jxl").write_bytes(b"\xff\x0a")
    (tmp_path / "set" / "fear" / "linked").symlink_to(elsewhere)
    (elsewhere / "loop").symlink_to(tmp_path / "set" / "fear")
    (elsewhere / "deep" / "up").symlink_to(elsewhere)
    (awe / "round").symlink_to(tmp_path)
    return tmp_path / "set"


def test_predict_stats_check_and_training_see_the_same_images(folder):
    status, out, err = evoca("predict", folder, "--format", "json")
    assert status == 0, err
    predicted = sorted(os.path.relpath(item["path"], folder) for item in json.loads(out))
    assert predicted == sorted(
        [
            *(f"awe/{name}" for name in OWN_SUFFIXES),
            *("awe/nosuffix", "awe/x.jpeg~", "awe/x.jpg.1", "awe/x.jpg_large"),
            *("fear/linked/deep/rocket.jpg", "fear/stored/hidden.jpg", "fear/stored/more/fear.jpg"),
            "anger/anger.jpg",
        ]
    )
    why = (
        "folders that are read already, by a link",
        "links to folders above this one",
        ".jxl, a format that is not read",
        ".psd, a format that is not read",
    )
    assert all(reason in err for reason in why), err
    assert len(err.splitlines()) == 1
    status, out, err = evoca("data", "stats", folder, "--format", "json")
    counts = json.loads(out)["counts"]
    assert (status, counts["awe"], counts["fear"], counts["anger"]) == (0, 11, 3, 1)
    assert all(reason in err for reason in why), err
    status, out, _ = evoca("data", "check", folder, "--format", "json")
    found = json.loads(out)
    assert found["images"] == 15
    left_out = [f["message"] for f in found["findings"] if f["kind"] == "left-out"]
    assert sorted(left_out) == sorted(f"left out: {reason}" for reason in why)
    labelled = load_labelled(folder)
    assert sorted(labelled.names) == predicted


def test_what_was_recognised_can_be_split_and_read_again(tmp_path, folder):
    status, _, err = evoca("data", "split", folder, "--out", tmp_path / "m.csv", "--no-files")
    assert status == 0, err
    assert "left out: " in err
    assert len(load_labelled(tmp_path / "m.csv")) == 15


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "build", "folder", "{}", "--out", "m.csv"),
        ("data", "build", "fi", "{}", "--out", "m.csv"),
        ("evaluate", "default", "--data", "{}", "--allow-missing"),
        ("probe", "default", "--data", "{}"),
    ],
)
def test_every_command_that_reads_a_folder_counts_what_it_leaves_out(
    tmp_path, folder, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)
    status, out, err = evoca(*(argument.format(folder) for argument in arguments))
    assert status == 0, err
    lines = [line for line in err.splitlines() if "left out: " in line]
    assert [".psd, a format that is not read" in line for line in lines] == [True], out + err


def test_training_counts_what_it_leaves_out(folder, monkeypatch):
    lab = pytest.importorskip("evoca.lab")
    said = []
    with pytest.raises(DataError, match="no image to train on"):
        lab.cross_validate("hog-svm", folder, options=lab.RunOptions(say=said.append))
    assert ["left out: " in line for line in said] == [True], said


def test_images_beside_class_folders_are_counted(folder, examples):
    shutil.copy(examples / "china.jpg", folder)
    for command in (("stats", folder), ("check", folder)):
        _, out, err = evoca("data", *command)
        assert "images beside the class folders" in out + err


def test_a_folder_reached_by_two_links_is_read_once(tmp_path, examples):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    shutil.copy(examples / "china.jpg", tmp_path / "real" / "deep")
    shutil.copy(examples / "china.jpg", tmp_path / "real" / "beside.jpg")
    walk = tmp_path / "walk"
    walk.mkdir()
    (walk / "a").symlink_to(tmp_path / "real" / "deep")
    (walk / "b").symlink_to(tmp_path / "real")
    left_out = LeftOut()
    found = [str(p.relative_to(walk)) for p in find_images(walk, on_left_out=left_out)]
    assert found == ["a/china.jpg", "b/beside.jpg"]
    assert len(left_out) == 1


def test_pipes_are_not_opened(tmp_path, examples):
    os.mkfifo(tmp_path / "pipe")
    shutil.copy(examples / "china.jpg", tmp_path / "a")
    assert list(find_images(Path(tmp_path))) == [tmp_path / "a"]
