"""Decoding in a process that can be killed."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import samples
from evoca.errors import ImageError
from evoca.images import ImageLimits, decode
from evoca.images.isolated import (
    DecodingPool,
    DecodingStoppedError,
    end_process,
    start_process,
)
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import load_image
from samples import encode, mean_difference, photo

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="the system bounds no address space")


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodingPool]:
    with DecodingPool(2) as made:
        yield made


def test_it_decodes_as_here(pool: DecodingPool) -> None:
    for data in samples.one_of_each().values():
        here, there = decode(data, min_size=(40, 30)), pool.decode(data, min_size=(40, 30))
        assert (here.size, here.notes) == (there.size, there.notes)
        assert mean_difference(here.image, there.image) == 0


def test_it_loads_for_a_model_as_here(pool: DecodingPool, tmp_path: Path) -> None:
    preprocessing = Preprocessing(height=40, width=30)
    for name, data in samples.one_of_each().items():
        here = load_image(data, preprocessing)
        file = tmp_path / os.fsdecode(os.fsencode(name) + bytes([0xE9]))
        file.write_bytes(data)
        for there in (pool.load(data, preprocessing), pool.load(file, preprocessing)):
            assert (here.pixels == there.pixels).all()
            assert (here.size, here.sha256, here.warnings) == (
                there.size,
                there.sha256,
                there.warnings,
            )
    with pytest.raises(ImageError, match=r"caf%E9\.jpg: no such file"):
        pool.load(tmp_path / os.fsdecode(b"caf\xe9.jpg"), preprocessing)


def test_errors_and_limits_are_those_of_decoding(pool: DecodingPool) -> None:
    with pytest.raises(ImageError, match="not an image"):
        pool.decode(b"no image")
    with pytest.raises(ImageError, match="The limit is 9 pixels"):
        pool.decode(encode(photo(), "PNG"), limits=ImageLimits(max_pixels=9))
    assert pool.decode(encode(photo(), "PNG")).size == (96, 64)


@LINUX
def test_what_takes_too_much_memory_costs_that_picture_alone() -> None:
    large = encode(Image.new("RGB", (9_000, 9_000)), "PNG")
    with DecodingPool(memory=100 * 1024**2) as small:
        with pytest.raises(ImageError, match=r"memory|100 MB"):
            small.decode(large)
        assert small.decode(encode(photo(), "PNG")).size == (96, 64)


@LINUX
def test_what_takes_too_long_costs_that_picture_alone() -> None:
    data = encode(Image.effect_noise((3_000, 3_000), 90), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xc4") : -2]
    scans = data[:-2] + last * 80 + data[-2:]
    with DecodingPool(seconds=0.5) as short:
        with pytest.raises(ImageError, match=r"more than 0\.5 s"):
            short.decode(scans)
        assert short.decode(encode(photo(), "PNG")).size == (96, 64)


def test_decodings_can_be_stopped() -> None:
    data = encode(Image.effect_noise((3_000, 3_000), 90), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xc4") : -2]
    slow, raised = data[:-2] + last * 80 + data[-2:], []

    def decode_slowly() -> None:
        try:
            pool.decode(slow)
        except DecodingStoppedError as error:
            raised.append(error)

    with DecodingPool() as pool:
        threads = [threading.Thread(target=decode_slowly) for _ in range(2)]
        for thread in threads:
            thread.start()
        while pool._all[0]._running is None:
            pass
        pool.stop()
        for thread in threads:
            thread.join(5)
        assert len(raised) == 2  # the one under way, and the one that waited
        with pytest.raises(DecodingStoppedError):
            pool.decode(encode(photo(), "PNG"))


def test_a_process_that_dies_is_started_anew(pool: DecodingPool) -> None:
    for process in pool._all:
        running = process._started()
        running.kill()
        running.wait()
    assert pool.decode(encode(photo(), "PNG")).size == (96, 64)


def test_several_threads_share_the_processes(pool: DecodingPool) -> None:
    data, sizes = encode(photo(), "PNG"), []
    threads = [
        threading.Thread(target=lambda: sizes.append(pool.decode(data).size)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [(96, 64)] * 8


@LINUX
def test_nothing_is_left_running_after_close() -> None:
    with DecodingPool() as made:
        made.decode(encode(photo(), "PNG"))
        number = made._all[0]._started().pid
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_decoding_process_keeps_memory_for_the_next_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4096")  # the user's own setting counts
    process = start_process("evoca.images.isolated", 20.0, 2 * 1024**3)
    try:
        text = Path(f"/proc/{process.pid}/environ").read_text()
    finally:
        end_process(process)
    settings = dict(line.split("=", 1) for line in text.split("\0") if "=" in line)
    assert settings["MALLOC_TRIM_THRESHOLD_"] == "4096"
    assert settings["MALLOC_MMAP_THRESHOLD_"] == str(16 * 1024**2)
