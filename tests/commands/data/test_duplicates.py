from __future__ import annotations

import csv
import json

import pytest

pytest.importorskip("imagehash")

from typer.testing import CliRunner

from evoca.commands.data.app import app


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_duplicates_across_a_manifest_and_a_folder(picture, tmp_path):
    (tmp_path / "fi" / "awe").mkdir(parents=True)
    picture(1).save(tmp_path / "fi" / "awe" / "one.jpg")
    picture(2).save(tmp_path / "fi" / "awe" / "two.jpg")
    picture(1).save(tmp_path / "copy.png")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "fi" / "awe" / "two.jpg").read_bytes()[:900])
    manifest = tmp_path / "other.csv"
    manifest.write_text("image,emotion\ncopy.png,fear\ncut.jpg,awe\n")
    out = tmp_path / "groups.csv"

    result = run("duplicates", manifest, tmp_path / "fi", "--format", "json", "--out", out)

    assert result.exit_code == 1, "an unreadable image is an input that failed"
    report = json.loads(result.stdout)
    (cluster,) = report["clusters"]
    assert cluster["labels"] == ["awe", "fear"]
    assert report["conflicts"] == [cluster["group"]]
    assert [item["image"] for item in report["unreadable"]] == ["cut.jpg"]
    rows = rows_of(out)
    assert [row["image"] for row in rows] == [
        "copy.png",
        "cut.jpg",
        "fi/awe/one.jpg",
        "fi/awe/two.jpg",
    ]
    assert [row["source"] for row in rows] == ["other", "other", "fi", "fi"]
    assert rows[0]["group"] == rows[2]["group"] == cluster["group"]
    assert rows[1]["group"] == rows[1]["sha256"][:16], "a damaged file is a cluster of its own"
    assert (rows[0]["width"], rows[1]["width"]) == ("256", "")

    table = run("duplicates", manifest, tmp_path / "fi", "--threshold", "0")
    assert "1 unreadable image\n" in table.stdout
    assert "truncated" in table.stdout


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_groups_of_one_manifest_are_written_into_it(form, picture, tmp_path):
    from evoca.data.manifest.table import read_manifest

    for n, name in enumerate(("a.jpg", "b.jpg")):
        picture(n).save(tmp_path / name)
    picture(0).save(tmp_path / "c.png")
    (tmp_path / "m.csv").write_text(
        "image,emotion,votes_awe,photographer\na.jpg,awe,3,Ada\nb.jpg,fear,0,Bela\nc.png,awe,2,\n"
    )
    source, out = tmp_path / f"m.{form}", tmp_path / "sub" / f"grouped.{form}"
    read_manifest(tmp_path / "m.csv").write(source)

    assert run("duplicates", source, "--out", out).exit_code == 0

    grouped = read_manifest(out)
    group = grouped.texts("group")
    assert group[0] == group[2] != group[1]
    assert grouped.texts("photographer").tolist() == ["Ada", "Bela", ""]
    assert grouped.counts("votes_").sum() == 5
    assert all(path.is_file() for path in grouped.paths())
    assert grouped.numbers("width").tolist() == [256, 256, 256]


def test_a_folder_that_is_none_of_class_folders_is_searched_too(picture, tmp_path):
    for name in ("old/fear/a.png", "copy.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture(1).save(tmp_path / name)
    report = json.loads(run("duplicates", tmp_path, "--format", "json").stdout)
    (cluster,) = report["clusters"]
    assert cluster["exact"] is True
    assert {item["image"]: item["emotion"] for item in cluster["images"]} == {
        "copy.png": "",
        "old/fear/a.png": "fear",
    }


def test_bad_rows_are_reported_and_the_rest_is_searched(picture, tmp_path):
    picture(1).save(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("image,emotion\na.png,awe\nb.png,joy\n")
    result = run("duplicates", tmp_path / "m.csv")
    assert result.exit_code == 1
    assert "1 image" in result.stdout
    assert "row 3: unknown emotion 'joy'" in result.stderr


def test_no_manifest_is_status_2():
    assert run("duplicates").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none",), "none: no such file or folder"),
        (("none.csv", "--out", "x.txt"), "a manifest's name ends in"),
        ((".",), "no images in this folder"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("duplicates", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
