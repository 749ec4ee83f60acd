"""Every engine and precision on one batch, in turns: processor time an image, and wall time.

python benchmarks/engines.py [--int8 BUNDLE] [--threads 1] [--batch 8] [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from evoca.images.sources import load_image
from evoca.runtime.bundle import read_bundle
from evoca.runtime.conformance import opened_engines
from evoca.runtime.engines import Engine

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def batch(size: int, model: str) -> np.ndarray:
    """Return uint8 (size, H, W, 3), the example photographs again and again."""
    preprocessing = read_bundle(model).card.preprocessing
    found = [load_image(file, preprocessing).pixels for file in sorted(EXAMPLES.glob("*.jpg"))]
    return np.stack([found[i % len(found)] for i in range(size)])


def measure(engines: dict[str, Engine], pixels: np.ndarray, rounds: int) -> dict[str, np.ndarray]:
    """Return for each engine the processor and wall seconds of every round, (rounds, 2)."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    for turn in range(rounds + 1):
        for name, engine in engines.items():
            cpu, wall = time.process_time(), time.perf_counter()
            engine.run(pixels)
            if turn:  # the first makes what the others use again
                seconds[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {name: np.array(taken) for name, taken in seconds.items()}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default="default")
    parser.add_argument("--int8", help="a bundle that evoca models quantize made")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    engines = {
        f"{name} {precision}": engine
        for model in filter(None, (asked.model, asked.int8))
        for name, precision, engine in opened_engines(read_bundle(model), asked.threads)
        if not isinstance(engine, str)
    }
    taken = measure(engines, batch(asked.batch, asked.model), asked.rounds)
    table = Table(title=f"{asked.batch} images, {asked.threads} threads, {asked.rounds} rounds")
    for column in ("engine", "CPU ms/image", "ratio", "images/s", "ratio", "least", "most"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    base = None
    for name, seconds in taken.items():
        cpu, wall = (statistics.median(seconds[:, i].tolist()) for i in (0, 1))
        base = base or (cpu, wall)
        rates = asked.batch / seconds[:, 1]
        table.add_row(
            name,
            f"{cpu / asked.batch * 1e3:.2f}",
            f"{base[0] / cpu:.2f}",
            f"{asked.batch / wall:.0f}",
            f"{base[1] / wall:.2f}",
            f"{rates.min():.0f}",
            f"{rates.max():.0f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
