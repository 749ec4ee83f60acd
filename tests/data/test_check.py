from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.data.conftest import MakeImage

from evoca.data.check import CheckReport, check
from evoca.data.divide import add_folds, add_splits
from evoca.data.manifest import read_manifest

DIGEST = "ab" * 32


def _check(folder: Path, text: str, *, files: bool = False) -> CheckReport:
    (folder / "m.csv").write_text(text)
    return check(read_manifest(folder / "m.csv", strict=False), files=files)


def _kinds(report: CheckReport, *, problem: bool = True) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {f.kind: (f.count, f.examples) for f in report.findings if f.problem is problem}


@pytest.mark.parametrize(
    ("text", "kind", "count", "examples"),
    [
        ("image,split,group\na,train,g\nb,test,g\nc,val,h\n", "leak-group", 1, ("g: test, train",)),
        ("image,split,group\na,train,g\na,val,\n", "leak-image", 1, ("a: train, val",)),
        (
            f"image,split,sha256\na,train,{DIGEST}\nb,val,{DIGEST}\n",
            "leak-file",
            1,
            (f"{DIGEST}: train, val",),
        ),
        ("image,split,url\na,train,u\nb,val,u\n", "leak-url", 1, ("u: train, val",)),
        ("image,emotion\na,awe\na,fear\n", "conflict-image", 1, ("a: awe, fear",)),
        (
            f"image,emotion,sha256\na,awe,{DIGEST}\nb,fear,{DIGEST}\n",
            "conflict-file",
            1,
            (f"{DIGEST}: awe, fear",),
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
    assert set(_kinds(report)) == {"leak-file", "conflict-file"}
    assert check(read_manifest(tmp_path), files=False).ok


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
