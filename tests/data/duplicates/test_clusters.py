from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

pytest.importorskip("imagehash")

from evoca.data.duplicates.clusters import Listed, duplicate_groups, find_duplicates
from evoca.data.duplicates.fingerprints import fingerprint

if TYPE_CHECKING:
    from pathlib import Path


def crop(image: Image.Image, share: float) -> Image.Image:
    dx, dy = int(image.width * share / 2), int(image.height * share / 2)
    return image.crop((dx, dy, image.width - dx, image.height - dy))


def small_and_poor(image: Image.Image, path: Path) -> None:
    image.resize((image.width // 2, image.height // 2)).save(path, quality=50)


def turned(how: Image.Transpose, image: Image.Image, path: Path) -> None:
    small_and_poor(image.transpose(how), path)


ALTERED = {
    "recompressed": lambda image, path: image.save(path, quality=20),
    "smaller": small_and_poor,
    "mirrored": lambda image, path: ImageOps.mirror(image).save(path),
    **{
        how.name.lower().replace("_", " "): partial(turned, how)
        for how in Image.Transpose
        if how is not Image.Transpose.FLIP_LEFT_RIGHT
    },
    "squashed": lambda image, path: image.resize((200, 200)).save(path),
    "cropped": lambda image, path: crop(image, 0.04).save(path),
    "grey": lambda image, path: image.convert("L").save(path),
}


def listed(folder: Path, *rows: tuple[str, str, str]) -> list[Listed]:
    return [Listed(folder / name, name, emotion, source) for name, emotion, source in rows]


@pytest.mark.parametrize("change", ALTERED)
def test_an_altered_copy_is_found(change, picture, tmp_path):
    picture(1).save(tmp_path / "one.png")
    picture(2).save(tmp_path / "two.png")
    ALTERED[change](picture(1), tmp_path / "copy.jpg")
    rows = listed(tmp_path, ("one.png", "", ""), ("two.png", "", ""), ("copy.jpg", "", ""))

    report = find_duplicates(rows)

    assert [[m.image for m in c.members] for c in report.clusters] == [["one.png", "copy.jpg"]]
    assert not report.clusters[0].exact
    assert report.groups[0] == report.groups[2] != report.groups[1]
    assert not report.conflicts
    assert not report.unreadable


def test_copies_across_data_sets_with_labels_that_contradict(picture, tmp_path):
    picture(1).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "c.png").write_bytes((tmp_path / "a.png").read_bytes())
    picture(2).save(tmp_path / "d.png")
    (tmp_path / "e.png").write_bytes((tmp_path / "d.png").read_bytes())
    rows = listed(
        tmp_path,
        ("a.png", "awe", "fi"),
        ("b.png", "fear", "emoset"),
        ("c.png", "", "emoset"),
        ("d.png", "anger", "fi"),
        ("e.png", "anger", "fi"),
    )

    report = find_duplicates(rows)

    (conflict,) = report.conflicts
    assert conflict.labels == ("awe", "fear")
    assert conflict.sources == ("emoset", "fi")
    assert conflict.exact
    assert [len(cluster.members) for cluster in report.clusters] == [3, 2]


def test_group_names_do_not_depend_on_the_order(picture, tmp_path):
    for n in range(6):
        picture(n % 4).save(tmp_path / f"{n}.png", compress_level=1 + n)
    rows = listed(tmp_path, *[(f"{n}.png", "", "") for n in range(6)])
    forward, backward = find_duplicates(rows), find_duplicates(rows[::-1])
    assert forward.groups == backward.groups[::-1]
    assert len(set(forward.groups)) == 4


def test_damaged_files_are_listed_and_stand_alone(picture, tmp_path):
    picture(1).save(tmp_path / "good.jpg")
    data = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "page.jpg").write_bytes(b"<html>Not found</html>")
    (tmp_path / "empty.jpg").write_bytes(b"")
    names = ("good.jpg", "cut.jpg", "page.jpg", "empty.jpg", "missing.jpg")

    report = find_duplicates(listed(tmp_path, *[(name, "awe", "") for name in names]))

    causes = {item.image: cause for item, cause in report.unreadable}
    assert set(causes) == set(names[1:])
    assert "truncated" in causes["cut.jpg"]
    assert "no such file" in causes["missing.jpg"]
    assert not report.clusters
    assert report.groups[names.index("missing.jpg")] == ""


def test_damaged_files_that_are_identical_are_exact_copies(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"<html>Not found</html>")
    report = find_duplicates(listed(tmp_path, ("a.jpg", "", ""), ("b.jpg", "", "")))
    assert [cluster.exact for cluster in report.clusters] == [True]


def test_flat_pictures_are_no_copies_of_each_other(tmp_path):
    Image.new("RGB", (99, 99), "white").save(tmp_path / "white.png")
    Image.new("RGB", (99, 99), "black").save(tmp_path / "black.png")
    dotted = Image.new("RGB", (99, 99), "black")
    ImageDraw.Draw(dotted).point((5, 5), "white")
    dotted.save(tmp_path / "dotted.png")
    names = ("white.png", "black.png", "dotted.png")
    report = find_duplicates(listed(tmp_path, *[(name, "", "") for name in names]))
    assert not report.clusters
    assert not report.unreadable


def test_group_numbers_for_splits(picture, tmp_path):
    for name, n in (("a", 1), ("b", 2), ("c", 1)):
        picture(n).save(tmp_path / f"{name}.jpg", quality=ord(name) - 40)
    (tmp_path / "d.jpg").write_bytes(b"nothing")
    numbers = duplicate_groups([tmp_path / f"{name}.jpg" for name in "abcd"])
    assert numbers.tolist() == [0, 1, 0, 3]
    assert duplicate_groups([]).tolist() == []


def test_turning_before_or_after_making_small_gives_the_same_hashes(picture, tmp_path):
    """The reference turns the whole picture and hashes it as any other."""
    picture(1, (320, 240)).save(tmp_path / "own.png")
    own = fingerprint(tmp_path / "own.png").orientations
    assert len(set(own)) == 8
    for how, found in zip(Image.Transpose, own[1:], strict=True):
        picture(1, (320, 240)).transpose(how).save(tmp_path / "turned.png")
        reference = fingerprint(tmp_path / "turned.png").looks
        bits = sum((a ^ b).bit_count() for a, b in zip(found, reference, strict=True))
        assert bits <= 4, how  # rounding alone


def test_real_photographs_are_told_apart_and_their_copies_found(shared_photos, tmp_path):
    chosen = shared_photos[::40]
    rows = [Listed(path, str(path)) for path in chosen]
    for index, path in enumerate(chosen):
        copy = tmp_path / f"{index}.jpg"
        with Image.open(path) as image:
            small_and_poor(image.convert("RGB"), copy)
        rows.append(Listed(copy, str(copy)))

    groups = np.array(find_duplicates(rows).groups)

    assert (groups[: len(chosen)] == groups[len(chosen) :]).all()
    assert len(set(groups.tolist())) == len(chosen)
