"""Measure what natural class frequencies change, on the held-out predictions of a run.

    evoca train default --data FOLDER --out RUN
    python benchmarks/natural_prior.py RUN
    python benchmarks/natural_prior.py BUNDLE

Of a bundle it takes the calibration rows, held-out logits, in 20 draws of five folds. Each image
counts as often as its emotion is met among photographs that people post, or, on the
right, as often as it is in the data. Thresholds of sets, one for all emotions or one an emotion,
are chosen on the other folds' images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoca.emotions import Polarity, label_polarity
from evoca.priors import natural, reweight, weighted_threshold
from evoca.runs import Predictions, read_run
from evoca.runtime.bundle import read_bundle
from evoca.softmax import softmax

Floats = NDArray[np.float64]
DRAWS = 1000
COVERAGE = 0.9


def measures(
    predictions: Predictions, probabilities: Floats, inside: NDArray[np.bool_], weights: Floats
) -> dict[str, tuple[float, float, float]]:
    """Return figures with 95% intervals, from draws of images within each emotion.

    Args:
        predictions: of n images in R repeats; every image has a label.
        probabilities: (R, n, K), under some prior.
        inside: (R, n, K), the sets.
        weights: (n,), how often each image counts.
    """
    truth, labels = predictions.truth, predictions.labels
    positive = np.array([label_polarity(label) is Polarity.POSITIVE for label in labels])
    own = np.take_along_axis(probabilities, truth[None, :, None], axis=2)[..., 0]
    per_image = {
        "accuracy": (probabilities.argmax(axis=2) == truth).mean(axis=0),
        "polarity": ((probabilities[..., positive].sum(axis=2) > 0.5) == positive[truth]).mean(0),
        "NLL": -np.log(own.clip(1e-12)).mean(axis=0),
        "coverage": np.take_along_axis(inside, truth[None, :, None], axis=2)[..., 0].mean(axis=0),
        "set size": inside.sum(axis=2).mean(axis=0),
    }
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(truth == k) for k in range(len(labels))]
    found = {}
    for name, values in per_image.items():
        drawn = []
        for _ in range(DRAWS):
            again = np.concatenate([rng.choice(own_rows, len(own_rows)) for own_rows in rows])
            drawn.append(np.average(values[again], weights=weights[again]))
        low, high = np.quantile(drawn, [0.025, 0.975])
        found[name] = float(np.average(values, weights=weights)), float(low), float(high)
    return found


def one_threshold(scores: Floats, _: NDArray[np.int64], weight: Floats) -> float:
    """Return the threshold whose sets hold the true label for 90% of all weight."""
    return weighted_threshold(scores, weight, float(weight.max()), COVERAGE)


def threshold_by_emotion(scores: Floats, truth: NDArray[np.int64], _: Floats) -> Floats:
    """Return (K,) thresholds, each of which holds the label for 90% of its emotion's images."""
    own = [scores[truth == k] for k in range(truth.max() + 1)]
    return np.array([weighted_threshold(some, np.ones(len(some)), 1.0, COVERAGE) for some in own])


def sets(
    predictions: Predictions,
    probabilities: Floats,
    prior: Floats,
    rule: Callable[[Floats, NDArray[np.int64], Floats], float | Floats],
) -> NDArray[np.bool_]:
    """Return (R, n, K) sets, whose thresholds a rule gives on the images of all other folds."""
    truth, k = predictions.truth, len(predictions.labels)
    inside = np.zeros(probabilities.shape, dtype=np.bool_)
    for repeat, (own, fold) in enumerate(zip(probabilities, predictions.fold, strict=True)):
        for number in np.unique(fold):
            other, mine = fold != number, fold == number
            counts = np.bincount(truth[other], minlength=k) / other.sum()
            weight = (prior / counts)[truth[other]]
            scores = own[other, truth[other]]
            inside[repeat, mine] = own[mine] >= rule(scores, truth[other], weight)
    np.put_along_axis(inside, probabilities.argmax(axis=2)[..., None], True, axis=2)
    return inside


def calibration_rows(bundle: Path, draws: int = 20, folds: int = 5) -> Predictions:
    """Return the calibration rows of a bundle as predictions, in draws of stratified folds."""
    card = read_bundle(bundle).card
    if card.calibration is None:
        raise SystemExit(f"{bundle}: has no calibration rows")
    logits, truth = card.calibration.read(len(card.labels))
    fold = np.empty((draws, len(truth)), dtype=np.int64)
    rng = np.random.default_rng(0)
    for row in fold:
        for k in range(len(card.labels)):
            own = rng.permutation(np.flatnonzero(truth == k))
            row[own] = np.arange(len(own)) % folds
    names = tuple(str(number) for number in range(len(truth)))
    probabilities = np.repeat(softmax(logits, card.temperature)[None], draws, axis=0)
    return Predictions(names, ("",) * len(names), truth, card.labels, probabilities, fold)


def labelled(predictions: Predictions) -> Predictions:
    """Return the rows that have a label: of several sources, the first one's."""
    known = predictions.truth >= 0
    rows = np.flatnonzero(known).tolist()
    return replace(
        predictions,
        images=tuple(predictions.images[i] for i in rows),
        groups=tuple(predictions.groups[i] for i in rows),
        truth=predictions.truth[known],
        probabilities=predictions.probabilities[:, known],
        fold=predictions.fold[:, known],
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("source", type=Path, help="run of evoca train or crossval, or bundle")
    source = parser.parse_args().source
    bundle = (source / "model.json").is_file()
    predictions = labelled(calibration_rows(source) if bundle else read_run(source).predictions)
    labels, truth = predictions.labels, predictions.truth
    trained = np.bincount(truth, minlength=len(labels)) / len(truth)
    shares = natural(labels).shares(labels)
    reweighted = reweight(predictions.probabilities, trained, shares)
    under = {
        "as trained": (predictions.probabilities, trained, one_threshold),
        "natural": (reweighted, shares, one_threshold),
        "natural, a threshold an emotion": (reweighted, shares, threshold_by_emotion),
    }
    for counted, weights in (("natural", (shares / trained)[truth]), ("data", np.ones(len(truth)))):
        print(f"images counted by {counted} frequencies")
        for name, (probabilities, prior, rule) in under.items():
            inside = sets(predictions, probabilities, prior, rule)
            found = measures(predictions, probabilities, inside, weights)
            line = ", ".join(
                f"{key} {v:.3f} ({a:.3f} to {b:.3f})" for key, (v, a, b) in found.items()
            )
            print(f"  {name}: {line}")
            held = np.take_along_axis(inside, truth[None, :, None], axis=2)[..., 0].mean(axis=0)
            by = {label: held[truth == code].mean() for code, label in enumerate(labels)}
            print("    coverage by emotion: " + ", ".join(f"{k} {v:.2f}" for k, v in by.items()))


if __name__ == "__main__":
    main()
