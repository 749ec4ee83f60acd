"""The calibration of a model compared with chance and with other calibrators.

The calibration error alone is not enough: with few rows chance causes one, and a model
that predicts the base rates has none. So it is compared with that of a perfectly
calibrated model, and calibrators are scored by NLL and Brier score, which are least for
the true probabilities (proper scores; Gneiting and Raftery 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evoca.errors import MissingExtraError
from evoca.metrics.bootstrap import Groups, mean_figures
from evoca.metrics.calibration import (
    Calibrator,
    Temperature,
    cross_calibrate,
    fit_isotonic,
    fit_temperature,
    fit_vector_scaling,
)
from evoca.metrics.calibration_error import Band, copies_of, perfect_calibration_band
from evoca.metrics.checks import FloatArray, IntArray
from evoca.metrics.functional import brier, ece, nll
from evoca.metrics.result import Figure
from evoca.metrics.ties import top_labels

__all__ = ["ENOUGH_ROWS", "CalibrationCheck", "Method", "check_calibration", "group_folds"]

ENOUGH_ROWS = 100
"""With fewer rows calibrators are not compared: they would fit noise."""

_FOLDS = 5
_FITTED_ROWS = 20_000  # a few parameters per label: more rows do not change the scores
_SCORES = ("nll", "brier")
_FITS: Mapping[str, Callable[[FloatArray, IntArray], Calibrator]] = {
    "temperature": lambda logits, truth: Temperature(fit_temperature(logits, truth)),
    "vector": fit_vector_scaling,
    "isotonic": fit_isotonic,
}


@dataclass(frozen=True)
class Method:
    """Scores of one calibrator, on rows that it was not fitted on.

    Attributes:
        nll: mean negative log-likelihood, nats.
        brier: 0..2.
        ece: of the top label, 10 equal-mass bins.
        nll_change: NLL minus that without calibration; below 0 is a gain.
        brier_change: the same for the Brier score.
    """

    nll: Figure
    brier: Figure
    ece: float
    nll_change: Figure
    brier_change: Figure

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "nll": self.nll.to_dict(),
            "brier": self.brier.to_dict(),
            "ece": self.ece,
            "nll_change": self.nll_change.to_dict(),
            "brier_change": self.brier_change.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Method:
        """Return the instance that :meth:`to_dict` made the data from."""
        figures = {
            name: Figure.from_dict(content[name])
            for name in ("nll", "brier", "nll_change", "brier_change")
        }
        return cls(ece=float(content["ece"]), **figures)


@dataclass(frozen=True)
class CalibrationCheck:
    """The calibration of a model.

    Attributes:
        ece: calibration error of the top label, mean over the repeats.
        band: the error of a perfectly calibrated model with these confidences.
        methods: ``model`` (as it is), ``none`` (temperature 1), and ``temperature``,
            ``vector`` and ``isotonic``, fitted on other folds; empty below
            :data:`ENOUGH_ROWS`, and without ``isotonic`` where scikit-learn is missing.
    """

    ece: float
    band: Band
    methods: Mapping[str, Method]

    @property
    def verdict(self) -> str:
        """``within`` the band, or ``above`` or ``below`` it."""
        if self.ece > self.band.high:
            return "above"
        return "below" if self.ece < self.band.low else "within"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, the section ``calibration`` of ``metrics.json``."""
        return {
            "ece": self.ece,
            "perfect": {"mean": self.band.mean, "ci95": [self.band.low, self.band.high]},
            "chance_band": [self.band.low, self.band.high],
            "verdict": self.verdict,
            "methods": {name: method.to_dict() for name, method in self.methods.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> CalibrationCheck:
        """Return the instance that :meth:`to_dict` made the data from."""
        perfect = content["perfect"]
        methods = {name: Method.from_dict(one) for name, one in content["methods"].items()}
        return cls(float(content["ece"]), Band(perfect["mean"], *perfect["ci95"]), methods)


def check_calibration(
    probabilities: FloatArray,
    truth: IntArray,
    fold: IntArray,
    temperature: FloatArray | float = 1.0,
    groups: Groups = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> CalibrationCheck:
    """Return the calibration of held-out predictions, compared with other calibrators.

    Args:
        probabilities: float (R, n, K) = softmax(logits / temperature), each row's from a
            model that did not learn from it, in R repeats.
        truth: int (n,), 0..K-1.
        fold: int (R, n), the fold each row is in; keep groups within a fold.
        temperature: of the model, one, or (R, n).
        groups: n group names; each row is its own group if omitted.
        draws: of the bootstrap and of the simulation.
        seed: of both.
    """
    copies = copies_of(groups, truth)
    bands = [
        perfect_calibration_band(p.max(axis=1), draws=draws, seed=seed, copies=copies)
        for p in probabilities
    ]
    ends = np.mean([(one.mean, one.low, one.high) for one in bands], axis=0)
    band = Band(*map(float, ends))
    own_ece = _mean_ece(probabilities, truth)
    if len(truth) < ENOUGH_ROWS:
        return CalibrationCheck(own_ece, band, {})
    # A softmax ignores a shift of all logits, so log p can replace the logits.
    smallest = np.finfo(np.float64).tiny
    heat = np.broadcast_to(temperature, probabilities.shape[:2])[..., None]
    logits = np.log(np.maximum(probabilities, smallest)) * heat
    found = {"model": probabilities, "none": np.stack([Temperature(1.0)(z) for z in logits])}
    for name, fit in _FITS.items():
        try:
            found[name] = np.stack(
                [
                    cross_calibrate(z, truth, own, _on_some(fit))
                    for z, own in zip(logits, fold, strict=True)
                ]
            )
        except MissingExtraError:
            continue
    return CalibrationCheck(own_ece, band, _methods(found, truth, groups, draws, seed))


def _on_some(
    fit: Callable[[FloatArray, IntArray], Calibrator],
) -> Callable[[FloatArray, IntArray], Calibrator]:
    """Return a fit on no more rows than needed, spread evenly."""

    def fitted(logits: FloatArray, truth: IntArray) -> Calibrator:
        step = -(-len(truth) // _FITTED_ROWS)
        return fit(logits[::step], truth[::step])

    return fitted


def _methods(
    found: Mapping[str, FloatArray], truth: IntArray, groups: Groups, draws: int, seed: int
) -> dict[str, Method]:
    """Return the scores of every method, and its paired change against no calibration."""
    scores = {
        (name, score): np.mean([function(truth, p) for p in runs], axis=0)
        for name, runs in found.items()
        for score, function in zip(_SCORES, (nll, brier), strict=True)
    }
    columns = {f"{name} {score}": values for (name, score), values in scores.items()}
    columns |= {
        f"{name} {score}_change": values - scores["none", score]
        for (name, score), values in scores.items()
    }
    figures = mean_figures(columns, groups, draws=draws, seed=seed)
    return {
        name: Method(
            nll=figures[f"{name} nll"],
            brier=figures[f"{name} brier"],
            ece=_mean_ece(runs, truth),
            nll_change=figures[f"{name} nll_change"],
            brier_change=figures[f"{name} brier_change"],
        )
        for name, runs in found.items()
    }


def _mean_ece(runs: FloatArray, truth: IntArray) -> float:
    return float(np.mean([ece(p.max(axis=1), top_labels(p) == truth) for p in runs]))


def group_folds(groups: IntArray, folds: int = _FOLDS, seed: int = 0) -> IntArray:
    """Return the fold of each row, with groups divided at random, to calibrate across folds.

    Args:
        groups: int (n,), rows of one group share a number.
        folds: how many; fewer where there are fewer groups.
        seed: of the order.

    Returns:
        int (n,), 0..folds-1.

    >>> sorted(set(group_folds(np.array([0, 0, 1, 2, 3, 4, 5]), folds=3).tolist()))
    [0, 1, 2]
    """
    _, number = np.unique(groups, return_inverse=True)
    count = int(number.max()) + 1
    order = np.random.default_rng(seed).permutation(count)
    return np.asarray(order[number] % min(folds, count), dtype=np.int64)
