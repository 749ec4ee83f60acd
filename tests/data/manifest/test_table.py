from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.conftest import MakeImage

from evoca.data.manifest.rejects import Reject, rejects_path, write_rejects
from evoca.data.manifest.table import Manifest, read_manifest
from evoca.errors import DataError

GOOD = """image,emotion,votes_awe,votes_fear,photographer,group,sha256
a.jpg, Awe ,3,1,"Li, Bo",7,
b.jpg,,2,2,,7,%s
"""


def _write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return read_manifest(_write(tmp_path / "m.csv", GOOD % ("AB" * 32)))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
def test_what_is_written_is_read_back(tmp_path: Path, manifest: Manifest, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    manifest.write(path)
    again = read_manifest(path)
    assert again.columns == manifest.columns
    assert list(again.rows(*again.columns)) == list(manifest.rows(*manifest.columns))
    assert list(tmp_path.glob(".*")) == []


def test_cells_are_cleaned_typed_and_ordered(manifest: Manifest) -> None:
    assert manifest.columns == (
        ("image", "emotion", "votes_awe", "votes_fear", "group", "sha256", "photographer")
    )
    assert manifest.texts("emotion").tolist() == ["awe", ""]
    assert manifest.texts("photographer").tolist() == ["Li, Bo", ""]
    assert manifest.texts("sha256")[1] == "ab" * 32
    assert [manifest.labels[c] if c >= 0 else "" for c in manifest.label_codes()] == ["awe", ""]
    counts = manifest.counts("votes_")
    assert counts is not None
    assert counts.sum(axis=1).tolist() == [4, 4]
    assert manifest.counts("disagree_") is None
    assert manifest.codes("group").tolist() == [0, 0]
    assert manifest.codes("url").tolist() == [-1, -1]
    assert np.isnan(manifest.numbers("valence")).all()


def test_types_of_unknown_columns_pass_through_parquet(tmp_path: Path, manifest: Manifest) -> None:
    extra = {"flag": np.array([True, False]), "score": np.array([0.25, np.nan])}
    manifest.with_columns(extra).write(tmp_path / "m.parquet")
    again = read_manifest(tmp_path / "m.parquet")
    assert list(again.rows("flag", "score")) == [(True, 0.25), (False, None)]


def test_a_changed_manifest_leaves_the_first_as_it_was(manifest: Manifest) -> None:
    changed = manifest.with_columns({"split": np.array(["val", ""], dtype=object)})
    shorter = changed.take(np.array([False, True])).without_columns("photographer")
    assert "split" not in manifest
    assert list(changed.rows("image", "split")) == [("a.jpg", "val"), ("b.jpg", None)]
    assert list(shorter.rows("image", "photographer")) == [("b.jpg", None)]
    assert len(shorter.with_columns({"x": np.array([1])})) == 1
    with pytest.raises(ValueError, match="split has 1 cell, the manifest 2 rows"):
        manifest.with_columns({"split": np.array(["val"], dtype=object)})


def test_many_rows_keep_their_order(tmp_path: Path) -> None:
    n = 250_000
    lines = "\n".join(f"{i}.jpg,g{i % 1000}" for i in range(n))
    manifest = read_manifest(_write(tmp_path / "m.csv", f"image,group\n{lines}\n"))
    number = np.arange(n)
    made = manifest.with_columns({"number": number}).take(number % 3 == 0)
    made = made.with_columns({"again": number[::3]})
    made.write(tmp_path / "m.parquet")
    again = read_manifest(tmp_path / "m.parquet")
    assert np.array_equal(again.numbers("number"), number[::3])
    assert np.array_equal(again.numbers("again"), number[::3])
    assert again.texts("image")[-1] == f"{number[::3][-1]}.jpg"
    assert np.array_equal(manifest.codes("group"), number % 1000)


def test_images_are_named_from_the_manifest_that_is_written(
    tmp_path: Path, make_image: MakeImage
) -> None:
    make_image(tmp_path / "set" / "awe" / "a.jpg")
    manifest = read_manifest(tmp_path / "set")
    manifest.write(tmp_path / "above.csv")
    manifest.write(tmp_path / "beside" / "m.csv")
    assert read_manifest(tmp_path / "above.csv").texts("image").tolist() == ["set/awe/a.jpg"]
    beside = read_manifest(tmp_path / "beside" / "m.csv")
    assert beside.texts("image").tolist() == [str(tmp_path / "set/awe/a.jpg")]
    assert beside.paths()[0].is_file()


def test_a_folder_of_class_folders_is_a_manifest(class_folders: Path) -> None:
    manifest = read_manifest(class_folders)
    assert manifest.texts("emotion").tolist() == ["fear"] * 2 + ["awe"] * 3
    assert all(path.is_file() for path in manifest.paths())


@pytest.mark.parametrize("name", ["a[1]*?.parquet", "it's.parquet", "ü \u2713.parquet"])
def test_odd_file_names(tmp_path: Path, manifest: Manifest, name: str) -> None:
    manifest.write(tmp_path / name)
    assert len(read_manifest(tmp_path / name)) == 2


BAD_ROWS = [
    ("image,votes_awe\n,1\n", "no image in this row"),
    ("image,votes_awe\na,-1\n", "votes_awe is -1, below zero"),
    ("image,votes_awe\na,2.5\n", "votes_awe is '2.5', not a whole number"),
    ("image,votes_awe\na,1e99\n", "votes_awe is '1e99', not a whole number"),
    ("image,disagree_awe\na,few\n", "disagree_awe is 'few', not a whole number"),
    ("image,emotion\na,joy\n", "unknown emotion 'joy'; the taxonomy has amusement, anger, awe"),
    ("image,emotion,taxonomy\na,awe,ekman6\n", "unknown emotion 'awe'; the taxonomy has anger"),
    ("image,taxonomy\na,mikels9\n", "unknown taxonomy 'mikels9'; use mikels8"),
    ("image,split\na,dev\n", "unknown split 'dev'; use train, val, test"),
    ("image,p_awe\na,nan\n", "p_awe is 'nan', not a finite number"),
    ("image,p_awe,p_fear\na,1.5,-.5\n", "p_fear is -.5, below zero"),
    ("image,p_awe,p_fear\na,.5,\n", "the distribution sums to 0.5, not 1"),
    ("image,valence_sd\na,-2\n", "valence_sd is -2, below zero"),
    ("image,valence\na,high\n", "valence is 'high', not a finite number"),
    ("image,width\na,0\n", "width is 0, below 1"),
    ("image,sha256\na,abc\n", "sha256 is 'abc', not 64 hexadecimal digits"),
    ("image,url\na\n", "1 cell, the header has 2"),
]


@pytest.mark.parametrize(("text", "cause"), BAD_ROWS, ids=[cause for _, cause in BAD_ROWS])
def test_a_bad_row_stops_or_is_listed(tmp_path: Path, text: str, cause: str) -> None:
    header = text.split("\n", 1)[0]
    good = "good.jpg" + "," * header.count(",")
    path = _write(tmp_path / "m.csv", f"{header}\n{good}\n" + text.split("\n", 1)[1])
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(f"{path}: row 3: {cause}")
    manifest = read_manifest(path, strict=False)
    assert manifest.texts("image").tolist() == ["good.jpg"]
    (reject,) = manifest.rejects
    assert (reject.file, reject.row) == (str(path), 3)
    assert reject.cause.startswith(cause)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("picture\na\n", "no column 'image'; the columns are picture"),
        ("image,votes_joy\na,1\n", "column votes_joy: unknown emotion 'joy'"),
        ("image,Emotion\na,awe\n", "column Emotion: call it emotion"),
        ("image,VOTES_awe\na,1\n", "column VOTES_awe: call it votes_awe"),
        ("image\n", "no rows"),
        ("image,split\na,dev\n", "no rows; the first of 1 bad row: .*unknown split 'dev'"),
    ],
)
def test_a_table_without_a_usable_row(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        read_manifest(_write(tmp_path / "m.csv", text), strict=False)


def test_rules_hold_for_typed_parquet_too(tmp_path: Path, manifest: Manifest) -> None:
    bad = manifest.with_columns({"votes_awe": np.array([2, -3]), "width": np.array([1.5, np.nan])})
    bad.write(tmp_path / "m.parquet")
    read = read_manifest
    with pytest.raises(DataError, match=r"m\.parquet: row 1: width is '1\.5', not a whole number"):
        read(tmp_path / "m.parquet")
    with pytest.raises(DataError, match="no rows"):
        read(tmp_path / "m.parquet", strict=False)


def test_a_column_may_begin_with_empty_cells(tmp_path: Path) -> None:
    n = 100_001
    lines = "\n".join(f"{i}.jpg," for i in range(n))
    path = _write(tmp_path / "m.csv", f"image,note\n{lines}\nlast.jpg,text\n")
    assert read_manifest(path).texts("note")[-1] == "text"


def test_rows_of_several_taxonomies_have_no_common_one(tmp_path: Path) -> None:
    text = "image,emotion,taxonomy\na,awe,mikels8\nb,joy,ekman6\nc,fear,\n"
    manifest = read_manifest(_write(tmp_path / "m.csv", text))
    assert manifest.labels[:2] == ("anger", "disgust")
    assert "awe" in manifest.labels
    with pytest.raises(DataError, match=r"several taxonomies \(ekman6, mikels8\)"):
        _ = manifest.taxonomy


def test_rejects_lie_beside_the_manifest_and_go_with_their_cause(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    reject = Reject("in, put.csv", 3, 'a "b".jpg', "votes_awe is -1, below zero")
    assert write_rejects([reject], path) == tmp_path / "m.rejects.csv"
    table = read_manifest(rejects_path(path))
    assert list(table.rows("file", "row", "image", "cause")) == [
        ("in, put.csv", "3", 'a "b".jpg', "votes_awe is -1, below zero")
    ]
    assert write_rejects([], path) is None
    assert not rejects_path(path).exists()


@pytest.mark.parametrize("name", ["m.txt", "m"])
def test_a_manifest_is_csv_or_parquet(tmp_path: Path, manifest: Manifest, name: str) -> None:
    with pytest.raises(DataError, match=r"ends in \.parquet or \.csv"):
        manifest.write(tmp_path / name)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"m\.csv: cannot be written"):
        manifest.write(tmp_path / "file" / "m.csv")
