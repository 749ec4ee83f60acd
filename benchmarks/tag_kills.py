"""Whether a run of ``evoca tag`` that is killed again and again ends with the rows of a clean one.

    python benchmarks/tag_kills.py FOLDER [--kills 50] [--images 600]

Each attempt is killed (SIGKILL) after a random share of the time that a clean run takes, and the
next one goes on with --resume; once all kills are spent, the last attempt ends by itself.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from evoca.images import find_images

EVOCA = [sys.executable, "-m", "evoca"]


def main() -> None:
    """Kill, resume and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--images", type=int, default=600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), sorted(find_images(given.folder))[: given.images], given.kills)


def compare(place: Path, images: list[Path], kills: int) -> None:
    """Run once without and once with kills, and print what came of it."""
    names = place / "images.txt"
    names.write_text("".join(f"{image.absolute()}\n" for image in images))
    began = time.monotonic()
    run(names, place / "clean.csv").wait()
    whole = time.monotonic() - began
    chance, done = random.Random(0), 0  # noqa: S311 - no secret
    killed = place / "killed.csv"
    while not killed.exists():
        attempt = run(names, killed)
        if done < kills:
            try:
                attempt.wait(timeout=chance.uniform(0.02, 0.25) * whole)
            except subprocess.TimeoutExpired:
                attempt.kill()
                done += 1
        attempt.wait()
    same = killed.read_bytes() == (place / "clean.csv").read_bytes()
    print(
        f"{len(images)} images, {done} kills (a clean run took {whole:.0f} s): "
        f"{'the same bytes' if same else 'DIFFERENT ROWS'}"
    )
    raise SystemExit(not same)


def run(names: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start a run that goes on with what is there."""
    command = [*EVOCA, "tag", str(names), "--out", str(out), "--resume", "--quiet"]
    return subprocess.Popen(command, start_new_session=True)


if __name__ == "__main__":
    main()
