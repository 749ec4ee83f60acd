from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.conftest import MakeImage

from evoca.data.check import CheckReport, check
from evoca.data.divide import add_folds, add_splits
from evoca.data.duplicates.search import search_copies
from evoca.data.manifest.hashing import sha256_file
from evoca.data.manifest.table import read_manifest
from website import make_picture

DIGEST = "ab" * 32


def _check(folder: Path, text: str, *, files: bool = False) -> CheckReport:
    (folder / "m.csv").write_text(text)
    return check(read_manifest(folder / "m.csv", strict=False), files=files)


def _kinds(report: CheckReport, *, problem: bool = True) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {f.kind: (f.count, f.examples) for f in report.findings if f.problem is problem}


@pytest.mark.parametrize(
    ("text", "kind", "count", "examples"),
    [
        (
            "image,split,group\na,train,g\nb,test,g\nc,val,h\n",
            "leak-group",
            1,
            ("g: test, train (a, b)",),
        ),
        ("image,split,group\na,train,g\na,val,\n", "leak-image", 1, ("a: train, val",)),
        (
            f"image,split,sha256\na,train,{DIGEST}\nb,val,{DIGEST}\n",
            "leak-file",
            1,
            (f"{DIGEST}: train, val (a, b)",),
        ),
        ("image,split,url\na,train,u\nb,val,u\n", "leak-url", 1, ("u: train, val (a, b)",)),
        ("image,emotion\na,awe\na,fear\n", "conflict-image", 1, ("a: awe, fear",)),
        (
            f"image,emotion,sha256\na,awe,{DIGEST}\nb,fear,{DIGEST}\n",
            "conflict-file",
            1,
            (f"{DIGEST}: awe, fear (a, b)",),
        ),
        ("image\na\na\na\n", "repeat", 1, ("a: 3",)),
        ("image,emotion\na,awe\n,awe\n", "bad-row", 1, None),
    ],
)
def test_a_problem_is_found_and_shown(
    tmp_path: Path, text: str, kind: str, count: int, examples: tuple[str, ...] | None
) -> None:
    report = _check(tmp_path, text)
    found = _kinds(report)
    assert not report.ok
    assert found[kind][0] == count
    assert examples is None or found[kind][1] == examples
    assert report.to_dict()["ok"] is False


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (
            "image,emotion,split,group\na,awe,train,g\nb,awe,train,g\nc,awe,test,h\n",
            {"absent-label"},
        ),
        ("image,split\na,train\nb,test\n", {"unlabelled", "no-group"}),
        ("image,emotion,group\na,awe,g\nb,fear,g\n", {"conflict-group", "absent-label"}),
        # A row without a split leaks nowhere.
        ("image,split,group\na,train,g\nb,,g\n", {"unlabelled"}),
    ],
)
def test_what_is_worth_a_remark_is_no_problem(tmp_path: Path, text: str, kinds: set[str]) -> None:
    report = _check(tmp_path, text)
    assert report.ok
    assert set(_kinds(report, problem=False)) == kinds


def test_identical_files_in_two_splits_are_found_without_hashes(
    tmp_path: Path, make_image: MakeImage
) -> None:
    for i, name in enumerate(("train/awe/a.jpg", "test/awe/b.jpg", "test/fear/c.jpg")):
        make_image(tmp_path / name, i)
    assert check(read_manifest(tmp_path)).ok
    copy = tmp_path / "test" / "fear" / "d.jpg"
    copy.write_bytes((tmp_path / "train" / "awe" / "a.jpg").read_bytes())
    report = check(read_manifest(tmp_path))
    assert set(_kinds(report)) == {"leak-file", "conflict-file", "leak-group"}
    assert check(read_manifest(tmp_path), files=False).ok
    # With groups that say otherwise, the files of equal size are still compared.
    names = read_manifest(tmp_path).texts("image")
    grouped = read_manifest(tmp_path).with_columns({"group": names})
    assert set(_kinds(check(grouped))) == {"leak-file", "conflict-file"}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published split in class folders; a smaller copy of a training image is in its test."""
    for n, name in enumerate(("train/awe/a", "train/fear/b", "test/awe/c", "test/fear/d")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        make_picture(n).save(tmp_path / f"{name}.png")
    make_picture(0).resize((128, 96)).save(tmp_path / "test" / "awe" / "copy.jpg", quality=60)
    return tmp_path


@pytest.mark.parametrize("form", ["folder", "csv", "parquet"])
def test_a_near_copy_across_a_published_split_is_found_without_groups(
    published: Path, form: str
) -> None:
    source = published
    if form != "folder":
        source = published / f"m.{form}"
        read_manifest(published).without_columns("group").write(source)
    seen: list[int] = []
    report = check(read_manifest(source), advance=seen.append)
    assert report.clusters == 1
    assert sum(seen) == report.images == 5
    count, (example,) = _kinds(report)["leak-group"]
    assert count == 1
    assert example.endswith(": test, train (test/awe/copy.jpg, train/awe/a.png)")
    unseen = check(read_manifest(source), files=False)
    assert (unseen.ok, unseen.clusters) == (True, None)
    assert _kinds(unseen, problem=False)["no-group"][0] == 5


def test_an_unreadable_image_is_listed(published: Path) -> None:
    (published / "test" / "awe" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    count, (example,) = _kinds(check(read_manifest(published)))["unreadable-file"]
    assert count == 1
    assert example.startswith("test/awe/cut.png: ")


@pytest.fixture
def recorded(tmp_path: Path, make_image: MakeImage) -> Path:
    """Eight images with SHA-256 and group; six have changed since, one is cut off."""
    for i in range(8):
        make_image(tmp_path / "awe" / f"{i}.jpg", i)
    path = tmp_path / "m.csv"
    search_copies(read_manifest(tmp_path)).manifest.write(path)
    for i in range(6):
        make_image(tmp_path / "awe" / f"{i}.jpg", 20 + i)
    cut = tmp_path / "awe" / "6.jpg"
    cut.write_bytes(cut.read_bytes()[:300])
    return path


def test_files_that_are_not_as_recorded_are_counted_and_named(recorded: Path) -> None:
    unopened = check(read_manifest(recorded))
    assert unopened.ok
    assert _kinds(unopened, problem=False)["not-opened"][0] == 8

    seen: list[int] = []
    report = check(read_manifest(recorded), verify=True, advance=seen.append)
    assert sum(seen) == 8
    assert set(_kinds(report)) == {"changed-file", "unreadable-file"}
    count, cases = _kinds(report)["changed-file"]
    assert count == len(cases) == 7
    now = sha256_file(recorded.parent / "awe" / "0.jpg")[:16]
    assert cases[0].startswith(f"awe/0.jpg: is {now}, recorded ")
    assert _kinds(report)["unreadable-file"][1][0].startswith("awe/6.jpg: ")
    assert "not-opened" not in _kinds(report, problem=False)


def test_without_groups_what_is_recorded_is_compared_at_once(recorded: Path) -> None:
    report = check(read_manifest(recorded).without_columns("group"))
    assert _kinds(report)["changed-file"][0] == 7


def test_an_image_of_which_a_part_is_missing_is_named(
    tmp_path: Path, make_image: MakeImage
) -> None:
    whole = make_image(tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole[: len(whole) * 2 // 3] + b"\xff\xd9")
    report = _check(tmp_path, "image,emotion\na.jpg,awe\nb.jpg,awe\n", files=True)
    count, (example,) = _kinds(report)["incomplete-file"]
    assert count == 1
    assert example.startswith("b.jpg: a part is missing: the file ends before its lowest ")


def test_a_leak_between_changed_files_is_seen_whatever_was_recorded(
    recorded: Path, make_image: MakeImage
) -> None:
    for name in ("1.jpg", "2.jpg"):
        make_image(recorded.parent / "awe" / name, 77)
    split = np.array(["train", "train", "test", *["train"] * 5], dtype=object)
    manifest = read_manifest(recorded).with_columns({"split": split})
    assert "leak-file" not in _kinds(check(manifest))
    assert _kinds(check(manifest, verify=True))["leak-file"][0] == 1


def _copies(folder: Path, groups: str) -> Path:
    """Three pictures, and a smaller copy of the first in the other split."""
    for n in range(3):
        make_picture(n).save(folder / f"{n}.png")
    make_picture(0, (128, 96)).save(folder / "copy.jpg")
    parts = (("0.png", "train"), ("1.png", "train"), ("2.png", "test"), ("copy.jpg", "test"))
    rows = [
        f"{name},awe,{split},{group.strip()}"
        for (name, split), group in zip(parts, groups.split(","), strict=True)
    ]
    (folder / "m.csv").write_text("\n".join(["image,emotion,split,group", *rows]))
    return folder / "m.csv"


@pytest.mark.parametrize(("groups", "verify"), [("a, , , ", False), ("a, b, c, d", True)])
def test_given_groups_hide_no_copies(tmp_path: Path, groups: str, verify: bool) -> None:
    report = check(read_manifest(_copies(tmp_path, groups)), verify=verify)
    assert report.clusters == 1
    count, (example,) = _kinds(report)["leak-group"]
    assert (count, example) == (1, "a: test, train (0.png, copy.jpg)")


def test_where_every_image_has_a_group_none_is_opened_unasked(tmp_path: Path) -> None:
    report = check(read_manifest(_copies(tmp_path, "a, b, c, d")))
    assert report.clusters is None
    assert "not-opened" in _kinds(report, problem=False)


def test_images_without_a_group_beside_others_with_one_are_counted(tmp_path: Path) -> None:
    report = _check(tmp_path, "image,split,group\na,train,g\nb,train,\nc,test,\n")
    assert _kinds(report, problem=False)["no-group"][0] == 2


def test_missing_files(tmp_path: Path, make_image: MakeImage) -> None:
    make_image(tmp_path / "a.jpg")
    report = _check(tmp_path, "image,emotion\na.jpg,awe\ngone/b.jpg,awe\nc.jpg,awe\n", files=True)
    assert _kinds(report)["missing-file"] == (2, ("gone/b.jpg", "c.jpg"))
    listed = _check(tmp_path, "image,url\nx/a.jpg,https://e.org/a\n", files=True)
    assert listed.ok
    assert "no-files" in _kinds(listed, problem=False)


def test_a_split_of_ours_has_no_leak_and_one_broken_by_hand_has(tmp_path: Path) -> None:
    rows = "\n".join(f"{i}.jpg,{'awe' if i % 3 else 'fear'},g{i // 3}" for i in range(300))
    (tmp_path / "m.csv").write_text(f"image,emotion,group\n{rows}\n")
    divided = add_splits(read_manifest(tmp_path / "m.csv"), "80/10/10").manifest
    assert check(divided, files=False).ok
    split = divided.texts("split")
    split[0] = "val" if split[0] != "val" else "test"
    broken = check(divided.with_columns({"split": split}), files=False)
    assert _kinds(broken)["leak-group"][0] == 1


def test_a_published_split_is_kept_unless_replaced(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("image,emotion,split\na,awe,test\nb,awe,\nc,awe,train\n")
    manifest = read_manifest(tmp_path / "m.csv")
    kept = add_splits(manifest, "80/20")
    assert kept.kept
    assert kept.manifest.texts("split").tolist() == ["test", "", "train"]
    made = add_splits(manifest, "80/20", replace=True)
    assert not made.kept
    assert "" not in made.manifest.texts("split")


def test_folds_leave_the_test_split_out(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},awe,{'test' if i < 4 else 'train'},g{i // 2}" for i in range(24))
    (tmp_path / "m.csv").write_text(f"image,emotion,split,group\n{rows}\n")
    manifest = read_manifest(tmp_path / "m.csv")
    fold = add_folds(manifest, 5).numbers("fold")
    assert np.isnan(fold[:4]).all()
    assert sorted(np.bincount(fold[4:].astype(int)).tolist()) == [4] * 5
    assert (fold[4::2] == fold[5::2]).all()
    several = add_folds(manifest, 5, 2)
    assert {"fold_1", "fold_2"} <= set(several.columns)
