"""Build a report of 5,000 images, and time how long a browser takes to open it.

    python benchmarks/report.py FOLDER [FOLDER...]      # aims: below 50 MB, below 3 s

The folders hold photographs; each is cropped in several ways until there are 5,000 different
ones. The predictions are made up: the page does not care. Opening is from the first byte
asked of the file to the first cards drawn with their pictures, and a filter is timed after.
Needs Chromium and the extras ``dev`` and ``eval``.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

import evoca
from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.emotions import MIKELS8
from evoca.images import find_images
from evoca.images.sources import open_picture
from evoca.metrics import evaluate_predictions
from evoca.report import build_report
from evoca.runs import Predictions, Run, new_run, read_run, write_json, write_predictions

IMAGES = 5_000
LIMIT_MB, LIMIT_S = 50.0, 3.0
OPENS = 5
LABELS = tuple(map(str, MIKELS8))
READY = """() => [...document.querySelectorAll('#run-0-errors img')]
  .filter((image) => image.src && image.complete && image.naturalWidth).length >= 4"""


def crops(folders: list[Path], target: Path) -> None:
    """Write different crops of photographs into class folders until there are enough."""
    sources = [path for folder in folders for path in find_images(folder)]
    for number in range(IMAGES):
        again, place = divmod(number, len(sources))
        picture = open_picture(sources[place]).image
        share = 1.0 - 0.04 * again
        box = (0, 0, int(picture.width * share), int(picture.height * share))
        folder = target / LABELS[number % len(LABELS)]
        folder.mkdir(parents=True, exist_ok=True)
        picture.crop(box).save(folder / f"{number:05}.jpg", quality=90)


def made_up_run(data: LabelledImages, folder: Path) -> Run:
    """Predict images at random, right more often than not."""
    random = np.random.default_rng(0)
    n = len(data)
    p = random.dirichlet(np.full(8, 0.4), (1, n))
    p[0, np.arange(n), data.truth] += random.random(n)
    p /= p.sum(axis=2, keepdims=True)
    fold = np.arange(n)[None] % 5
    groups = ("",) * n
    with new_run(folder) as draft:
        report = evaluate_predictions(data.truth, p, LABELS)
        write_json(draft / "run.json", {"run_version": 1, "labels": list(LABELS)})
        write_json(draft / "metrics.json", report.to_dict())
        predictions = Predictions(data.names, groups, data.truth, LABELS, p, fold, p >= 0.1)
        write_predictions(draft / "predictions.csv", predictions)
    return read_run(folder)


def silent(name: str, total: int) -> Callable[[int], None]:
    """Announce no step."""
    del name, total
    return lambda _: None


def timings(browser: Browser, page_file: Path) -> Iterator[tuple[float, float]]:
    """Yield seconds to open the page and to filter all images, each in a fresh window."""
    for _ in range(OPENS):
        context = browser.new_context(viewport={"width": 1400, "height": 900})
        page = context.new_page()
        start = time.perf_counter()
        page.goto(page_file.as_uri(), wait_until="load")
        page.locator("#run-0-errors").scroll_into_view_if_needed()
        page.wait_for_function(READY, polling="raf")
        opened = time.perf_counter() - start
        start = time.perf_counter()
        page.locator("#run-0-images select[name=truth]").select_option("2")
        count = f"{IMAGES // len(LABELS)} of {IMAGES:,} images"
        page.locator("#run-0-images .shown-count", has_text=count).wait_for()
        yield opened, time.perf_counter() - start
        context.close()


def main() -> int:
    """Run the benchmark; the status is 1 where an aim is missed."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    arguments.add_argument("folders", nargs="+", type=Path)
    arguments.add_argument("--keep", type=Path, help="keep the page here")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        crops(options.folders, folder / "photos")
        data = load_labelled(folder / "photos")
        run = made_up_run(data, folder / "run")
        out = folder / "report.html"
        start = time.perf_counter()
        built = build_report(
            [run],
            out,
            data,
            silent,
            models=[evoca.load()],
            look_for="colour",
        )
        seconds = time.perf_counter() - start
        size = built.size / 1e6
        print(f"built in {seconds:.0f} s: {built.images:,} images, {size:.1f} MB (aim {LIMIT_MB})")
        with sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            opened, filtered = zip(*timings(browser, out), strict=True)
            browser.close()
        for name, found in (("opened", opened), ("filtered", filtered)):
            print(
                f"{name} in {statistics.median(found):.2f} s ({min(found):.2f} to {max(found):.2f})"
            )
        if options.keep:
            shutil.copy(out, options.keep)
    return int(size > LIMIT_MB or statistics.median(opened) > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
