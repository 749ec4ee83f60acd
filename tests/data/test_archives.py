"""Images that lie inside other files: Hugging Face datasets and WebDataset shards."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
from pathlib import Path

import pytest
from tests.data.conftest import MakeImage

from evoca.data.build import Built, build
from evoca.data.check import check
from evoca.data.readers import ReadOptions
from evoca.errors import DataError


@pytest.fixture
def dataset(tmp_path: Path, make_image: MakeImage) -> object:
    datasets = pytest.importorskip("datasets")
    paths = [make_image(tmp_path / "in" / f"{i}.png", i, "PNG") for i in range(3)]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["fear", "Happy", "awe"]),
            "note": datasets.Value("string"),
        }
    )
    inside = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    table = {"image": inside, "label": [0, 1, 2], "note": ["x", "y", "z"]}
    return datasets.Dataset.from_dict(table, features=features)


@pytest.mark.parametrize("form", ["parquet", "saved", "saved splits"])
def test_a_hugging_face_dataset(tmp_path: Path, dataset: object, form: str) -> None:
    datasets = pytest.importorskip("datasets")
    source = tmp_path / "hf"
    if form == "parquet":
        (source / "data").mkdir(parents=True)
        dataset.to_parquet(source / "data" / "train-00000-of-00001.parquet")  # type: ignore[attr-defined]
    elif form == "saved":
        dataset.save_to_disk(source)  # type: ignore[attr-defined]
    else:
        datasets.DatasetDict({"train": dataset}).save_to_disk(source)
    options = ReadOptions(labels={"Happy": "amusement"})
    built = build("hf", source, tmp_path / "m.csv", options=options)
    split = None if form == "saved" else "train"
    assert list(built.manifest.rows("emotion", "note", "split")) == [
        ("fear", "x", split),
        ("amusement", "y", split),
        ("awe", "z", split),
    ]
    for i, path in enumerate(built.manifest.paths()):
        assert path.is_relative_to(tmp_path / "m_images")
        assert path.read_bytes() == (tmp_path / "in" / f"{i}.png").read_bytes()


def test_a_hugging_face_dataset_of_other_columns(tmp_path: Path, dataset: object) -> None:
    other = dataset.rename_columns({"image": "picture", "label": "feeling"})  # type: ignore[attr-defined]
    source = tmp_path / "hf" / "test.parquet"
    source.parent.mkdir()
    other.to_parquet(source)
    options = ReadOptions({"image": "picture", "emotion": "feeling"}, {"Happy": "excitement"})
    built = build("hf", source, tmp_path / "m.csv", options=options)
    assert built.manifest.texts("emotion").tolist() == ["fear", "excitement", "awe"]
    assert set(built.manifest.texts("split")) == {"test"}
    with pytest.raises(DataError, match=r"no column 'pic'; it has picture, feeling, note"):
        build("hf", source, tmp_path / "m.csv", options=ReadOptions({"image": "pic"}))
    with pytest.raises(DataError, match="no image bytes in column 'image'"):
        build("hf", source, tmp_path / "m.csv", strict=True)


def _shard(path: Path, members: list[tuple[str, bytes]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return open, ("/tmp/evoca-was-unpickled", "w")  # type: ignore[return-value]


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_webdataset_shards(tmp_path: Path, make_image: MakeImage, ending: str) -> None:
    image = make_image(tmp_path / "in.jpg").read_bytes()
    _shard(
        tmp_path / "wds" / f"my-train-000{ending}",
        [
            ("a.jpg", image),
            ("a.cls", b"1\n"),
            ("../../b.v1.png", image),
            ("c.jpg", image),
            ("c.json", json.dumps({"label": "awe", "votes_awe": 3, "nested": [1]}).encode()),
            ("d.txt", b"fear"),
            ("e.jpg", image),
            ("e.json", b"[1]"),
            ("f.jpg", image),
            ("f.pyd", pickle.dumps(_Bomb())),
        ],
    )
    built = build(
        "webdataset",
        tmp_path / "wds",
        tmp_path / "m.csv",
        options=ReadOptions(labels={"1": "fear"}, images=tmp_path / "images"),
    )
    assert list(built.manifest.rows("key", "emotion", "votes_awe", "split")) == [
        ("a", "fear", None, "train"),
        ("../../b.v1", None, None, "train"),
        ("c", "awe", 3, "train"),
        ("f", None, None, "train"),
    ]
    assert all(path.is_relative_to(tmp_path / "images") for path in built.manifest.paths())
    assert all(path.read_bytes() == image for path in built.manifest.paths())
    causes = [reject.cause for reject in built.manifest.rejects]
    assert causes == [
        "no image for the key d",
        ".json is not a JSON object",
    ]
    assert not Path("/tmp/evoca-was-unpickled").exists()


def _built(folder: Path, members: list[tuple[str, bytes]], **labels: str) -> Built:
    _shard(folder / "s.tar", members)
    return build(
        "webdataset",
        folder / "s.tar",
        folder / "m.csv",
        options=ReadOptions(labels=labels),
    )


def test_a_hash_of_the_picture_before_it_was_resized_is_not_the_files(
    tmp_path: Path, make_image: MakeImage
) -> None:
    """As img2dataset writes it, and one whose hash is the file's own."""
    image = make_image(tmp_path / "in.jpg").read_bytes()
    own = hashlib.sha256(image).hexdigest()
    members = []
    for key, digest in (("0001", "ab" * 32), ("0002", own)):
        about = {"caption": "a cat", "sha256": digest, "status": "success", "emotion": "awe"}
        members += [(f"{key}.jpg", image), (f"{key}.json", json.dumps(about).encode())]
    built = _built(tmp_path, members)
    assert list(built.manifest.rows("sha256", "source_sha256", "emotion")) == [
        (None, "ab" * 32, "awe"),
        (own, None, "awe"),
    ]
    assert check(built.manifest, verify=True).ok


def test_names_may_have_dots(tmp_path: Path, make_image: MakeImage) -> None:
    image = make_image(tmp_path / "in.jpg").read_bytes()
    members = []
    for i in range(6):
        members += [(f"photo.2024.0{i}.jpg", image), (f"photo.2024.0{i}.cls", b"awe")]
    built = _built(tmp_path, members)
    assert [row[0] for row in built.manifest.rows("key")] == [f"photo.2024.0{i}" for i in range(6)]
    assert not built.manifest.rejects


def test_another_view_is_not_read_and_another_picture_is(
    tmp_path: Path, make_image: MakeImage
) -> None:
    image = make_image(tmp_path / "in.jpg").read_bytes()
    members = [
        *[("a.depth.png", image), ("a.jpg", image), ("a.seg.png", image), ("a.cls", b"awe")],
        *[("a.v2.jpg", image), ("a.v2.cls", b"fear"), ("a.3.jpg", image)],
        *[("b.jpg", image), ("b.cls", b"anger")],
    ]
    built = _built(tmp_path, members)
    assert sorted(built.manifest.rows("key", "emotion")) == [
        ("a", "awe"),
        ("a.3", None),
        ("a.v2", "fear"),
        ("b", "anger"),
    ]
    assert str(built.manifest.left_out) == (
        "left out: 1 (a further file of a sample, .depth; first a.depth.png), "
        "1 (a further file of a sample, .seg; first a.seg.png)"
    )


@pytest.mark.parametrize("word", ["image", "view"])
@pytest.mark.parametrize("label_first", [True, False])
def test_a_picture_may_be_called_by_a_word_more_than_its_label(
    tmp_path: Path, make_image: MakeImage, word: str, *, label_first: bool
) -> None:
    """WebDataset takes the key up to the first dot: ``0001.image.jpg``, ``0001.cls``."""
    image = make_image(tmp_path / "in.jpg").read_bytes()
    members = [("1.cls", b"awe"), (f"1.{word}.jpg", image)]
    built = _built(tmp_path, [*(members if label_first else members[::-1]), ("2.jpg", image)])
    assert list(built.manifest.rows("key", "emotion")) == [("1", "awe"), ("2", None)]
    assert not built.manifest.rejects
    assert not built.manifest.left_out


def test_of_several_pictures_the_one_called_image_is_taken(
    tmp_path: Path, make_image: MakeImage
) -> None:
    image = make_image(tmp_path / "in.jpg").read_bytes()
    members = [
        *[("a.cls", b"awe"), ("a.caption.txt", b"a dog"), ("a.image.jpg", image)],
        *[("a.mask.png", image), ("b.cls", b"awe"), ("b.left.jpg", image), ("b.right.jpg", image)],
        *[("..jpg", image), ("c.depth.png", image), ("c.seg.png", image)],
    ]
    built = _built(tmp_path, members)
    rows = list(built.manifest.rows("key", "emotion"))
    assert rows == [("a", "awe"), (".", None), ("c.depth", None), ("c.seg", None)]
    assert [reject.cause for reject in built.manifest.rejects] == [
        "which is the image of the key b: b.left.jpg, b.right.jpg?"
    ]
    assert str(built.manifest.left_out) == (
        "left out: 1 (a further file of a sample, .caption; first a.caption.txt), "
        "1 (a further file of a sample, .mask; first a.mask.png)"
    )


def test_two_pictures_under_one_key_are_refused(tmp_path: Path, make_image: MakeImage) -> None:
    image = make_image(tmp_path / "in.jpg").read_bytes()
    members = [("a.jpg", image), ("a.png", image), ("a.cls", b"awe"), ("b.jpg", image)]
    built = _built(tmp_path, members)
    assert [row[0] for row in built.manifest.rows("key")] == ["b"]
    assert [reject.cause for reject in built.manifest.rejects] == [
        "two pictures under the key a: .jpg and .png"
    ]


def test_a_caption_is_no_label_where_there_is_one(tmp_path: Path, make_image: MakeImage) -> None:
    image = make_image(tmp_path / "in.jpg").read_bytes()
    members = [
        *[("a.jpg", image), ("a.txt", b"a sad dog"), ("a.cls", b"1")],
        *[("b.jpg", image), ("b.txt", b"a cat"), ("b.json", b'{"label": "awe"}')],
        *[("c.jpg", image), ("c.txt", b"a hat"), ("c.json", b'{"url": "http://x.org/c"}')],
        *[("d.jpg", image), ("d.txt", b"Fear"), ("d.json", b'{"id": 4}')],
        *[("e.jpg", image), ("e.txt", b"anger")],
        *[("f.jpg", image), ("f.txt", b"angre")],
    ]
    built = _built(tmp_path, members, **{"1": "sadness"})
    assert list(built.manifest.rows("key", "emotion", "caption")) == [
        ("a", "sadness", "a sad dog"),
        ("b", "awe", "a cat"),
        ("c", None, "a hat"),
        ("d", "fear", None),
        ("e", "anger", None),
    ]
    (reject,) = built.manifest.rejects
    assert "unknown emotion 'angre'" in reject.cause


def test_a_damaged_shard_is_named(tmp_path: Path, make_image: MakeImage) -> None:
    image = make_image(tmp_path / "in.jpg").read_bytes()
    path = tmp_path / "s.tar"
    _shard(path, [("a.jpg", image * 20), ("a.cls", b"awe")])
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"s\.tar: not a readable tar file"):
        build("webdataset", path, tmp_path / "m.csv")


def test_a_second_build_finds_its_images(tmp_path: Path, make_image: MakeImage) -> None:
    image = make_image(tmp_path / "in.jpg").read_bytes()
    _shard(tmp_path / "s.tar", [("a.jpg", image), ("a.cls", b"awe")])
    first = build("webdataset", tmp_path / "s.tar", tmp_path / "m.csv")
    stamp = first.manifest.paths()[0].stat().st_mtime_ns
    second = build("webdataset", tmp_path / "s.tar", tmp_path / "m.csv")
    assert second.manifest.paths()[0].stat().st_mtime_ns == stamp
