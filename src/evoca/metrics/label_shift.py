"""Class frequencies of images without labels, from what a model predicts of them.

The maximum likelihood under label shift, by the EM of Saerens, Latinne and Decaestecker (2002,
"Adjusting the Outputs of a Classifier to New a Priori Probabilities", Neural Computation,
section 2.3). Label shift means that the emotions are otherwise frequent than they were in
training, and that the pictures which evoke each are of the same kinds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoca.errors import DataError
from evoca.metrics.checks import FloatArray, IntArray
from evoca.priors import reweight

__all__ = ["LEAST_IMAGES", "Estimate", "em_frequencies", "estimate_frequencies"]

LEAST_IMAGES = 50
"""With fewer, an estimate says next to nothing."""

_DRAWS, _CHECKS, _ROUNDS, _CLOSE = 200, 200, 10_000, 1e-7
_LEVEL = 0.01


@dataclass(frozen=True)
class Estimate:
    """Class frequencies with their intervals.

    Attributes:
        frequencies: float (K,), summing to 1.
        low: lower ends of their 95% intervals, from a bootstrap over images.
        high: upper ends.
        images: how many were counted.
        p_value: how often predictions as unlike the expected ones come about by chance,
            if nothing but the frequencies differs; ``None`` without calibration rows.
    """

    frequencies: FloatArray
    low: FloatArray
    high: FloatArray
    images: int
    p_value: float | None

    @property
    def is_label_shift(self) -> bool:
        """Whether nothing speaks against a shift of the frequencies alone (at 1%)."""
        return self.p_value is None or self.p_value >= _LEVEL


def em_frequencies(probabilities: FloatArray, trained: FloatArray) -> FloatArray:
    """Return the class frequencies that make the predictions most likely, (K,).

    Args:
        probabilities: float (n, K), under the training frequencies.
        trained: float (K,), above 0.

    >>> p = np.array([[0.9, 0.1]] * 3 + [[0.1, 0.9]])
    >>> em_frequencies(p, np.array([0.5, 0.5])).round(3)
    array([0.812, 0.188])
    """
    found: FloatArray = trained.astype(np.float64)
    for _ in range(_ROUNDS):
        after: FloatArray = reweight(probabilities, trained, found).mean(axis=0)
        if np.abs(after - found).max() < _CLOSE:
            return after
        found = after
    return found


def estimate_frequencies(
    probabilities: FloatArray,
    trained: FloatArray,
    calibration: tuple[FloatArray, IntArray] | None = None,
    *,
    seed: int = 0,
) -> Estimate:
    """Return the class frequencies of images, estimated from what a model predicts of them.

    Args:
        probabilities: float (n, K), under the training frequencies, calibrated.
        trained: float (K,), those frequencies.
        calibration: the same of images that the model did not learn from, (m, K), and their
            labels (m,): what predictions look like for each label.
        seed: of the draws.

    Raises:
        DataError: fewer than :data:`LEAST_IMAGES` images.
    """
    n = len(probabilities)
    if n < LEAST_IMAGES:
        raise DataError(
            f"an estimate of class frequencies needs {LEAST_IMAGES} images that can be read, not "
            f"{n}: give more, or another prior"
        )
    rng = np.random.default_rng(seed)
    found = em_frequencies(probabilities, trained)
    draws = np.array(
        [em_frequencies(probabilities[rng.integers(n, size=n)], trained) for _ in range(_DRAWS)]
    )
    low, high = np.quantile(draws, [0.025, 0.975], axis=0)
    p_value = None if calibration is None else _p_value(probabilities, found, calibration, rng)
    return Estimate(found, low, high, n, p_value)


def _p_value(
    probabilities: FloatArray,
    frequencies: FloatArray,
    calibration: tuple[FloatArray, IntArray],
    rng: np.random.Generator,
) -> float | None:
    """Return the p-value of the predictions under rows drawn with the estimated frequencies.

    The statistic is the largest distance between the distributions of the top probability
    (Kolmogorov and Smirnov): where other kinds of pictures come, a model is less sure, or surer.
    """
    rows, truth = calibration
    k = len(frequencies)
    counts = np.bincount(truth, minlength=k)
    if not counts.all():
        return None
    weights = (frequencies / counts)[truth]
    weights = weights / weights.sum()
    expected, seen = rows.max(axis=1), probabilities.max(axis=1)
    n = len(seen)
    order = np.argsort(expected)
    sorted_rows, mass = expected[order], np.cumsum(weights[order])

    def distance(sample: FloatArray) -> float:
        below = np.searchsorted(np.sort(sample), sorted_rows, side="right") / len(sample)
        return float(np.abs(below - mass).max())

    # The calibration rows are a sample too: each round draws them anew, then the images.
    chance = []
    for _ in range(_CHECKS):
        again = rng.integers(len(rows), size=len(rows))
        own = (frequencies / np.maximum(np.bincount(truth[again], minlength=k), 1))[truth[again]]
        drawn = rng.choice(expected[again], size=n, p=own / own.sum())
        chance.append(distance(drawn))
    return float((1 + np.sum(np.array(chance) >= distance(seen))) / (1 + _CHECKS))
