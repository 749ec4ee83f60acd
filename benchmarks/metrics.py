"""Time all that ``evoca evaluate`` computes from predictions, at the size of EmoSet.

Run with ``OMP_NUM_THREADS=2 python benchmarks/metrics.py``. Predictions are synthetic:
the time does not depend on their content.
"""

from __future__ import annotations

import argparse
import os
import resource
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from evoca.emotions import MIKELS8
from evoca.metrics import Affect, evaluate_predictions
from evoca.metrics.calibration_check import check_calibration, group_folds
from evoca.metrics.conformal import class_conditional_sets, set_figures


def measure(rows: int, repeats: int, draws: int) -> float:
    """Return the seconds that figures, sets and calibration take where every row is its own group.

    That is the slowest case: the work grows with the number of groups.
    """
    random = np.random.default_rng(0)
    truth = random.integers(8, size=rows)
    votes = random.multinomial(10, np.full(8, 1 / 8), size=rows) / 10
    rated = random.normal(5, 1, (rows, 2))
    logits = random.normal(size=(repeats, rows, 8)) + 1.5 * np.eye(8)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    felt = rated + random.normal(size=(repeats, rows, 2))
    labels = [str(emotion) for emotion in MIKELS8]
    fold = np.broadcast_to(group_folds(np.arange(rows)), (repeats, rows))
    start = time.perf_counter()
    evaluate_predictions(
        truth,
        probabilities,
        labels,
        distributions=votes,
        affect=Affect(rated, felt),
        draws=draws,
    )
    set_figures(probabilities > 0.1, truth, labels, draws=draws)
    conditional = class_conditional_sets(probabilities, truth, fold, 0.9)
    set_figures(conditional, truth, labels, draws=draws)
    check_calibration(probabilities, truth, fold, 1.2, draws=draws)
    return time.perf_counter() - start


def main() -> None:
    """Print a table of sizes and seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    draws = parser.parse_args().draws
    table = Table(title=f"All figures, {draws:,} draws, {os.cpu_count()} cores")
    for column in ("rows x labels", "repeats", "seconds", "peak memory, MB"):
        table.add_column(column, justify="right")
    for rows, repeats in ((600, 1), (600, 5), (23_000, 1), (118_000, 1), (118_000, 3)):
        seconds = measure(rows, repeats, draws)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        table.add_row(f"{rows:,} x 8", str(repeats), f"{seconds:.2f}", f"{peak:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
