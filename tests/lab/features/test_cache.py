"""Rows kept on disk: computed once, shared by processes, whole or not at all."""

import multiprocessing
import os
import platform
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from evoca.errors import EvocaError
from evoca.lab.features.cache import RowStore, cache_folder

WIDTH = 3


def row_of(name):
    return np.frombuffer(name.encode().ljust(12, b"."), dtype=np.uint8)[:WIDTH].astype(np.float32)


class Computer:
    """Computes rows from names and remembers which; stops where it is told to."""

    def __init__(self, names, stop_at=None):
        self.names, self.stop_at, self.asked = names, stop_at, []

    def __call__(self, missing):
        self.asked += [self.names[i] for i in missing]
        for start in range(0, len(missing), 7):
            if self.stop_at is not None and start >= self.stop_at:
                raise KeyboardInterrupt
            yield np.stack([row_of(self.names[i]) for i in missing[start : start + 7]])


def fetch(folder, names, **how):
    computer = Computer(names, **how)
    rows = RowStore(folder, WIDTH).fetch(names, computer)
    np.testing.assert_array_equal(rows.all(), [row_of(name) for name in names])
    np.testing.assert_array_equal(rows.take([len(names) - 1]), [row_of(names[-1])])
    return computer.asked


def test_only_what_is_missing_is_computed(tmp_path):
    names = [f"{i:03}" for i in range(20)]
    assert fetch(tmp_path, names) == names
    assert fetch(tmp_path, names[::-1]) == []
    assert fetch(tmp_path, ["new", names[4], "new", names[0]]) == ["new"]
    assert fetch(tmp_path / "else", names[:1]) == names[:1]


def test_an_interruption_costs_at_most_a_shard(tmp_path):
    names = [f"{i:04}" for i in range(1300)]
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, names, stop_at=1200)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]
    assert fetch(tmp_path, names) == names[1024:]


@pytest.mark.parametrize("harm", ["cut", "gone", "strange", "other width"])
def test_a_damaged_shard_is_computed_anew(harm, tmp_path):
    names = [f"{i:03}" for i in range(20)]
    fetch(tmp_path, names)
    (shard,) = tmp_path.glob("*.npy")
    if harm == "cut":
        shard.write_bytes(shard.read_bytes()[:-8])
    elif harm == "gone":
        shard.unlink()
    elif harm == "strange":
        shard.write_bytes(b"nothing")
    else:
        np.save(shard, np.zeros((20, WIDTH + 1), np.float32))
    assert fetch(tmp_path, names) == names


def slowly(folder, names, order):
    asked = []

    def compute(missing):
        asked.extend(missing)
        for i in missing:
            time.sleep(0.01)
            yield row_of(names[i])[None]

    rows = RowStore(folder, WIDTH).fetch(names, compute).all()
    order.put((len(asked), rows.tolist()))


def test_two_processes_compute_each_row_once(tmp_path):
    context = multiprocessing.get_context("fork")
    names, found = [f"{i:03}" for i in range(20)], context.Queue()
    both = [
        context.Process(target=slowly, args=(tmp_path, names, found), daemon=True) for _ in range(2)
    ]
    for process in both:
        process.start()
    answers = [found.get(timeout=30) for _ in both]
    for process in both:
        process.join(timeout=30)
    assert sorted(computed for computed, _ in answers) == [0, 20]
    assert answers[0][1] == answers[1][1] == [row_of(name).tolist() for name in names]


def test_a_full_disk_is_one_line_and_leaves_no_draft(tmp_path):
    names = [f"{i:04}" for i in range(600)]
    left = tmp_path / ".0.npy-0123456789ab.draft"  # by a killed writer
    left.mkdir()
    (left / "draft").write_bytes(b"rows")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))  # files can grow no further
    try:
        with pytest.raises(EvocaError, match=r"features cannot be cached: .*set EVOCA_CACHE"):
            fetch(tmp_path, names)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [file.name for file in tmp_path.iterdir()] == ["lock"]
    assert fetch(tmp_path, names) == names


def test_rows_take_room_as_they_are_written(tmp_path):
    # A file of its full size from the start is sparse: where the disk fills up, the process
    # that writes into its map is ended by a signal.
    sizes = []
    names = [f"{i:04}" for i in range(500)]
    computer = Computer(names)

    def compute(missing):
        for rows in computer(missing):
            sizes.append(sum(file.stat().st_size for file in tmp_path.glob(".*.npy-*.draft/draft")))
            yield rows

    RowStore(tmp_path, WIDTH).fetch(names, compute)
    assert sizes[1] < 4 * WIDTH * len(names)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(EvocaError, match=r"features cannot be cached.*EVOCA_CACHE"):
        fetch(tmp_path / "store", ["a"])


def test_a_file_in_the_way_is_one_line(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(EvocaError, match=r"features cannot be cached.*EVOCA_CACHE"):
        fetch(tmp_path / "store", ["a"])


def test_the_cache_is_where_the_user_or_the_platform_says(monkeypatch, tmp_path):
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("EVOCA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    expected = {
        "Linux": Path("/caches/evoca"),
        "Darwin": Path.home() / "Library" / "Caches" / "evoca",
        "Windows": Path("/local/evoca"),
    }
    for system, folder in expected.items():
        monkeypatch.setattr(platform, "system", lambda s=system: s)
        assert cache_folder() == folder
