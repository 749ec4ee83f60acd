"""Finding images in folders, and names that can always be printed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoca.images import IMAGE_SUFFIXES, find_images, printable_name

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX names")


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_images(folder)]


def test_images_are_found_below_a_folder_in_a_stable_order(tmp_path: Path) -> None:
    make(tmp_path, "b.jpg", "a.PNG", "z/1.webp", "c/d/e.HEIC", "c/x.Jpeg", "notes.txt", "jpg")
    assert found(tmp_path) == ["a.PNG", "b.jpg", "c/x.Jpeg", "c/d/e.HEIC", "z/1.webp"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, ".a.jpg", "._b.jpg", ".cache/c.jpg", "d.jpg", ".jpg")
    assert found(tmp_path) == ["d.jpg"]


def test_a_hidden_folder_may_be_named_itself(tmp_path: Path) -> None:
    make(tmp_path, ".album/a.jpg")
    assert found(tmp_path / ".album") == ["a.jpg"]


@posix
def test_links_to_files_are_followed_and_loops_of_folders_end(tmp_path: Path) -> None:
    make(tmp_path, "a/one.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "two.jpg").symlink_to(tmp_path / "a" / "one.jpg")
    assert found(tmp_path) == ["two.jpg", "a/one.jpg"]
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert found(tmp_path / "link") == ["one.jpg"]


@posix
def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    make(tmp_path, os.fsdecode(b"caf\xe9.jpg"), os.fsdecode(b"\xff/a.jpg"))
    assert [os.fsencode(name) for name in found(tmp_path)] == [b"caf\xe9.jpg", b"\xff/a.jpg"]


@pytest.mark.parametrize("name", ["missing", "file.jpg"])
def test_what_cannot_be_listed_is_an_error(name: str, tmp_path: Path) -> None:
    make(tmp_path, "file.jpg")
    with pytest.raises(OSError, match=name):
        list(find_images(tmp_path / name))


def test_one_unreadable_folder_does_not_end_the_walk(tmp_path: Path, monkeypatch) -> None:
    make(tmp_path, "a/one.jpg", "b/two.jpg", "c/three.jpg")
    scandir = os.scandir

    def guarded(path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)  # root may read every folder
    errors: list[OSError] = []
    found = [path.name for path in find_images(tmp_path, errors.append)]
    assert found == ["one.jpg", "three.jpg"]
    assert [Path(error.filename).name for error in errors] == ["b"]


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert all(s.startswith(".") and s == s.lower() and len(s) > 2 for s in IMAGE_SUFFIXES)
    assert {".jpg", ".png", ".gif", ".webp", ".avif", ".tif", ".heic"} <= IMAGE_SUFFIXES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain.jpg", "plain.jpg"),
        ("50%.jpg", "50%.jpg"),
        ("日本.jpg", "日本.jpg"),
        ("two\nlines.jpg", "two\nlines.jpg"),
        ("a\udce9%.jpg", "a%E9%25.jpg"),
        ("a\ud83d.jpg", "a%ED%A0%BD.jpg"),  # half of a pair, as Windows may have it
        (Path("dir") / "a.jpg", str(Path("dir", "a.jpg"))),
    ],
)
def test_printable_names(name: str | Path, expected: str) -> None:
    assert printable_name(name) == expected


@posix
@given(st.binary(min_size=1, max_size=30), st.binary(min_size=1, max_size=30))
def test_any_name_becomes_valid_text_and_broken_ones_stay_apart(one: bytes, two: bytes) -> None:
    names = [os.fsdecode(one), os.fsdecode(two)]
    printed = [printable_name(name) for name in names]
    for text in printed:
        text.encode("utf-8")
    # Only a valid name is printed as it is, and so may look like a broken one's escape.
    if one != two and all(_has_surrogate(name) for name in names):
        assert printed[0] != printed[1]


def _has_surrogate(text: str) -> bool:
    return any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def test_pictures_that_evoca_drew_are_left_out_and_told(tmp_path):
    for name in ("a.jpg", "a.jpg.evoca.png", "evoca.png", "deep/b.png.evoca.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    told = []
    found = list(find_images(tmp_path, on_explained=told.append))
    assert [path.name for path in found] == ["a.jpg", "evoca.png"]
    assert [path.name for path in told] == ["a.jpg.evoca.png", "b.png.evoca.png"]
