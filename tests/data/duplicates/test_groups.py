import sys

import numpy as np
import pytest

from evoca.data.duplicates.groups import group_copies, with_groups
from evoca.data.manifest.labelled import load_labelled
from samples import encode, photo


@pytest.fixture
def folder(tmp_path):
    """Coffee, a smaller copy of it, the very same file again, and a flower."""
    first = encode(photo("coffee", (160, 120)), "JPEG", quality=90)
    files = {
        "awe/a.jpg": first,
        "awe/b.jpg": encode(photo("coffee", (120, 90)), "JPEG", quality=80),
        "awe/c.jpg": first,
        "fear/d.jpg": encode(photo("flower", (160, 120)), "JPEG", quality=90),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def clusters(groups):
    return [[int(i) for i in np.flatnonzero(groups == g)] for g in dict.fromkeys(groups.tolist())]


def test_near_copies_are_one_group(folder):
    pytest.importorskip("imagehash", reason="needs the extra data")
    found = with_groups(load_labelled(folder))
    assert clusters(found.images.groups) == [[0, 1, 2], [3]]
    assert (found.basis, found.near) == ("near-duplicate clusters", True)


def test_without_imagehash_identical_files_are_one_group(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    found = with_groups(load_labelled(folder))
    assert clusters(found.images.groups) == [[0, 2], [1], [3]]
    assert (found.basis, found.near) == ("identical files", False)
    paths = [folder / name for name in ("awe/a.jpg", "none.jpg", "gone.jpg", "awe/c.jpg")]
    assert clusters(group_copies(paths)[0]) == [[0, 3], [1], [2]]


def grouped_by(folder, *groups):
    names = ("awe/a.jpg", "awe/b.jpg", "awe/c.jpg", "fear/d.jpg")
    rows = [f"{name},awe,{group}" for name, group in zip(names, groups, strict=True)]
    (folder / "m.csv").write_text("\n".join(["image,emotion,group", *rows]))
    return with_groups(load_labelled(folder / "m.csv"))


@pytest.mark.parametrize(
    ("given", "together"),
    [
        (("x", "x", "x", "y"), [[0, 1, 2], [3]]),  # nothing to add
        (("", "", "", "y"), [[0, 1, 2], [3]]),  # one filled cell
        (("1", "2", "3", "4"), [[0, 1, 2], [3]]),  # groups that keep copies apart
        (("1", "2", "", "2"), [[0, 1, 2, 3]]),  # joined by way of a copy
    ],
)
def test_groups_of_the_source_are_joined_with_copies(folder, given, together):
    pytest.importorskip("imagehash", reason="needs the extra data")
    found = grouped_by(folder, *given)
    assert clusters(found.images.groups) == together
    assert clusters(found.found) == [[0, 1, 2], [3]]
    assert found.basis == "the manifest's groups; near-duplicate clusters"


def test_without_imagehash_groups_are_joined_with_identical_files(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    found = grouped_by(folder, "1", "2", "", "2")
    assert clusters(found.images.groups) == [[0, 2], [1, 3]]
    assert (found.basis, found.near) == ("the manifest's groups; identical files", False)
