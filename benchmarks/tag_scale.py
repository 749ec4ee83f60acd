"""Time and memory of ``evoca tag`` from thousands of images to many more: linear, and flat.

    python benchmarks/tag_scale.py FOLDER [--sizes 1000,10000] [--engine onnxruntime]
        [--precision float32]

The images are links to those of a folder, each under a name of its own. Linear cost is seen from
the processor seconds per 1,000 images, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evoca.images import find_images
from tagging import memory_of

_IN_A_FOLDER = 1_000


def linked(place: Path, images: list[Path], count: int) -> Path:
    """Return a folder of so many links."""
    for i in range(count):
        folder = place / f"{count}" / f"{i // _IN_A_FOLDER:04}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:07}.jpg").symlink_to(images[i % len(images)].absolute())
    return place / f"{count}"


def measured(folder: Path, out: Path, settings: list[str]) -> tuple[float, float, float]:
    """Return the seconds, those of the processors and the peak of memory (MB) of a run."""
    command = [sys.executable, "-m", "evoca", "tag", str(folder), "--out", str(out), "--quiet"]
    began, peak, over = time.monotonic(), [0.0], threading.Event()
    run = subprocess.Popen([*command, *settings])

    def watch() -> None:
        while not over.wait(0.2):
            peak[0] = max(peak[0], memory_of(run.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, used = os.wait4(run.pid, 0)
    over.set()
    watcher.join()
    if status:
        raise SystemExit(f"evoca tag ended with status {os.waitstatus_to_exitcode(status)}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime, peak[0]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", default="1000,10000")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--precision", default="float32")
    given = parser.parse_args()
    settings = ["--engine", given.engine, "--precision", given.precision, "--batch-size", "1"]
    images = sorted(find_images(given.folder))
    table = Table(title=f"evoca tag, {given.engine} {given.precision}")
    columns = ("images", "seconds", "images/s", "CPU s per 1,000", "peak MB", "table MB")
    for column in (*columns, "journal MB"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory() as place:
        for size in map(int, given.sizes.split(",")):
            folder, out = linked(Path(place), images, size), Path(place) / f"{size}.parquet"
            seconds, cpu, memory = measured(folder, out, settings)
            written = [
                path.stat().st_size / 1e6 for path in (out, out.with_name(f"{out.name}.journal"))
            ]
            cells = [f"{size:,}", f"{seconds:.0f}", f"{size / seconds:.0f}"]
            cells += [f"{1e3 * cpu / size:.1f}", f"{memory:.0f}"]
            table.add_row(*cells, *(f"{one:.1f}" for one in written))
    Console().print(table)


if __name__ == "__main__":
    main()
