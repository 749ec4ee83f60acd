"""Prediction sets that hold the true label for a stated share of images.

Split conformal prediction with the probability of the true label as the score, the
least ambiguous set-valued classifier (Sadinle, Lei and Wasserman 2019, "Least Ambiguous
Set-Valued Classifiers With Bounded Error Levels", JASA): a set is every label with a
probability at or above a threshold, and always the top label. Where calibration rows
and new images are exchangeable, the true label is in the set with at least the stated
probability, whatever the model. One threshold ensures this on average over images, one per
label ensures it for the images of every emotion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.errors import DataError
from evoca.metrics.bootstrap import Groups, mean_figures
from evoca.metrics.checks import NO_LABEL, FloatArray, IntArray, as_probabilities, as_truth
from evoca.metrics.result import Figure
from evoca.metrics.ties import top_labels
from evoca.priors import weighted_threshold

__all__ = [
    "SetFigures",
    "SetQuality",
    "class_conditional_sets",
    "coverage_and_size",
    "held_out_coverage",
    "held_out_sets",
    "interval_errors",
    "label_thresholds",
    "prediction_sets",
    "set_figures",
    "set_threshold",
]


def set_threshold(probabilities: FloatArray, truth: IntArray, coverage: float) -> float:
    """Return the threshold whose sets hold the true label with the stated probability.

    Args:
        probabilities: float (n, K), of rows that the model did not learn from.
        truth: int (n,), 0..K-1.
        coverage: 0..1, both excluded.

    Returns:
        The k-th largest probability of a true label, k = ceil((n + 1) coverage): the 1
        is for the new image. 0, so that sets hold all labels, where n is too small.

    Raises:
        DataError: a coverage outside 0..1, no row, or arrays that are not as stated
            (rows named).

    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    >>> set_threshold(p, np.array([0, 0, 0, 0]), coverage=0.6)
    0.6
    """
    own = _own(probabilities, truth)
    return _threshold(own, coverage)


def label_thresholds(probabilities: FloatArray, truth: IntArray, coverage: float) -> FloatArray:
    """Return one threshold per label, each from the rows of that label alone.

    The sets then hold the true label with the stated probability for the images of
    every label, usually at the price of larger sets. Arguments and errors as for
    :func:`set_threshold`.

    Returns:
        float (K,); 0 for a label with too few rows: it is then in every set.
    """
    own = _own(probabilities, truth)
    labels = range(np.shape(probabilities)[1])
    return np.array([_threshold(own[np.asarray(truth) == label], coverage) for label in labels])


def prediction_sets(probabilities: FloatArray, threshold: float | FloatArray) -> NDArray[np.bool_]:
    """Return which labels are in each row's set: bool (n, K), at least one per row.

    Args:
        probabilities: float (n, K).
        threshold: one, or (K,), one per label.
    """
    probabilities = np.asarray(probabilities)
    sets = probabilities >= threshold
    sets[np.arange(len(sets)), top_labels(probabilities)] = True
    return sets


@dataclass(frozen=True)
class SetQuality:
    """Coverage and size of prediction sets.

    Attributes:
        coverage: share of rows whose set holds the true label.
        size: mean number of labels in a set.
        coverage_by_label: float (K,), coverage over the rows of each label; NaN without.
        share_by_size: float (K,), share of the sets with 1, 2, ... K labels.
    """

    coverage: float
    size: float
    coverage_by_label: FloatArray
    share_by_size: FloatArray


def coverage_and_size(sets: NDArray[np.bool_], truth: IntArray) -> SetQuality:
    """Return coverage and size of sets, on rows that their threshold was not chosen on.

    Args:
        sets: bool (n, K).
        truth: int (n,), 0..K-1.
    """
    n, k = sets.shape
    hit = sets[np.arange(n), truth]
    sizes = sets.sum(axis=1)
    by_label = [
        hit[truth == label].mean() if (truth == label).any() else np.nan for label in range(k)
    ]
    return SetQuality(
        coverage=float(hit.mean()),
        size=float(sizes.mean()),
        coverage_by_label=np.array(by_label, dtype=np.float64),
        share_by_size=np.bincount(sizes - 1, minlength=k) / n,
    )


def held_out_sets(
    probabilities: FloatArray,
    truth: IntArray,
    fold: IntArray,
    coverage: float,
    threshold: Callable[[FloatArray, IntArray, float], float | FloatArray] = set_threshold,
) -> NDArray[np.bool_]:
    """Return sets whose threshold comes from all other folds: bool (n, K).

    Args:
        probabilities: float (n, K), each row's from a model that did not learn from it.
        truth: int (n,), 0..K-1.
        fold: int (n,), the fold each row is in; keep groups within a fold.
        coverage: 0..1, both excluded.
        threshold: :func:`set_threshold` or :func:`label_thresholds`.

    Raises:
        DataError: fewer than two folds, or as for :func:`set_threshold`.
    """
    folds = np.unique(fold)
    if len(folds) < 2:
        raise DataError("coverage across folds needs at least two folds")
    sets = np.zeros(np.shape(probabilities), dtype=bool)
    for one in folds:
        inside = fold == one
        found = threshold(probabilities[~inside], truth[~inside], coverage)
        sets[inside] = prediction_sets(probabilities[inside], found)
    return sets


def held_out_coverage(
    probabilities: FloatArray,
    truth: IntArray,
    fold: IntArray,
    coverage: float,
    threshold: Callable[[FloatArray, IntArray, float], float | FloatArray] = set_threshold,
) -> SetQuality:
    """Return coverage and size of :func:`held_out_sets`; same arguments and errors."""
    return coverage_and_size(
        held_out_sets(probabilities, truth, fold, coverage, threshold), np.asarray(truth)
    )


def _own(probabilities: FloatArray, truth: IntArray) -> FloatArray:
    """Return the probability of each row's true label, after a check of both."""
    shape = np.shape(probabilities)
    if len(shape) != 2 or not shape[0]:
        raise DataError(f"prediction sets need probabilities (n, K), but they have shape {shape}")
    checked = as_probabilities(probabilities, shape[1], "probabilities")
    codes = as_truth(truth, shape[0], shape[1], None)
    if (codes == NO_LABEL).any():
        raise DataError("prediction sets need a true label in every row: leave the others out")
    return checked[np.arange(len(codes)), codes]


def _threshold(own: FloatArray, coverage: float) -> float:
    if not 0 < coverage < 1:
        raise DataError(f"coverage {coverage} is not between 0 and 1")
    return weighted_threshold(own, np.ones(len(own)), 1.0, coverage)


@dataclass(frozen=True)
class SetFigures:
    """Coverage and size of prediction sets, with intervals.

    Attributes:
        coverage: share of the rows whose set holds the true label, 0..1.
        size: mean number of labels in a set, 1..K.
        by_emotion: label to the coverage over its own rows.
    """

    coverage: Figure
    size: Figure
    by_emotion: Mapping[str, Figure]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "coverage": self.coverage.to_dict(),
            "size": self.size.to_dict(),
            "by_emotion": {label: figure.to_dict() for label, figure in self.by_emotion.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SetFigures:
        """Return the object from the data of :meth:`to_dict`."""
        by_emotion = {k: Figure.from_dict(v) for k, v in content["by_emotion"].items()}
        coverage, size = (Figure.from_dict(content[name]) for name in ("coverage", "size"))
        return cls(coverage, size, by_emotion)


def set_figures(
    in_set: NDArray[np.bool_],
    truth: IntArray,
    labels: Sequence[str],
    groups: Groups = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> SetFigures:
    """Return coverage and size of sets, on rows that their thresholds were not chosen on.

    Args:
        in_set: bool (R, n, K), from R repeats of a protocol.
        truth: int (n,), 0..K-1.
        labels: K names.
        groups: n group names; each row is its own group if omitted.
        draws: of the bootstrap.
        seed: of the bootstrap.
    """
    hit = np.take_along_axis(in_set, truth[None, :, None], axis=2)[..., 0].mean(axis=0)
    columns = {"coverage": hit, "size": in_set.sum(axis=2).mean(axis=0)}
    own = {label: np.where(truth == k, hit, np.nan) for k, label in enumerate(labels)}
    found = mean_figures(
        columns | {f"of {label}": values for label, values in own.items()},
        groups,
        shares={"coverage", *(f"of {label}" for label in labels)},
        draws=draws,
        seed=seed,
    )
    by_emotion = {label: found[f"of {label}"] for label in labels}
    return SetFigures(found["coverage"], found["size"], by_emotion)


def class_conditional_sets(
    probabilities: FloatArray, truth: IntArray, fold: IntArray, coverage: float
) -> NDArray[np.bool_]:
    """Return sets with one threshold per label, each repeat's from its other folds.

    Args:
        probabilities: float (R, n, K), each row's from a model that did not learn from it.
        truth: int (n,), 0..K-1.
        fold: int (R, n), the fold each row is in.
        coverage: stated for every label, 0..1, both excluded.

    Returns:
        bool (R, n, K).

    Raises:
        DataError: as for :func:`evoca.metrics.conformal.held_out_sets`.
    """
    return np.stack(
        [
            held_out_sets(p, truth, own, coverage, label_thresholds)
            for p, own in zip(probabilities, fold, strict=True)
        ]
    )


def interval_errors(errors: FloatArray, coverage: float) -> tuple[float, float]:
    """Return the errors of valence and arousal that a new row's stay within, by a probability.

    Args:
        errors: float (n, 2), absolute ones of rows that the model did not learn from, NaN where
            unknown; each of the two is known of some row.
        coverage: 0..1, both excluded.

    Returns:
        Of each the k-th smallest of n, k = ceil((n + 1) coverage) (split conformal prediction,
        Lei et al. 2018, equation 4); the largest where n is too small.

    >>> interval_errors(np.arange(1.0, 19.0).reshape(9, 2), 0.5)
    (9.0, 10.0)
    """
    known = [np.sort(own[np.isfinite(own)]) for own in errors.T]
    ranks = [int(np.ceil((len(own) + 1) * coverage)) for own in known]
    valence, arousal = (
        float(own[min(k, len(own)) - 1]) for own, k in zip(known, ranks, strict=True)
    )
    return valence, arousal
