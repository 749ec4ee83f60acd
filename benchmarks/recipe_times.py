"""Measure how long each recipe takes, for ``evoca recipes list``.

    python benchmarks/recipe_times.py DATA src/evoca/recipes/times.csv [RECIPE...]

DATA is a folder of class folders. Ten pictures of each emotion are taken, six to train on, two to
choose by and two to measure.
Every recipe is trained with the profile ``lite0``, in a process with one thread and an empty
cache, and the processor time of that process is written, which other programs on the machine
change little. What is in TIMES.csv already is not measured again.
"""

from __future__ import annotations

import csv
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from evoca.images import find_images
from evoca.lab.config.recipe import recipe_names

SPLITS = ("train",) * 6 + ("val",) * 2 + ("test",) * 2
PROFILE = "lite0"
LONGEST = 1800
"""Seconds of the clock after which a recipe is left out."""


def main() -> None:
    """Measure, and write a row after each recipe."""
    data, times, wanted = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    known = set()
    if times.exists():
        with times.open(encoding="utf-8", newline="") as stream:
            known = {row["recipe"] for row in csv.DictReader(stream)}
    else:
        times.write_text("recipe,images,seconds,profile\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        images = _few(data, Path(folder) / "images")
        for recipe in wanted or recipe_names():
            if recipe in known:
                continue
            seconds = _seconds(recipe, Path(folder), images)
            print(recipe, seconds, flush=True)
            if seconds is not None:
                with times.open("a", encoding="utf-8") as stream:
                    stream.write(f"{recipe},{images},{seconds:.0f},{PROFILE}\n")


def _few(data: Path, target: Path) -> int:
    count = 0
    for emotion in sorted(path for path in data.iterdir() if path.is_dir()):
        chosen = list(find_images(emotion))[: len(SPLITS)]
        for split, path in zip(SPLITS, chosen, strict=False):
            folder = target / split / emotion.name
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder)
            count += 1
    return count


def _seconds(recipe: str, folder: Path, images: int) -> float | None:
    """Return the processor time of one training; ``None`` where it fails or takes too long."""
    del images
    cache, out = folder / "cache", folder / "run"
    for place in (cache, out):
        shutil.rmtree(place, ignore_errors=True)
    command = [sys.executable, "-m", "evoca", "train", recipe, "--profile", PROFILE]
    command += ["--data", str(folder / "images"), "--out", str(out), "--workers", "0"]
    environment = {**os.environ, "EVOCA_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=LONGEST
        )
    except subprocess.TimeoutExpired:
        print(f"{recipe}: more than {LONGEST} s", file=sys.stderr)
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        print(f"{recipe}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
