"""One image after the model is loaded: where the time goes, small photo and 12 megapixels.

python benchmarks/latency.py [--runs 30]
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table

import evoca
from evoca.images.decode import decode
from evoca.images.sources import load_image
from evoca.runtime.bundle import read_bundle
from evoca.runtime.engines.onnxruntime import OrtSession

ROOT = Path(__file__).resolve().parent.parent


def median_ms(call: Callable[[], object], runs: int) -> float:
    """Return the median time of a call in milliseconds, after one warm-up."""
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def large_jpeg() -> bytes:
    """Return a 12-megapixel JPEG made from an example photograph."""
    with Image.open(ROOT / "examples" / "rocket.jpg") as photo:
        large = photo.convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    large.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    model = evoca.load()
    preprocessing = model.card.preprocessing
    small, large = (ROOT / "examples" / "rocket.jpg").read_bytes(), large_jpeg()
    pixels = load_image(small, preprocessing).pixels
    session = OrtSession(read_bundle())
    rows = {
        "model alone": lambda: session.run(pixels[None]),
        "small JPEG, decode and resize": lambda: load_image(small, preprocessing),
        "small JPEG, predict": lambda: model.predict(small),
        "12-megapixel JPEG, full decode": lambda: decode(large),
        "12-megapixel JPEG, scaled decode and resize": lambda: load_image(large, preprocessing),
        "12-megapixel JPEG, predict": lambda: model.predict(large),
    }
    base = None
    table = Table(title=f"one image, median of {runs} runs, model {model.card.name}")
    for column in ("what", "ms", "against the model alone"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, call in rows.items():
        ms = median_ms(call, runs)
        base = base or ms
        table.add_row(name, f"{ms:.1f}", f"{ms / base:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
