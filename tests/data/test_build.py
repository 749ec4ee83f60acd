from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from tests.data.conftest import MakeImage

from evoca.data.build import build
from evoca.data.manifest.table import read_manifest
from evoca.data.readers import ReadOptions
from evoca.data.relabel import remap
from evoca.errors import DataError

BAD_ROWS = [
    ("../secret.jpg,awe,1", "outside the data set's folder: ../secret.jpg"),
    ("/etc/hostname,awe,1", "outside the data set's folder: /etc/hostname"),
    ("x/../../secret.jpg,awe,1", "outside the data set's folder: x/../../secret.jpg"),
    (",awe,1", "no image in this row"),
    ("gone.jpg,awe,1", "no such file: gone.jpg"),
    ("good.jpg,awe,-1", "votes_awe is -1, below zero"),
    ("good.jpg,joy,1", "unknown emotion 'joy'"),
    ("good.jpg,awe", "2 cells, the header has 3"),
]


@pytest.mark.parametrize(("row", "cause"), BAD_ROWS, ids=[cause for _, cause in BAD_ROWS])
def test_a_bad_row_is_listed_beside_the_manifest_or_stops(
    tmp_path: Path, make_image: MakeImage, row: str, cause: str
) -> None:
    make_image(tmp_path / "secret.jpg")
    make_image(tmp_path / "set" / "good.jpg")
    source = tmp_path / "set" / "t.csv"
    source.write_text(f"image,emotion,votes_awe\ngood.jpg,awe,2\n{row}\n")
    built = build("csv", source, tmp_path / "out" / "m.parquet")
    assert built.rejects_file == tmp_path / "out" / "m.rejects.csv"
    with built.rejects_file.open(newline="") as file:
        (listed,) = csv.DictReader(file)
    assert (listed["file"], listed["row"]) == (str(source), "3")
    assert listed["cause"].startswith(cause)
    assert len(read_manifest(tmp_path / "out" / "m.parquet")) == 1
    with pytest.raises(DataError) as caught:
        build("csv", source, tmp_path / "strict.parquet", strict=True)
    assert str(caught.value).startswith(f"{source}: row 3: {cause}")
    assert not (tmp_path / "strict.parquet").exists()


def test_a_clean_build_takes_an_earlier_list_of_rejects_away(
    tmp_path: Path, make_image: MakeImage
) -> None:
    make_image(tmp_path / "a.jpg")
    source = tmp_path / "t.csv"
    source.write_text("image\na.jpg\ngone.jpg\n")
    assert build("csv", source, tmp_path / "m.csv").rejects_file is not None
    source.write_text("image\na.jpg\n")
    assert build("csv", source, tmp_path / "m.csv").rejects_file is None
    assert not (tmp_path / "m.rejects.csv").exists()


def test_usual_and_unusual_paths_to_the_same_image(tmp_path: Path, make_image: MakeImage) -> None:
    image = make_image(tmp_path / "set" / "a" / "ü x.jpg")
    source = tmp_path / "set" / "t.csv"
    names = ["a/ü x.jpg", "./a/ü x.jpg", "a//ü x.jpg", "b/../a/ü x.jpg", str(image)]
    source.write_text("image\n" + "\n".join(names) + "\n", encoding="utf-8")
    built = build("csv", source, tmp_path / "m.csv")
    assert built.manifest.texts("image").tolist() == ["set/a/ü x.jpg"] * 5


def test_a_file_name_that_is_no_utf8_cannot_be_in_a_table(
    tmp_path: Path, make_image: MakeImage
) -> None:
    make_image(tmp_path / "set" / "awe" / os.fsdecode(b"caf\xe9.jpg"))
    make_image(tmp_path / "set" / "awe" / "b.jpg")
    built = build("folder", tmp_path / "set", tmp_path / "m.parquet")
    assert built.manifest.texts("image").tolist() == ["set/awe/b.jpg"]
    (reject,) = built.manifest.rejects
    assert reject.image == "awe/caf%E9.jpg"
    assert reject.cause == "the file name is not valid UTF-8; rename the file"


def test_a_set_with_nothing_usable_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,emotion\ngone.jpg,awe\n")
    with pytest.raises(DataError, match=r"no rows; the first of 1 bad row: .*row 2: no such file"):
        build("csv", tmp_path / "t.csv", tmp_path / "m.csv")


def test_mapping_to_another_taxonomy_says_what_is_lost_and_keeps_the_votes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "image,url,emotion,votes_anger,votes_joy,votes_surprise\n"
        "a.jpg,https://e.org/a,anger,3,1,0\nb.jpg,https://e.org/b,joy,0,5,1\n"
    )
    built = build(
        "csv",
        tmp_path / "t.csv",
        tmp_path / "m.csv",
        options=ReadOptions(taxonomy="ekman6"),
        map_to="mikels8",
    )
    again = read_manifest(tmp_path / "m.csv")
    assert dict(built.dropped) == {"joy": 1}
    assert again.taxonomy == "mikels8"
    assert list(again.rows("emotion", "votes_anger", "votes_fear", "dropped_votes_joy")) == [
        ("anger", 3, 0, "1"),
        (None, 0, 0, "5"),
    ]
    assert list(again.rows("p_anger", "p_fear")) == [(1.0, 0.0), (None, None)]


def test_several_labels_become_one_by_addition(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(
        "image,emotion,votes_awe,votes_fear,votes_amusement\na,awe,1,3,2\nb,fear,,,\n"
    )
    found = remap(read_manifest(tmp_path / "m.csv"), "polarity")
    assert list(found.manifest.rows("emotion", "votes_positive", "votes_negative")) == [
        ("positive", 3, 3),
        ("negative", None, None),
    ]
    assert found.dropped == {}
    assert "votes_awe" not in found.manifest


def test_a_labelled_guess_is_asked_for_by_name(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image,emotion,taxonomy\na,surprise,ekman7\n")
    manifest = read_manifest(tmp_path / "m.csv")
    assert remap(manifest, "mikels8").manifest.texts("emotion").tolist() == [""]
    guessed = remap(manifest, "mikels8", "surprise-as-awe")
    assert guessed.manifest.texts("emotion").tolist() == ["awe"]


def test_images_of_many_rows_are_found_in_any_batch(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a.jpg")
    lines = "a.jpg,awe\n" * 100_000 + "gone.jpg,awe\n" + "a.jpg,fear\n"
    (tmp_path / "t.csv").write_text("image,emotion\n" + lines)
    built = build("csv", tmp_path / "t.csv", tmp_path / "m.parquet")
    assert len(built.manifest) == 100_001
    assert [reject.row for reject in built.manifest.rejects] == [100_002]
    codes = built.manifest.label_codes()
    assert np.bincount(codes)[built.manifest.labels.index("fear")] == 1
