"""Measure how long each recipe takes, for ``evoca recipes list``.

    python benchmarks/recipe_times.py DATA src/evoca/recipes/times.csv [RECIPE...]

DATA is a folder of class folders. Ten pictures of each emotion are taken, six to train on, two to
choose by and two to measure.
Every recipe is trained with the profile ``lite0``, in a process with one thread and an empty
cache, and the processor time of that process is written, which other programs on the machine
change little. A recipe that learns from votes or ratings gets drawn ones, and one whose weights
cannot be fetched random ones: they change what it learns, not how long it takes. What is in
TIMES.csv already is not measured again.
"""

from __future__ import annotations

import csv
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from evoca.emotions import MIKELS8
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
        rated = _rated(Path(folder) / "images", Path(folder) / "rated.csv")
        ways = ((Path(folder) / "images",), (rated,), (rated, "--set", "model.weights=random"))
        for recipe in wanted or recipe_names():
            if recipe in known:
                continue
            attempts = (_seconds(recipe, *given) for given in ways)
            seconds = next((found for found in attempts if found is not None), None)
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


def _rated(images: Path, manifest: Path) -> Path:
    """Write a manifest of the same images with drawn votes and ratings, and return its path."""
    draw = random.Random(0)  # noqa: S311
    votes = [f"votes_{emotion}" for emotion in MIKELS8]
    with manifest.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "split", "label", "valence", "arousal", *votes])
        for path in sorted(images.glob("*/*/*")):
            split, label = path.parts[-3:-1]
            counts = [draw.randint(0, 2) + 3 * (emotion == label) for emotion in MIKELS8]
            ratings = [round(draw.uniform(1, 7), 2) for _ in range(2)]
            writer.writerow([path, split, label, *ratings, *counts])
    return manifest


def _seconds(recipe: str, data: Path, *more: str) -> float | None:
    """Return the processor time of one training; ``None`` where it fails or takes too long."""
    cache, out = data.parent / "cache", data.parent / "run"
    for place in (cache, out):
        shutil.rmtree(place, ignore_errors=True)
    command = [sys.executable, "-m", "evoca", "train", recipe, "--profile", PROFILE]
    command += ["--data", str(data), "--out", str(out), "--workers", "0", *more]
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
