"""Small run directories with real figures, for tests of what reads them."""

from __future__ import annotations

import numpy as np

from evoca.emotions import MIKELS8
from evoca.metrics.evaluate import evaluate_predictions
from evoca.runs import Predictions, write_json, write_predictions

LABELS = tuple(str(emotion) for emotion in MIKELS8)


def make_predictions(n=160, seed=0, *, agreement=False, sets=False):
    """Predictions that are right about half of the time, in two repeats."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % len(LABELS)
    logits = rng.normal(size=(2, n, len(LABELS)))
    logits[:, np.arange(n), truth] += 1.3
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return Predictions(
        images=tuple(f"{i}.jpg" for i in range(n)),
        groups=("",) * n,
        truth=truth.astype(np.int64),
        labels=LABELS,
        probabilities=probabilities,
        fold=np.zeros((2, n), dtype=np.int64),
        in_set=probabilities >= 0.1 if sets else None,
        agreement=rng.choice([0.4, 0.6, 0.8, 1.0], size=n) if agreement else None,
    )


def write_run(folder, recipe, *, images=600, split=None, predictions=None, **description):
    """Write a run of the named recipe, or with a whole recipe, and return its folder."""
    folder.mkdir(parents=True)
    predictions = predictions or make_predictions()
    recipe = {"name": recipe} if isinstance(recipe, str) else recipe
    description = {
        "run_version": 1,
        "recipe": recipe,
        "labels": list(LABELS),
        "data": {"images": images, "name": "a sample of FI", "fingerprint": "ab" * 32},
        "split": split or {"kind": "cross-validation", "folds": 5, "repeats": 2},
        **description,
    }
    report = evaluate_predictions(predictions.truth, predictions.probabilities, LABELS, draws=100)
    write_json(folder / "run.json", description)
    write_json(folder / "metrics.json", report.to_dict())
    write_predictions(folder / "predictions.csv", predictions)
    return folder
