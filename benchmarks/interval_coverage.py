"""How often do 95% intervals of macro F1 hold the true value: plain percentile, and corrected?

Run with ``OMP_NUM_THREADS=1 python benchmarks/interval_coverage.py``. Data sets are drawn
from systems whose true confusion, and so whose true macro F1, is known; each gets 1,000
bootstrap draws and both intervals, side by side. The standard error of a coverage over
3,000 data sets is 0.4 points.
"""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console
from rich.table import Table

from evoca.metrics.bootstrap import corrected_interval, interval
from evoca.metrics.checks import FloatArray
from evoca.metrics.functional import macro_f1

EMOTIONS = 8
SIZES = (100, 200, 600)


def system(low: float, high: float, seed: int = 1) -> FloatArray:
    """Return the chance of each pair of true and predicted label, (K, K), emotions balanced.

    Args:
        low: recall of the emotion that is found least.
        high: of the one that is found most.
        seed: of where the errors go.
    """
    errors = np.random.default_rng(seed).dirichlet(np.full(EMOTIONS, 0.7), EMOTIONS)
    np.fill_diagonal(errors, 0.0)
    recall = np.linspace(low, high, EMOTIONS)
    pairs = errors / errors.sum(axis=1, keepdims=True) * (1 - recall)[:, None]
    return np.asarray((pairs + np.diag(recall)) / EMOTIONS)


def coverage(
    pairs: FloatArray, n: int, sets: int, draws: int, random: np.random.Generator
) -> tuple[float, float]:
    """Return the share of data sets whose interval holds the truth: percentile, corrected."""
    true, held = float(macro_f1(pairs)), np.zeros(2)
    for _ in range(sets):
        counts = random.multinomial(n, pairs.ravel())
        drawn = random.multinomial(n, counts / n, size=draws).astype(np.float64)
        found = macro_f1(drawn.reshape(draws, EMOTIONS, EMOTIONS))
        value = float(macro_f1(counts.reshape(EMOTIONS, EMOTIONS).astype(np.float64)))
        ends = interval(found), corrected_interval(found, value)
        held += [low <= true <= high for low, high in ends]
    percentile, corrected = (held / sets).tolist()
    return percentile, corrected


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=3000)
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    table = Table("images", "recalls", "percentile", "bias-corrected", box=None)
    random = np.random.default_rng(0)
    for n in SIZES:
        for low, high in ((0.55, 0.55), (0.35, 0.72)):
            held = coverage(system(low, high), n, options.sets, options.draws, random)
            table.add_row(f"{n}", f"{low} to {high}", *(f"{share:.1%}" for share in held))
    Console().print(table)


if __name__ == "__main__":
    main()
