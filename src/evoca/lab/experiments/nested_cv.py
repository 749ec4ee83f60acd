"""Nested, repeated, stratified and grouped cross-validation of a recipe's head."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evoca.errors import DataError
from evoca.lab.config.recipe import Protocol
from evoca.lab.experiments.holdout import grouped_parts
from evoca.lab.experiments.results import RepeatedPredictions
from evoca.lab.heads.base import Features, FittedHead, Fitter, Truth
from evoca.metrics.calibration import likeliest
from evoca.metrics.conformal import set_threshold
from evoca.metrics.functional import nll
from evoca.progress import Advance
from evoca.softmax import softmax
from evoca.words import counted

__all__ = ["CrossValidation", "HeadOperatingPoint", "calibrate", "cross_validate", "folds_of"]

Groups = NDArray[np.int_]


@dataclass(frozen=True)
class HeadOperatingPoint:
    """The operating point that the inner folds choose.

    Attributes:
        c: inverse penalty of the head.
        temperature: for softmax(logits / temperature).
        threshold: of the prediction set.
        nll: mean negative log-likelihood of the inner folds' held-out images, nats: by
            which the candidate was chosen, and features can be.
        chosen_on: those images' logits (n, K) and labels (n,).
    """

    c: float
    temperature: float
    threshold: float
    nll: float
    chosen_on: tuple[NDArray[np.float64], Truth] | None = field(
        default=None, repr=False, compare=False
    )
    affect_errors: None = None
    """A head on one source's features predicts no valence and arousal."""


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-fold predictions of every repeat; no image is predicted by a model that,
    in any of its choices, has seen it or another image of its group.

    Attributes:
        probabilities: (R, n, K), calibrated.
        fold: (R, n), the outer fold an image was held out in.
        threshold: (R, folds), of the prediction sets.
        temperature: (R, folds), that the probabilities were made with.
        heads: of the first repeat, one per fold.
        choices: one per fold, those of the first repeat first.
    """  # noqa: D205

    probabilities: NDArray[np.float64]
    fold: NDArray[np.int_]
    threshold: NDArray[np.float64]
    temperature: NDArray[np.float64]
    heads: tuple[FittedHead, ...]
    choices: tuple[HeadOperatingPoint, ...]

    def predictions(self) -> RepeatedPredictions:
        """Return the predictions with each image's own threshold and temperature."""
        return RepeatedPredictions(
            self.probabilities,
            self.fold,
            self._of_fold(self.threshold),
            self._of_fold(self.temperature),
        )

    def _of_fold(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.take_along_axis(values, self.fold, axis=1))


def folds_of(truth: Truth, groups: Groups, folds: int, seed: int) -> Truth:
    """Return a fold for each image, stratified by class, no group split between folds.

    Returns:
        (n,) fold numbers 0..folds-1.

    Raises:
        DataError: a class has fewer images than there are folds.
    """
    counts = np.bincount(truth)
    if counts.min() < folds:
        raise DataError(
            f"class {int(counts.argmin())} has {counted(int(counts.min()), 'image')}, fewer than "
            f"the {folds} folds: give more images or fewer folds"
        )
    fold = np.empty(len(truth), dtype=np.int_)
    for number, held_out in enumerate(grouped_parts(truth, groups, folds, seed)):
        fold[held_out] = number
    return fold


def calibrate(
    features: Features,
    truth: Truth,
    groups: Groups,
    fitter: Fitter,
    protocol: Protocol,
    seed: int,
) -> HeadOperatingPoint:
    """Return the candidate, temperature and set threshold chosen on out-of-fold logits.

    The candidate, such as a penalty, is the one with the lowest negative log-likelihood
    after temperature scaling (Guo et al. 2017); the threshold is the conformal quantile of
    the true label's probability (Sadinle et al. 2019, least ambiguous sets).
    """
    fold = folds_of(truth, groups, protocol.inner_folds, seed)
    grid = fitter.candidates
    logits = np.empty((len(grid), len(truth), int(truth.max()) + 1))
    for number in range(protocol.inner_folds):
        train, held_out = fold != number, fold == number
        path = fitter.path(features[train], truth[train], grid)
        for i, head in enumerate(path):
            logits[i, held_out] = head.logits(features[held_out])
    best, temperature = likeliest(logits, truth)
    probabilities = softmax(logits[best], temperature)
    threshold = set_threshold(probabilities, truth, protocol.coverage)
    mean = float(nll(truth, probabilities).mean())
    return HeadOperatingPoint(grid[best], temperature, threshold, mean, (logits[best], truth))


def fit_head(features: Features, truth: Truth, fitter: Fitter, c: float) -> FittedHead:
    """Return the head of one candidate, fitted."""
    return next(iter(fitter.path(features, truth, (c,))))


def cross_validate(
    features: Features,
    truth: Truth,
    groups: Groups,
    fitter: Fitter,
    protocol: Protocol,
    advance: Advance | None = None,
) -> CrossValidation:
    """Return a head's cross-validation: every choice is made inside training parts.

    Args:
        features: (n, D) frozen features.
        truth: (n,) class indices.
        groups: (n,) duplicate clusters.
        fitter: of the head.
        protocol: states folds, repeats and seed.
        advance: called with 1 after each outer fold.

    Raises:
        DataError: a class is too small for the folds.
    """
    n, k = len(truth), int(truth.max()) + 1
    probabilities = np.empty((protocol.repeats, n, k))
    folds = np.empty((protocol.repeats, n), dtype=np.int_)
    thresholds = np.empty((protocol.repeats, protocol.folds))
    temperatures = np.empty_like(thresholds)
    heads: list[FittedHead] = []
    choices: list[HeadOperatingPoint] = []
    for repeat in range(protocol.repeats):
        seed = protocol.seed + repeat
        folds[repeat] = folds_of(truth, groups, protocol.folds, seed)
        for number in range(protocol.folds):
            train, held_out = folds[repeat] != number, folds[repeat] == number
            inside = features[train], truth[train]
            chosen = calibrate(*inside, groups[train], fitter, protocol, seed)
            head = fit_head(*inside, fitter, chosen.c)
            logits = head.logits(features[held_out])
            probabilities[repeat, held_out] = softmax(logits, chosen.temperature)
            thresholds[repeat, number] = chosen.threshold
            temperatures[repeat, number] = chosen.temperature
            if repeat == 0:
                heads.append(head)
            choices.append(chosen)
            if advance is not None:
                advance(1)
    return CrossValidation(
        probabilities, folds, thresholds, temperatures, tuple(heads), tuple(choices)
    )
