"""Does the page in a browser answer as Python does, without a network?

python benchmarks/browser.py FOLDER [--images 200] [--model default]

Writes the page with ``evoca page``, opens it in Chromium from a static host, cuts the network off,
and gives it photographs. Each answer is held against that of the same model in Python.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright
from rich.console import Console
from rich.progress import track
from rich.table import Table

import evoca
from evoca.images import find_images, load_image
from evoca.runtime.bundle import read_bundle
from evoca.serving.static_page import write_static_page

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from browser import ARGUMENTS, CHROMIUM
from static_host import hosted

CONSOLE = Console()
COMPUTE = """
async () => {
  const file = document.getElementById('by-hand').files[0];
  const computed = await window.evoca.backend.outputs(file);
  const answer = window.evoca.backend.answerFrom(computed, file.name, null);
  delete answer.evidence;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', computed.pixels));
  const pixels = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { answer, pixels };
}
"""
INPUT = """
() => document.body.append(
  Object.assign(document.createElement('input'), { type: 'file', id: 'by-hand' }))
"""


def compared(page: Page, model: evoca.Predictor, path: Path) -> dict[str, Any]:
    """Return how far the browser's answer for an image is from Python's."""
    page.set_input_files("#by-hand", path)
    found = page.evaluate(COMPUTE)
    own, theirs = model.predict(path), found["answer"]
    wanted = hashlib.sha256(load_image(path, model.card.preprocessing).pixels.tobytes())
    return {
        "same": theirs["emotion"] == own.emotion,
        "same_set": theirs["prediction_set"] == list(own.prediction_set),
        "probability": max(
            abs(p - theirs["probabilities"][label]) for label, p in own.probabilities.items()
        ),
        "same_input": found["pixels"] == wanted.hexdigest(),
    }


def main() -> None:
    """Compare, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()
    images = list(find_images(arguments.folder))
    count = min(arguments.images, len(images))
    paths = random.Random(0).sample(images, count)  # noqa: S311
    model = evoca.load(arguments.model)
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        write_static_page(read_bundle(arguments.model), Path(temporary) / "page")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        context = browser.new_context()
        context.set_default_timeout(0)  # however busy the machine is
        page = context.new_page()
        with hosted(Path(temporary)) as address:
            page.goto(f"{address}page/")
            page.wait_for_selector("html[data-ready]")
            page.evaluate(INPUT)
            compared(page, model, paths[0])  # loads the model
        context.set_offline(True)  # and the host has ended
        found = [compared(page, model, path) for path in track(paths, "comparing", console=CONSOLE)]
        print_found(found, model.card.name)


def print_found(found: list[dict[str, Any]], model: str) -> None:
    """Print the figures of all images."""

    def share(key: str) -> str:
        return f"{np.mean([one[key] for one in found]):.1%}"

    table = Table(title=f"{model}: browser beside Python, {len(found)} photographs, no network")
    table.add_column("what")
    table.add_column("found", justify="right")
    table.add_row("same likeliest emotion", share("same"))
    table.add_row("same prediction set", share("same_set"))
    table.add_row("model input equal in every bit", share("same_input"))
    table.add_row(
        "largest difference of a probability", f"{max(o['probability'] for o in found):.1e}"
    )
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
