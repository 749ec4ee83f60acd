"""Runs for the tests of the report, made up in memory."""

from __future__ import annotations

import csv

import numpy as np

from evoca.emotions import MIKELS8
from evoca.metrics import evaluate_predictions
from evoca.runs import Predictions, new_run, read_run, write_json, write_predictions

LABELS = tuple(map(str, MIKELS8))
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
PER_LABEL = 4


def silent(name, total):
    """Announce no step."""
    return lambda amount: None


def predictions_of(names, seed=0, repeats=1):
    """Make up predictions that are right more often than not; votes differ by image."""
    random = np.random.default_rng(seed)
    n = len(names)
    truth = np.array([LABELS.index(name.split("/")[0]) for name in names])
    p = random.dirichlet(np.full(8, 0.4), (repeats, n))
    p[:, np.arange(n), truth] += random.random((repeats, n)) * 0.8
    p /= p.sum(axis=2, keepdims=True)
    agreement = np.tile([1.0, 0.8, 0.6, np.nan], n // 4)
    shares = np.full((n, 8), np.nan)
    known = ~np.isnan(agreement)
    shares[known] = ((1 - agreement[known]) / 7)[:, None]
    shares[np.flatnonzero(known), truth[known]] = agreement[known]
    return Predictions(
        images=tuple(names),
        groups=("",) * n,
        truth=truth,
        labels=LABELS,
        probabilities=p,
        fold=np.tile(np.arange(n) % 4, (repeats, 1)),
        in_set=p >= 0.1,
        distribution=shares,
        agreement=agreement,
    )


def write_run(folder, predictions, **description):
    report = evaluate_predictions(
        predictions.truth, predictions.probabilities, LABELS, draws=50, allow_missing=True
    )
    with new_run(folder) as draft:
        content = {
            "run_version": 1,
            "evoca_version": "0.1.0",
            "recipe": {
                "name": "tiny",
                "summary": f"A system called {HOSTILE}",
                "protocol": {"coverage": 0.9},
            },
            "data": {"name": "small", "fingerprint": "f" * 64, "location": "/home/someone/small"},
            "split": {"kind": "folds", "folds": 4},
            "seeds": [0],
            "labels": list(LABELS),
            "notes": [f"a note {HOSTILE}"],
            **description,
        }
        write_json(draft / "run.json", content)
        write_json(draft / "metrics.json", report.to_dict())
        write_predictions(draft / "predictions.csv", predictions)
        with (draft / "history.csv").open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["step", "epoch", "train_loss", "val_loss", "val_accuracy"])
            table.writerows([[1, 1, 2.1, 2.2, 0.1], [1, 2, 1.5, 1.9, ""], [2, 1, 1.1, 1.8, 0.4]])
    return read_run(folder)
