"""Films: how many times faster than they play, and memory on a long film beside a short one.

python benchmarks/video.py [--seconds 60] [--repeat 20] [--size 1280x720] [--rate 2] [--threads 2]
python benchmarks/video.py --cuts 300

A film of photographs, panned and cut every 2 to 6 seconds, with grain, is coded in H.264 by x264's
preset "medium" (B-frames as most films have them, about 3 Mbit/s). Each measurement is a whole
process of ``evoca video``; "decoding alone" is the process that decodes, its frames thrown away.
The long film repeats the short one's packets with later timestamps, so it is made in seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from evoca.images import find_images
from evoca.runtime.bundle import read_bundle
from evoca.video.decoding import Ended, Reading
from evoca.video.process import FilmProcess
from evoca.video.shots import SMALL, ShotDetector

ROOT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = ROOT.parent / "shared" / "data" / "fi"
FRAMES = 25
GRAIN = 3.0


def shots(photographs: list[Path], size: tuple[int, int], frames: int) -> Iterator[np.ndarray]:
    """Yield frames of photographs that are panned, each for 2 to 6 seconds."""
    draw, noise = random.Random(0), np.random.default_rng(0)  # noqa: S311
    left = frames
    width, height = size
    while left:
        with Image.open(draw.choice(photographs)) as opened:
            wide = opened.convert("RGB").resize((width * 5 // 4, height * 5 // 4))
        grain = noise.normal(0, GRAIN, (height * 2, width, 1)).astype(np.float32)
        pixels, count = np.asarray(wide, np.float32), min(left, draw.randint(50, 150))
        for i in range(count):
            x, y = (side * i // (4 * count) for side in size)
            part = pixels[y : y + height, x : x + width] + grain[i * 31 % height :][:height]
            yield part.clip(0, 255).astype(np.uint8)
        left -= count


def make(path: Path, photographs: list[Path], size: tuple[int, int], seconds: int) -> None:
    """Write the film."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=FRAMES)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"preset": "medium", "crf": "23"}
        for pixels in shots(photographs, size, seconds * FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def repeat(path: Path, target: Path, times: int) -> None:
    """Write a film that shows another one several times, without decoding it."""
    with av.open(target, "w") as out:
        stream, shift = None, 0
        for _ in range(times):
            with av.open(path) as source:
                own = source.streams.video[0]
                stream = stream or out.add_stream_from_template(own)
                end = 0
                for packet in source.demux(own):
                    if packet.dts is None:
                        continue
                    end = max(end, packet.pts + packet.duration)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = stream
                    out.mux(packet)
                shift += end


def of_process(process: int) -> int:
    """Return the most bytes that a process and its children have held, as far as they live."""
    peak, waiting = 0, [process]
    while waiting:
        number = waiting.pop()
        try:
            status = Path(f"/proc/{number}/status").read_text(encoding="utf-8")
            tasks = Path(f"/proc/{number}/task").glob("*/children")
            waiting += [int(child) for task in tasks for child in task.read_text().split()]
        except OSError:
            continue
        line = next((one for one in status.splitlines() if one.startswith("VmHWM")), "VmHWM: 0 kB")
        peak += 1024 * int(line.split()[1])
    return peak


def measured(film: Path, folder: Path, options: list[str]) -> tuple[float, int]:
    """Return the seconds of ``evoca video`` on a film, and its peak of memory in bytes."""
    outputs = ["--out", str(folder / "film.csv"), "--html", str(folder / "film.html")]
    command = [sys.executable, "-m", "evoca", "video", str(film), *outputs, *options, "--quiet"]
    began, peak = time.perf_counter(), 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        while running.poll() is None:
            peak = max(peak, of_process(running.pid))
            time.sleep(0.2)
    if running.returncode:
        raise SystemExit(f"evoca video ended with {running.returncode}")
    return time.perf_counter() - began, peak


def decoding(film: Path, rate: float, threads: int) -> float:
    """Return the seconds that decoding a film takes alone."""
    preprocessing = read_bundle().card.preprocessing
    reading = Reading(rate, threads=threads, thumbnail=160)
    began = time.perf_counter()
    with FilmProcess(film, preprocessing, reading=reading) as process:
        assert any(isinstance(event, Ended) for event in process.events())
    return time.perf_counter() - began


def panned(
    photograph: Path, draw: random.Random, noise: np.random.Generator
) -> Iterator[np.ndarray]:
    """Yield 12 to 40 small frames of a photograph, moved 0 to 10 pixels of 256 each, with grain."""
    width, height = SMALL
    with Image.open(photograph) as opened:
        wide = opened.convert("RGB").resize((8 * width, 8 * height)).convert("YCbCr")
    planes = np.asarray(wide).transpose(2, 0, 1)
    speed, angle = draw.choice([0, 0, 1, 2, 4, 10]), draw.uniform(0, 2 * np.pi)
    x, y = draw.uniform(0, 4 * width), draw.uniform(0, 4 * height)
    for i in range(draw.randint(12, 40)):
        left = int(np.clip(x + speed * i * np.cos(angle), 0, 4 * width))
        top = int(np.clip(y + speed * i * np.sin(angle), 0, 4 * height))
        part = planes[:, top : top + 4 * height, left : left + 4 * width]
        small = part.reshape(3, height, 4, width, 4).mean(axis=(2, 4))
        yield (small + noise.normal(0, 2, small.shape)).clip(0, 255).astype(np.uint8)


def cuts(photographs: list[Path], count: int) -> str:
    """Return how many of the cuts between panned photographs are found, and how many others."""
    draw, noise = random.Random(0), np.random.default_rng(0)  # noqa: S311
    detector, true, found, place = ShotDetector(), set(), set(), 0
    for photograph in draw.sample(photographs, count):
        true.add(place)
        for small in panned(photograph, draw, noise):
            cut = detector.add(small, place / 12)  # as many as are left of 25 a second
            found |= {cut.place} if cut else set()
            place += 1
    found |= {cut.place for cut in detector.finish()}
    true.discard(0)
    return f"{len(found & true)} of {len(true)} cuts found, and {len(found - true)} that are none"


def main() -> None:
    """Make the films, measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=Path, default=PHOTOGRAPHS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=20, help="of the short film in the long one")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--rate", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--engine", default=None)
    parser.add_argument("--cuts", type=int, default=0, help="find the cuts of so many photographs")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    folder = given.images if given.images.is_dir() else ROOT / "examples"
    photographs = list(find_images(folder))
    if given.cuts:
        print(cuts(photographs, min(given.cuts, len(photographs))))
        return
    options = ["--rate", str(given.rate), "--threads", str(given.threads)]
    options += ["--engine", given.engine] if given.engine else []
    table = Table("film", "seconds", "took, s", "times as fast", "peak MB")
    with tempfile.TemporaryDirectory() as place:
        short, long = Path(place) / "short.mp4", Path(place) / "long.mp4"
        make(short, photographs, (width, height), given.seconds)
        repeat(short, long, given.repeat)
        rate = short.stat().st_size * 8 / given.seconds / 1e6
        took = decoding(short, given.rate, given.threads)
        row = (f"{given.seconds}", f"{took:.1f}", f"{given.seconds / took:.1f}", "")
        table.add_row(f"decoding alone, {rate:.1f} Mbit/s", *row)
        for name, film, seconds in (
            ("short", short, given.seconds),
            ("long", long, given.seconds * given.repeat),
        ):
            took, peak = measured(film, Path(place), options)
            table.add_row(
                *(name, f"{seconds}", f"{took:.1f}", f"{seconds / took:.1f}", f"{peak / 1e6:.0f}")
            )
    Console().print(table)


if __name__ == "__main__":
    main()
