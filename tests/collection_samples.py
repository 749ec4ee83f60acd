"""Tables of predictions drawn at random."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from evoca.emotions import MIKELS8
from evoca.runtime.tables import table_columns

LABELS = [str(label) for label in MIKELS8]


def write_tags(file: Path, rows: int, seed: int = 0, **changed: list[object]) -> np.ndarray:
    """Write a CSV of predictions drawn at random, and return the distributions (n, 8)."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(8, 0.5), rows)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, table_columns(LABELS), restval="")
        writer.writeheader()
        for i, own in enumerate(shares):
            row: dict[str, object] = {
                "path": f"a/{i}.jpg",
                "sha256": f"{i:064x}",
                "emotion": LABELS[own.argmax()],
                "confidence": own.max(),
                **{f"p_{label}": p for label, p in zip(LABELS, own, strict=True)},
                "polarity_positive": own[[0, 2, 3, 5]].sum(),
                "valence": random.uniform(1, 9),
                "arousal": random.uniform(1, 9),
                "prediction_set": '["awe"]',
                "prior": "natural",
                "model": "m",
            }
            writer.writerow(row | {name: cells[i] for name, cells in changed.items()})
    return shares
