"""Build, divide and check a manifest of 3.3 million rows (EmoSet's full size; synthetic).

    python benchmarks/data_scale.py [--rows N] [--seconds S] [--gigabytes G]

Each step runs in a process of its own, as on the command line, on two cores where the
system lets a process choose. The status is 1 where the steps together take longer, or
one of them takes more memory, than allowed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from evoca.emotions import MIKELS8

_CHUNK = 100_000


def write_source(path: Path, rows: int, seed: int = 0) -> None:
    """Write a CSV of links with labels and duplicate groups, one to a few images each."""
    random = np.random.default_rng(seed)
    with path.open("w", encoding="ascii") as file:
        file.write("image,emotion,group,url,width,height\n")
        for start in range(0, rows, _CHUNK):
            n = min(_CHUNK, rows - start)
            emotions = random.integers(0, len(MIKELS8), n).tolist()
            groups = random.integers(0, max(rows * 2 // 3, 1), n).tolist()
            file.writelines(
                f"{MIKELS8[e]}/{i:08d}.jpg,{MIKELS8[e]},g{g},https://example.org/{i}.jpg,640,480\n"
                for i, (e, g) in enumerate(zip(emotions, groups, strict=True), start=start)
            )


def build_step(folder: Path) -> str:
    """Build a manifest from the CSV."""
    from evoca.data.build import build

    built = build("csv", folder / "source.csv", folder / "built.parquet")
    return f"{len(built.manifest):,} rows"


def split_step(folder: Path) -> str:
    """Divide it 80/5/15, whole groups."""
    from evoca.data.divide import add_splits
    from evoca.data.manifest.table import read_manifest

    divided = add_splits(read_manifest(folder / "built.parquet"), "80/5/15").manifest
    divided.write(folder / "split.parquet")
    counts = divided.sql("SELECT split, count(*) FROM {manifest} GROUP BY split ORDER BY split")
    return ", ".join(f"{name} {n:,}" for name, n in counts)


def check_step(folder: Path) -> str:
    """Look for leaks and missing files."""
    from evoca.data.check import check
    from evoca.data.manifest.table import read_manifest

    report = check(read_manifest(folder / "split.parquet", strict=False))
    if any(finding.kind.startswith("leak") for finding in report.findings):
        raise AssertionError(report.findings)
    return "; ".join(f"{f.kind} {f.count:,}" for f in report.findings) or "nothing found"


def _measured(step: Callable[[Path], str], folder: Path) -> tuple[str, float, float]:
    start = time.perf_counter()
    said = step(folder)
    seconds = time.perf_counter() - start
    return said, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> int:
    """Run the steps and print what they took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=3_300_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    context = multiprocessing.get_context("spawn")
    total, most = 0.0, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_source(folder / "source.csv", arguments.rows)
        for step in (build_step, split_step, check_step):
            with ProcessPoolExecutor(1, mp_context=context) as own_process:
                said, seconds, gigabytes = own_process.submit(_measured, step, folder).result()
            print(f"{step.__name__:<11} {seconds:6.1f} s {gigabytes:5.2f} GB  {said}")
            total, most = total + seconds, max(most, gigabytes)
    print(f"{'together':<11} {total:6.1f} s {most:5.2f} GB")
    return int(total > arguments.seconds or most > arguments.gigabytes)


if __name__ == "__main__":
    sys.exit(main())
