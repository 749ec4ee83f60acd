from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tests.data.conftest import MakeImage

from evoca.data.manifest.labelled import load_labelled
from evoca.data.manifest.table import read_manifest
from evoca.errors import DataError

TABLE = """image,emotion,votes_awe,votes_fear,split,group,valence,source
a.jpg,awe,3,1,train,g1,5.5,x
b.jpg,,2,2,val,,,x
c.jpg, Fear ,0,4,Test,g1,2.25,y
"""


def _write(folder: Path, text: str, form: str) -> Path:
    path = folder / "m.csv"
    path.write_text(text, encoding="utf-8")
    if form == "parquet":
        read_manifest(path).write(folder / "m.parquet")
        path = folder / "m.parquet"
    return path


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_reads_a_manifest_alike_in_both_forms(tmp_path: Path, form: str) -> None:
    data = load_labelled(_write(tmp_path, TABLE, form), require_files=False)
    assert data.names == ("a.jpg", "b.jpg", "c.jpg")
    assert data.paths[0] == tmp_path / "a.jpg"
    assert [data.labels[t] if t >= 0 else None for t in data.truth] == ["awe", None, "fear"]
    assert data.groups[0] == data.groups[2] != data.groups[1]
    assert data.has_groups
    assert data.split.tolist() == ["train", "val", "test"]
    assert data.distribution is not None
    awe, fear = data.labels.index("awe"), data.labels.index("fear")
    assert data.distribution[:, [awe, fear]].tolist() == [[0.75, 0.25], [0.5, 0.5], [0.0, 1.0]]
    assert data.affect is not None
    assert np.array_equal(data.affect[:, 0], [5.5, np.nan, 2.25], equal_nan=True)
    assert np.isnan(data.affect[:, 1]).all()


def test_without_an_emotion_column_the_unique_maximum_is_the_label(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,votes_awe,votes_fear\na,2,1\nb,1,1\nc,0,0\nd,,3\n")
    data = load_labelled(path, require_files=False)
    assert [data.labels[t] if t >= 0 else "" for t in data.truth] == ["awe", "", "", "fear"]
    assert data.distribution is not None
    assert np.isnan(data.distribution[2]).all()
    assert not data.has_groups
    assert len(set(data.groups)) == 4


def test_agreement_with_one_proposed_emotion_is_no_distribution(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,emotion,votes_awe,disagree_awe\na,awe,2,3\n")
    assert load_labelled(path, require_files=False).distribution is None


def test_class_folders(class_folders: Path) -> None:
    data = load_labelled(class_folders)
    assert len(data) == 5
    assert data.labels[0] == "amusement"
    assert len(data.labels) == 8
    assert data.names[0] == "Fear/f0.png"
    assert sorted(data.labels[t] for t in data.truth) == ["awe"] * 3 + ["fear"] * 2
    assert set(data.split) == {""}


def test_split_folders_above_the_class_folders(tmp_path: Path, make_image: MakeImage) -> None:
    for i, split in enumerate(("train", "validation", "test")):
        make_image(tmp_path / split / "awe" / "x.jpg", i)
    assert load_labelled(tmp_path).split.tolist() == ["test", "train", "val"]


def test_a_name_that_is_no_utf8_is_kept_printable(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "awe" / os.fsdecode(b"caf\xe9.jpg"))
    data = load_labelled(tmp_path)
    assert data.names == ("awe/caf%E9.jpg",)
    assert len(data.file_hashes()[0]) == 64


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image,emotion\na,joy\nb,joy\n", r"row 2: unknown emotion 'joy'.*\(and 1 more row\)"),
        ("image,votes_joy\na,1\n", "column votes_joy: unknown emotion 'joy'"),
        ("image,votes_awe\na,-1\n", "row 2: votes_awe is -1, below zero"),
        ("image,votes_awe\na,many\n", "row 2: votes_awe is 'many', not a whole number"),
        ("image,p_awe\na,inf\n", "row 2: p_awe is 'inf', not a finite number"),
        ("image,p_awe,p_fear\na,.5,.2\n", "row 2: the distribution sums to 0.7, not 1"),
        ("image,split\na,dev\n", "row 2: unknown split 'dev'"),
        ("image,emotion\na,awe\n,awe\n", "row 3: no image in this row"),
        ("picture,emotion\na,awe\n", "no column 'image'; the columns are picture, emotion"),
        ("image\n", "no rows"),
        ("image,emotion\na\n", "row 2: 1 cell, the header has 2"),
        ("image,taxonomy\na,mikels8\nb,ekman6\n", "several taxonomies"),
        ("image,taxonomy\na,mikels9\n", "row 2: unknown taxonomy 'mikels9'"),
        ("image\na\n", "1 of 1 image is not there, first .*a; paths are relative"),
    ],
)
def test_bad_input_is_one_line_with_file_and_row(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=says) as caught:
        load_labelled(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [("m.txt", "not a manifest"), ("gone", "no such file or folder"), ("gone.csv", "no such file")],
)
def test_what_is_no_manifest(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "m.txt").write_text("x")
    with pytest.raises(DataError, match=says):
        load_labelled(tmp_path / name)


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    path.write_text("not a table")
    with pytest.raises(DataError, match=r"m\.parquet"):
        load_labelled(path)


def test_a_class_folder_that_is_no_emotion_is_named(class_folders: Path) -> None:
    (class_folders / "joy").mkdir()
    with pytest.raises(DataError, match=r"set/joy: the folder's name is no emotion of mikels8"):
        load_labelled(class_folders)


def test_the_fingerprint_is_of_names_labels_and_contents_only(
    tmp_path: Path, class_folders: Path, make_image: MakeImage
) -> None:
    first = load_labelled(class_folders)
    print_ = first.fingerprint()
    assert first.take(np.arange(len(first))[::-1]).fingerprint() == print_
    moved = class_folders.rename(tmp_path / "elsewhere")
    assert load_labelled(moved).fingerprint() == print_
    make_image(moved / "awe" / "a0.jpg", 99)
    changed = load_labelled(moved).fingerprint()
    assert changed != print_
    (moved / "awe" / "a0.jpg").rename(moved / "Fear" / "a0.jpg")
    assert load_labelled(moved).fingerprint() not in {print_, changed}


def test_recorded_hashes_are_used_unless_told_otherwise(
    tmp_path: Path, make_image: MakeImage
) -> None:
    make_image(tmp_path / "a.jpg")
    path = tmp_path / "m.csv"
    path.write_text(f"image,emotion,sha256\na.jpg,awe,{'AB' * 32}\n")
    data = load_labelled(path)
    assert data.file_hashes() == ("ab" * 32,)
    assert data.file_hashes(trust_recorded=False) != ("ab" * 32,)


def test_a_file_that_has_gone_is_named_when_it_is_read(class_folders: Path) -> None:
    data = load_labelled(class_folders)
    data.paths[0].unlink()
    with pytest.raises(DataError, match=r"f0\.png: no such file"):
        data.fingerprint()


def test_take_in_split_and_with_truth(tmp_path: Path) -> None:
    data = load_labelled(_write(tmp_path, TABLE, "csv"), require_files=False)
    assert data.in_split("val", "test").names == ("b.jpg", "c.jpg")
    assert data.with_truth().names == ("a.jpg", "c.jpg")
    nothing = data.take([])
    assert (len(nothing), nothing.labels, nothing.truth.shape) == (0, data.labels, (0,))
    part = data.take([2, 0])
    assert (part.names, part.labels) == (("c.jpg", "a.jpg"), data.labels)
    assert part.distribution is not None
    assert part.distribution.shape == (2, 8)


def test_the_real_sample_of_fi(shared_data: Path) -> None:
    data = load_labelled(shared_data / "fi")
    assert np.bincount(data.truth).tolist() == [75] * 8
    assert len(set(data.file_hashes())) == 600
