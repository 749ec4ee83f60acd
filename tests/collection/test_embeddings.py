"""``evoca embed``, and ``evoca find --by look`` with what it writes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import evoca as library
from collection_samples import write_tags
from evoca.collection import look_index, similar
from evoca.collection.embeddings import paths_beside, read_embeddings, write_embeddings
from evoca.collection.search import find
from evoca.collection.similar import Example, cosines, like_in_look
from evoca.collection.tags import read_tags
from evoca.errors import EvocaError, ImageError
from evoca.prediction import Prediction


def predictions(n: int, size: int = 6, seed: int = 0) -> list[Prediction | ImageError]:
    vectors = np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32)
    return [
        Prediction({"awe": 1.0}, ("awe",), "m", f"{i}.jpg", sha256=f"{i:064x}", embedding=vector)
        for i, vector in enumerate(vectors)
    ]


def test_both_files_hold_what_the_model_computes(evoca, photos) -> None:
    names = ["photos/china.jpg", "photos/coffee.jpg", "photos/rocket.jpg"]
    wanted = library.load().embed([photos / name for name in names])
    for out in ("looks.npy", "looks.parquet"):
        status, printed, err = evoca("embed", *names, "--out", out)
        assert (status, printed) == (0, ""), err
        assert f"evoca: {out}: 3 x {wanted.shape[1]:,} float32" in err
        found = read_embeddings(photos / out)
        assert found.paths.tolist() == names
        assert found.model == library.load().card.name
        vectors = np.concatenate(list(found.chunks()))
        assert vectors.dtype == np.float32
        assert vectors == pytest.approx(wanted, abs=1e-5)
    array = np.load(photos / "looks.npy")
    assert (array.dtype, array.shape) == (np.float32, wanted.shape)
    lines = (photos / "looks.paths.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "path,sha256,model"
    assert [line.split(",")[0] for line in lines[1:]] == names


def test_what_cannot_be_read_is_left_out_and_reported(evoca, photos) -> None:
    for out in ("looks.npy", "looks.parquet"):
        status, _, err = evoca("embed", "photos", "gone.jpg", "--out", out)
        assert status == 1
        assert "photos/broken.jpg: " in err
        assert "gone.jpg: no such file" in err
        assert "2 could not be read, and are left out" in err
        assert len(read_embeddings(photos / out)) == 6
    status, _, err = evoca("embed", "gone.jpg", "--out", "none.npy")
    assert status == 1
    assert "none.npy: not written, since no image could be read" in err
    assert not (photos / "none.npy").exists()
    assert not (photos / "none.paths.csv").exists()


@pytest.mark.parametrize("name", ["looks.npy", "looks.parquet"])
def test_many_batches_keep_their_order(tmp_path, name) -> None:
    rows = predictions(9000)
    rows.insert(17, ImageError("no image", "x.jpg"))
    written = write_embeddings(iter(rows), tmp_path / name)
    assert (written.images, written.dimensions, len(written.unread)) == (9000, 6, 1)
    found = read_embeddings(tmp_path / name)
    assert found.paths.tolist() == [f"{i}.jpg" for i in range(9000)]
    vectors = np.stack([one.embedding for one in rows if isinstance(one, Prediction)])
    assert np.array_equal(np.concatenate(list(found.chunks())), vectors)
    rows = np.array([8999, 0, 8999])
    assert np.array_equal(found.of(rows), vectors[rows])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert cosines(found, vectors[3]) == pytest.approx(unit @ unit[3], abs=1e-6)


def test_an_error_half_way_leaves_what_was_there(tmp_path) -> None:
    for name in ("looks.npy", "looks.parquet"):
        write_embeddings(predictions(3), tmp_path / name)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

        def stream():
            yield from predictions(5000, seed=1)
            raise EvocaError("the model broke")

        with pytest.raises(EvocaError, match="the model broke"):
            write_embeddings(stream(), tmp_path / name)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_damaged_files_are_refused(tmp_path) -> None:
    array = tmp_path / "looks.npy"
    write_embeddings(predictions(3), array)
    paths = paths_beside(array).read_text(encoding="utf-8")
    paths_beside(array).write_text(paths + "more.jpg,,m\n", encoding="utf-8")
    with pytest.raises(EvocaError, match="3 rows, but 4 paths beside it"):
        read_embeddings(array)
    paths_beside(array).write_text(paths.replace(",m\n", ",n\n", 1), encoding="utf-8")
    with pytest.raises(EvocaError, match="embeddings of several models, m and n"):
        read_embeddings(array)
    array.write_bytes(array.read_bytes()[:-8])
    with pytest.raises(EvocaError, match="not a NumPy array, or cut off"):
        read_embeddings(array)
    np.save(array, np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(EvocaError, match="not a NumPy array"):
        read_embeddings(array)
    np.save(array, np.zeros((3, 2)))
    with pytest.raises(EvocaError, match=r"float32 \(N, D\) is wanted, not float64"):
        read_embeddings(array)
    with pytest.raises(EvocaError, match="embeddings are read from"):
        read_embeddings(tmp_path / "looks.csv")
    one = Prediction({"awe": 1.0}, ("awe",), "m", "a.jpg")
    with pytest.raises(EvocaError, match="the model m has no embedding"):
        write_embeddings([one], tmp_path / "other.npy")


def test_like_by_look(evoca, photos) -> None:
    vectors = library.load().embed(sorted((photos / "photos").glob("[!b]*.jpg")))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    names = sorted(path.name for path in (photos / "photos").glob("[!b]*.jpg"))
    china = names.index("china.jpg")
    wanted = sorted(set(names) - {"china.jpg"}, key=lambda n: -(unit @ unit[china])[names.index(n)])
    for looks in ("looks.npy", "looks.parquet"):
        assert evoca("embed", "photos", "--out", looks)[0] == 1
        given = ("--like", "photos/china.jpg", "--by", "look", "--embeddings", looks)
        status, out, err = evoca("find", "tags.parquet", *given, "--format", "json")
        assert (status, err) == (0, "")
        found = json.loads(out)
        assert [item["path"] for item in found] == [f"photos/{name}" for name in wanted]
        assert found[0]["similarity"] == pytest.approx(
            (unit @ unit[china])[names.index(wanted[0])], abs=1e-5
        )
    contented = evoca("find", "emotion = 'contentment'", "tags.csv", *given)[1].splitlines()
    assert set(contented) == {"photos/chelsea.jpg", "photos/coffee.jpg", "photos/flower.jpg"}
    (photos / "photos" / "china.jpg").rename(photos / "elsewhere.jpg")
    again = ("--like", "elsewhere.jpg", *given[2:])
    assert evoca("find", "tags.parquet", *again, "--format", "json")[1] == out


def test_images_without_an_embedding_are_counted(evoca, photos) -> None:
    assert evoca("embed", "photos/china.jpg", "photos/coffee.jpg", "--out", "few.npy")[0] == 0
    given = ("--by", "look", "--embeddings", "few.npy")
    status, out, err = evoca("find", "tags.csv", "--like", "photos/rocket.jpg", *given)
    assert (status, sorted(out.splitlines())) == (0, ["photos/china.jpg", "photos/coffee.jpg"])
    assert "4 images are not in few.npy, and not looked for" in err


def test_bad_outputs_are_refused_before_any_work(evoca, photos) -> None:
    for out, said in (
        ("looks.txt", "name a file that ends in .parquet or .npy"),
        ("no/x.npy", "no such folder"),
    ):
        status, _, err = evoca("embed", "photos", "--out", out)
        assert status == 1
        assert said in err
        assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["looks.npy", "looks.parquet"])
def test_an_index_finds_nearly_what_a_look_at_all_finds(tmp_path, monkeypatch, name) -> None:
    pytest.importorskip("usearch", reason="needs evoca[search]")
    random = np.random.default_rng(4)
    centres = random.normal(size=(20, 32))
    rows: list[Prediction | ImageError] = [
        Prediction({"awe": 1.0}, ("awe",), "m", f"a/{i}.jpg", embedding=vector.astype(np.float32))
        for i, vector in enumerate(np.repeat(centres, 100, axis=0) + random.normal(size=(2000, 32)))
    ]
    write_embeddings(rows, tmp_path / name)
    write_tags(tmp_path / "tags.csv", 2000)
    tags, looks = read_tags([tmp_path / "tags.csv"]), read_embeddings(tmp_path / name)
    vector, example = looks.of(np.array([7]))[0], Example("a/7.jpg", "")
    exact = list(find(tags, order=like_in_look(tags, example, looks, vector), limit=50))
    monkeypatch.setattr(look_index, "EXACT_UP_TO", 100)
    monkeypatch.setattr(similar, "CANDIDATES", 200)
    order = like_in_look(tags, example, looks, vector)
    assert (tmp_path / f"{name}.usearch").is_file()
    found = list(find(tags, order=order, limit=50))
    assert len(find(tags, order=order)) == 199  # the example itself is left out
    assert len({row["path"] for row in found} & {row["path"] for row in exact}) >= 45
    assert found[0]["similarity"] == pytest.approx(exact[0]["similarity"], abs=1e-6)
    # Embeddings that changed get another index.
    write_embeddings(rows[:500], tmp_path / name)
    fewer = read_embeddings(tmp_path / name)
    assert len(look_index.nearest(fewer, vector, 10)) == 10
