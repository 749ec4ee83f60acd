from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.data.conftest import MakeImage
from typer.testing import CliRunner

from evoca.commands.data.app import app
from evoca.data.manifest.table import read_manifest
from evoca.emotions import MIKELS8
from website import make_picture


def _run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def source(tmp_path: Path, make_image: MakeImage) -> Path:
    for i in range(10):
        make_image(tmp_path / "set" / f"{i}.jpg", i)
    rows = "\n".join(f"{i}.jpg,{4 - i % 3},{i % 3},g{i // 2}" for i in range(10))
    path = tmp_path / "set" / "t.csv"
    path.write_text(f"file,votes_awe,votes_fear,group\n{rows}\n")
    return path


def test_from_a_data_set_to_a_checked_split(tmp_path: Path, source: Path) -> None:
    built, split = tmp_path / "m.parquet", tmp_path / "split.csv"
    status, out, err = _run("build", "csv", source, "--out", built, "--column", "file=image")
    assert (status, err) == (0, "")
    assert f"{built}: 10 images" in out
    assert "3 of them have no single label" in out

    status, out, _ = _run("votes", built, "--format", "json")
    assert status == 0
    assert json.loads(out)["plurality"] == {
        "kept": 10,
        "labelled": 7,
        "tied": 3,
        "by_emotion": dict.fromkeys(map(str, MIKELS8), 0) | {"awe": 7},
    }

    status, out, err = _run("split", built, "--out", split, "--ratio", "80/20", "--seed", 3)
    assert status == 0
    assert "all labelled" in out
    assert set(read_manifest(split).texts("split")) == {"train", "test"}

    status, out, _ = _run("check", split, "--format", "json")
    assert status == 0
    assert json.loads(out)["ok"] is True

    sheet = tmp_path / "sheet.html"
    status, out, err = _run("stats", split, "--sizes", "--contact-sheet", sheet, "--format", "json")
    assert status == 0
    assert json.loads(out)["width"]["median"] == 32
    assert f"wrote {sheet}" in err
    assert sheet.is_file()

    labelled = tmp_path / "majority.csv"
    status, out, _ = _run("votes", built, "--rule", "majority", "--out", labelled)
    assert status == 0
    assert "7 images, 7 labelled by majority" in out
    assert set(read_manifest(labelled).texts("emotion")) == {"awe"}


def test_tables_are_plain_text(source: Path, tmp_path: Path) -> None:
    built = tmp_path / "m.csv"
    _run("build", "csv", source, "--out", built, "--column", "file=image")
    for command in ("votes", "stats", "check"):
        status, out, _ = _run(command, built)
        assert status == 0
        assert "\x1b" not in out
    status, out, _ = _run("votes", built)
    assert [line.split() for line in out.splitlines() if line.startswith("tied")] == [
        ["tied", "3", "0", "0", "3", "0"]
    ]
    status, out, _ = _run("stats", built)
    assert "human ceiling" in out


def test_folds(source: Path, tmp_path: Path) -> None:
    built, out = tmp_path / "m.csv", tmp_path / "folds.csv"
    _run("build", "csv", source, "--out", built, "--column", "file=image")
    status, text, _ = _run("split", built, "--out", out, "--folds", 5, "--repeats", 2)
    assert (status, text) == (0, f"{out}: 5 folds, 2 times\n")
    assert sorted(set(read_manifest(out).numbers("fold_2"))) == [0, 1, 2, 3, 4]


def test_refused_rows_make_the_status_1(source: Path, tmp_path: Path) -> None:
    with source.open("a") as file:
        file.write("gone.jpg,1,0,g\n../x.jpg,1,0,g\n\n0.jpg,-1,0,g\n")
    built = tmp_path / "m.csv"
    status, out, err = _run("build", "csv", source, "--out", built, "--column", "file=image")
    assert status == 1
    assert "10 images" in out
    assert f"evoca: {source}: row 12: no such file: gone.jpg" in err
    assert "row 15: votes_awe is -1, below zero" in err
    assert f"3 rows refused, listed in {tmp_path / 'm.rejects.csv'}" in err
    status, out, err = _run(
        "build", "csv", source, "--out", tmp_path / "s.csv", "--column", "file=image", "--strict"
    )
    assert (status, out) == (1, "")
    assert err == f"evoca: {source}: row 12: no such file: gone.jpg\n"


def test_a_leak_makes_the_status_1(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,emotion,split,group\na,awe,train,g\nb,awe,test,g\n")
    status, out, _ = _run("check", path, "--no-files")
    assert status == 1
    assert "leak-group (1): duplicate groups are in several splits" in out
    assert "g: test, train" in out


def test_a_published_split_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,emotion,split\na,awe,train\nb,awe,test\n")
    status, _, err = _run("split", path, "--out", tmp_path / "o.csv")
    assert status == 0
    assert "the split that is there is kept" in err
    assert read_manifest(tmp_path / "o.csv").texts("split").tolist() == ["train", "test"]


def test_a_folder_is_taken_wherever_a_manifest_is(class_folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.parquet"
    assert _run("stats", class_folders)[0] == 0
    assert _run("check", class_folders)[0] == 0
    assert _run("split", class_folders, "--out", out)[0] == 0
    assert _run("duplicates", class_folders)[0] == 0
    assert _run("votes", class_folders)[2].endswith("set: no votes (columns votes_<emotion>)\n")


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("how", [["--ratio", "80/20"], ["--folds", "2"]])
def test_near_copies_stay_together_where_no_group_is_given(
    tmp_path: Path, how: list[str], form: str
) -> None:
    rows = []
    for n in range(4):
        for size, name in (((256, 192), f"{n}.png"), ((128, 96), f"{n}-small.jpg")):
            make_picture(n, size).save(tmp_path / name)
            rows.append(f"{name},{'awe' if n % 2 else 'fear'}")
    (tmp_path / "m.csv").write_text("image,emotion\n" + "\n".join(rows))
    source, out = tmp_path / f"m.{form}", tmp_path / "out.parquet"
    read_manifest(tmp_path / "m.csv").write(source)

    status, _, err = _run("split", source, "--out", out, *how)
    assert status == 0
    assert "4 near-duplicate clusters (8 images) among 8 images; each stays together" in err
    divided = read_manifest(out)
    column = "fold" if "--folds" in how else "split"
    pairs = divided.codes(column).reshape(4, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()
    assert len(set(divided.texts("group"))) == 4
    assert _run("check", out)[0] == 0

    status, _, err = _run("split", source, "--out", out, *how, "--no-files")
    assert status == 0
    assert "no column group, and images are not looked at" in err
    assert "group" not in read_manifest(out)


@pytest.mark.parametrize("groups", ["x.......", "01234567", "01100..."])
def test_given_groups_are_joined_with_near_copies(tmp_path: Path, groups: str) -> None:
    rows = []
    for n in range(4):
        for size, name in (((256, 192), f"{n}.png"), ((128, 96), f"{n}-small.jpg")):
            make_picture(n, size).save(tmp_path / name)
            rows.append(f"{name},awe,{groups[len(rows)].strip('.')}")
    (tmp_path / "m.csv").write_text("image,emotion,group\n" + "\n".join(rows))

    status, _, err = _run("split", tmp_path / "m.csv", "--out", tmp_path / "s.csv", "--folds", "2")
    assert status == 0
    assert "4 near-duplicate clusters (8 images) among 8 images; each stays together" in err
    pairs = read_manifest(tmp_path / "s.csv").codes("fold").reshape(4, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()

    status, out, _ = _run("duplicates", tmp_path / "m.csv", "--out", tmp_path / "d.csv")
    assert status == 0
    assert "4 clusters of copies" in out
    names = read_manifest(tmp_path / "d.csv").texts("group").tolist()
    joined = {"x.......": 4, "01234567": 4, "01100...": 2}
    assert len(set(names)) == joined[groups]
    assert names[0] == groups[0]  # a name that was given is kept


def test_groups_that_two_manifests_name_alike_stay_apart(tmp_path: Path) -> None:
    for name, seeds in (("a", (0, 1)), ("b", (2, 3))):
        for n in seeds:
            make_picture(n).save(tmp_path / f"{n}.png")
        rows = "".join(f"{n}.png,awe,1\n" for n in seeds)
        (tmp_path / f"{name}.csv").write_text("image,emotion,group\n" + rows)
    _run("duplicates", tmp_path / "a.csv", tmp_path / "b.csv", "--out", tmp_path / "o.csv")
    names = read_manifest(tmp_path / "o.csv").texts("group").tolist()
    assert names == ["a: 1", "a: 1", "b: 1", "b: 1"]


def test_a_list_without_images_is_divided_with_a_word_about_copies(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image,votes_awe\na,2\nb,1\n")
    status, _, err = _run("split", tmp_path / "m.csv", "--out", tmp_path / "o.csv")
    assert status == 0
    assert "no column group, and no image is there: near-duplicates may be divided" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["build", "fii", "x", "--out", "m.csv"], "did you mean fi"),
        (["build", "csv", "x"], "--out"),
        (["build", "csv", "x", "--out", "m.csv", "--column", "image"], "not THEIRS=OURS"),
        (["votes", "m.csv", "--rule", "plurality"], "--rule and --out go together"),
        (["split", "m.csv", "--out", "o.csv", "--folds", "1"], "--folds"),
        (["stats", "m.csv", "--format", "xml"], "--format"),
    ],
)
def test_wrong_usage_has_the_status_2(arguments: list[str], says: str) -> None:
    status, out, err = _run(*arguments)
    assert (status, out) == (2, "")
    assert says in err


@pytest.mark.parametrize("command", ["stats", "check", "votes"])
def test_a_missing_manifest_is_one_line(command: str, tmp_path: Path) -> None:
    status, out, err = _run(command, tmp_path / "gone.csv")
    assert (status, out) == (1, "")
    assert err == f"evoca: {tmp_path / 'gone.csv'}: no such file or folder\n"


def test_a_name_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,emotion,split\n\x1b[31mred,awe,train\n\x1b[31mred,awe,test\n")
    status, out, _ = _run("check", path, "--no-files")
    assert status == 1
    assert "\x1b" not in out


def test_without_duckdb_one_line_says_what_to_install(class_folders: Path, tmp_path: Path) -> None:
    """A package that cannot be imported stands in for one that is not installed."""
    (tmp_path / "duckdb.py").write_text("raise ImportError('blocked')")
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": paths}

    def run(code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run(f"from evoca.commands.data.app import app; app(['stats', {str(class_folders)!r}])")
    assert done.returncode == 1
    assert done.stderr.startswith("evoca: reading and writing tables needs the package duckdb")
    assert "pip install '.[data]' in " in done.stderr
    table = tmp_path / "m.csv"
    table.write_text("image,emotion\nset/awe/a0.jpg,awe\n")
    base = "from evoca.data.manifest.labelled import load_labelled as l; print(len(l({!r})))"
    assert run(base.format(str(class_folders))).stdout == "5\n"
    assert run(base.format(str(table))).stdout == "1\n"


@pytest.mark.parametrize("link", [False, True])
def test_what_would_lose_rows_is_not_written_over_its_source(tmp_path: Path, link: bool) -> None:
    source = tmp_path / "m.csv"
    source.write_text("image,votes_awe,votes_fear\na,2,0\nb,1,1\n")
    text = source.read_bytes()
    out = source
    if link:
        out = tmp_path / "link.csv"
        out.symlink_to(source)
    commands = [
        ("build", "csv", source),
        ("votes", source, "--rule", "majority"),
        ("duplicates", source),
    ]
    for command in commands:
        status, printed, err = _run(*command, "--out", out)
        assert (status, printed) == (1, "")
        assert (
            err == f"evoca: {source}: is read, and would be written over: give --out another name\n"
        )
        assert source.read_bytes() == text


def test_a_table_of_the_source_is_not_written_over(class_folders: Path) -> None:
    theirs = class_folders / "ratings.csv"
    theirs.write_text("Theme,Valence_mean\nAcorns,4\n")
    status, _, err = _run("build", "folder", class_folders, "--out", theirs)
    assert (status, err) == (
        1,
        f"evoca: {theirs}: belongs to the data set that is read: give --out another name\n",
    )
    assert theirs.read_text() == "Theme,Valence_mean\nAcorns,4\n"
    ours = class_folders / "manifest.csv"
    for _ in range(2):
        assert _run("build", "folder", class_folders, "--out", ours)[0] == 0


def test_a_rule_that_keeps_all_rows_may_write_over_its_source(tmp_path: Path) -> None:
    source = tmp_path / "m.csv"
    source.write_text("image,votes_awe,votes_fear\na,2,0\nb,1,1\n")
    rule = ("votes", source, "--rule", "majority", "--out", source)
    assert "would be written over" in _run(*rule)[2]
    assert _run(*rule, "--keep-all")[0] == 0
    assert read_manifest(source).texts("emotion").tolist() == ["awe", ""]


def test_check_names_the_first_of_many_and_counts_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,emotion\n" + "".join(f"{i}.jpg,awe\n" for i in range(7)))
    lines = _run("check", path)[1].splitlines()
    start = lines.index("problem  missing-file (7): images are not there")
    assert lines[start + 5 : start + 7] == [
        "    4.jpg",
        "    and 2 more: --format json names them",
    ]
    found = json.loads(_run("check", path, "--format", "json")[1])["findings"]
    assert [f["examples"] for f in found if f["kind"] == "missing-file"] == [
        [f"{i}.jpg" for i in range(7)]
    ]
    assert _run("check", path, "--verify", "--no-files")[0] == 2


@pytest.mark.parametrize("options", [("--out", "s.xlsx"), ("--out", "s.csv", "--ratio", "90/20")])
def test_what_a_split_cannot_use_is_refused_before_images_are_compared(
    class_folders: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.chdir(class_folders)
    status, out, err = _run("split", class_folders, *options)
    assert (status, out, len(err.splitlines())) == (1, "", 1)


def test_a_column_named_for_no_use_is_told(tmp_path: Path, source: Path) -> None:
    mapping = ("--column", "file=image", "--column", "group=emotoin")
    status, _, err = _run("build", "csv", source, "--out", tmp_path / "m.csv", *mapping)
    assert status == 0
    assert err == "evoca: --column emotoin: no column of a manifest; it passes through\n"
