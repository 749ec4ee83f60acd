"""Files of arrays that are cut off, or are other bytes."""

import io

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")
from evoca.errors import EvocaError
from evoca.lab.arrays import DamagedArraysError, read_arrays
from evoca.lab.experiments.fold_vectors import FOLDER, FoldVectors, read_vectors, write_vectors
from evoca.lab.experiments.run_files import read_head
from evoca.lab.features.cache import RowStore


def bytes_of(save, *arrays, **named):
    stream = io.BytesIO()
    save(stream, *arrays, **named)
    return stream.getvalue()


WHOLE = bytes_of(np.savez, weight=np.ones((3, 4)), bias=np.zeros(4), c=np.array(1.0))
DAMAGED = {
    "empty": b"",
    "cut": WHOLE[:200],
    "without its end": WHOLE[:-1],
    "half its end": WHOLE[:-30],
    "other bytes": bytes(range(256)) * 9,
    "start of a zip": b"PK\x03\x04" + b"\xff" * 400,
    "text": b"not arrays at all",
    "pickled": bytes_of(np.savez, weight=np.array([{}, ()], dtype=object)),
    "a single array": bytes_of(np.save, np.ones(3)),
    "other arrays": bytes_of(np.savez, other=np.ones(3)),
    "other shapes": bytes_of(np.savez, weight=np.ones(3), bias=np.ones(3), c=np.ones((2, 2))),
}


def test_arrays_are_read_whole_or_not_at_all(tmp_path):
    file, random = tmp_path / "arrays.npz", np.random.default_rng(0)
    file.write_bytes(WHOLE)
    assert {name: one.shape for name, one in read_arrays(file).items()} == {
        "weight": (3, 4),
        "bias": (4,),
        "c": (),
    }
    mutants = [WHOLE[:end] for end in range(0, len(WHOLE), 7)]
    for _ in range(400):
        mutant = bytearray(WHOLE)
        for place in random.integers(len(WHOLE), size=3):
            mutant[place] = random.integers(256)
        mutants.append(bytes(mutant))
    refused = 0
    for mutant in mutants:
        file.write_bytes(mutant)
        try:
            read_arrays(file)
        except DamagedArraysError:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_head_is_one_line(tmp_path, kind):
    (tmp_path / "head.npz").write_bytes(DAMAGED[kind])
    with pytest.raises(EvocaError, match=r"head.npz: missing or damaged: this is not a trained"):
        read_head(tmp_path)


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_vectors_are_one_line(tmp_path, kind):
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "r0f0.npz").write_bytes(DAMAGED[kind])
    with pytest.raises(EvocaError, match=r"r0f0.npz: damaged: cross-validate the system again"):
        read_vectors(tmp_path)


def test_vectors_of_other_lengths_are_one_line(tmp_path):
    rows = np.arange(4) % 2
    vectors = (np.zeros((3, 2), np.float32),)
    write_vectors(tmp_path / FOLDER / "r0f0.npz", FoldVectors(vectors, rows, rows, rows))
    with pytest.raises(EvocaError, match=r"r0f0.npz: damaged"):
        read_vectors(tmp_path)


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_kept_rows_are_computed_again(tmp_path, kind):
    def compute(missing):
        yield np.full((len(missing), 2), 7, np.float32)

    RowStore(tmp_path, 2).fetch(["a", "b"], compute)
    (shard,) = tmp_path.glob("*.npy")
    shard.write_bytes(DAMAGED[kind])
    assert RowStore(tmp_path, 2).fetch(["a", "b"], compute).all().tolist() == [[7, 7], [7, 7]]
