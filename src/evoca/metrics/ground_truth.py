"""The three kinds of truth that a row can have, checked, and compared with predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoca.errors import DataError
from evoca.metrics.accumulators import AffectPart, DistributionPart, LabelPart, Part
from evoca.metrics.checks import NO_LABEL, FloatArray, IntArray, as_probabilities, rows_where
from evoca.words import by_number, counted

__all__ = ["SCALES", "Affect", "Truth", "as_ratings", "as_runs", "as_votes", "paired_affect"]

SCALES = ("valence", "arousal")
"""Of manifests and models, in this order."""


@dataclass(frozen=True)
class Affect:
    """Ratings on scales such as valence and arousal, and their predictions.

    Attributes:
        rated: float (n, D); NaN where a row is not rated.
        predicted: float (n, D), or (R, n, D) from R repeats, on the same scales.
        scales: names of the D scales.
    """

    rated: ArrayLike
    predicted: ArrayLike
    scales: tuple[str, ...] = SCALES


@dataclass(frozen=True)
class Truth:
    """The labels and distributions of the rows that have one.

    Attributes:
        rows: int (m,), which of all rows these are.
        codes: int (m,), position of the label, or ``NO_LABEL``.
        votes: float (m, K), NaN where there are none.
        rated: float (m, D), NaN where not rated; D is 0 without ratings.
        group: int (m,), 0..groups-1.
        groups: how many groups these rows form.
    """

    rows: NDArray[np.intp]
    codes: IntArray
    votes: FloatArray
    rated: FloatArray
    group: IntArray
    groups: int

    @classmethod
    def of_rows(
        cls, codes: IntArray, votes: FloatArray, rated: FloatArray, group: IntArray
    ) -> Truth:
        """Return the truth of the rows that have a label, votes or a rating.

        Raises:
            DataError: these rows form fewer than two groups.
        """
        known = (codes != NO_LABEL) | ~np.isnan(votes[:, 0]) | ~np.isnan(rated).all(axis=1)
        rows = np.flatnonzero(known)
        kept, renumbered = np.unique(group[rows], return_inverse=True)
        if len(kept) < 2:
            raise DataError(
                f"{len(rows)} of {counted(len(codes), 'row')} "
                f"{by_number(len(rows), 'has', 'have')} a truth to compare with, in "
                f"{len(kept)} group(s): an interval needs at least two groups"
            )
        return cls(
            rows, codes[rows], votes[rows], rated[rows], renumbered.astype(np.int64), len(kept)
        )

    def in_order(self, order: IntArray) -> Truth:
        """Return the truth with the labels in another order.

        Args:
            order: int (K,), the position of each label in this one.
        """
        place = np.append(np.argsort(order), NO_LABEL)
        return replace(self, codes=place[self.codes], votes=self.votes[:, order])

    def compare(
        self, probabilities: FloatArray, predicted_affect: FloatArray, labels: Sequence[str]
    ) -> list[Part]:
        """Return the predictions of one run, paired with each kind of truth.

        Args:
            probabilities: float (n, K), for all rows.
            predicted_affect: float (n, D), for all rows.
            labels: K names.
        """
        own, predicted_affect = probabilities[self.rows], predicted_affect[self.rows]
        labelled, voted = self.codes != NO_LABEL, ~np.isnan(self.votes[:, 0])
        parts: list[Part] = []
        if labelled.any():
            codes, group = self.codes[labelled], self.group[labelled]
            parts.append(LabelPart(codes, own[labelled], labels, group, self.groups))
        if voted.any():
            votes, group = self.votes[voted], self.group[voted]
            parts.append(DistributionPart(votes, own[voted], group, self.groups))
        if self.rated.shape[1]:
            parts.append(AffectPart(self.rated, predicted_affect, self.group, self.groups))
        return parts


def paired_affect(rated: FloatArray | None, predicted_affect: FloatArray | None) -> Affect | None:
    """Return ratings and predicted affect, on the scales on which some row is rated.

    Args:
        rated: float (n, 2), valence and arousal, NaN where a row is not rated.
        predicted_affect: float (R, n, 2), their predictions.

    Returns:
        ``None`` where either is missing, or no row is rated.
    """
    if rated is None or predicted_affect is None:
        return None
    known = [i for i in range(len(SCALES)) if not np.isnan(rated[:, i]).all()]
    if not known:
        return None
    return Affect(rated[:, known], predicted_affect[:, :, known], tuple(SCALES[i] for i in known))


def as_runs(values: FloatArray) -> FloatArray:
    """Return predictions as (R, n, ...), from one run (n, ...) or R of them.

    Raises:
        DataError: neither.
    """
    if values.ndim not in (2, 3):
        raise DataError(f"predictions have shape {values.shape}: give (rows, K) or (runs, rows, K)")
    return values if values.ndim == 3 else values[None]


def as_votes(
    distributions: ArrayLike | None, shape: tuple[int, int], names: Sequence[str] | None
) -> FloatArray:
    """Return the viewers' distributions, checked; NaN where a row has none.

    Raises:
        DataError: not of ``shape``, or a row that is no distribution (named).
    """
    votes = np.full(shape, np.nan)
    if distributions is None:
        return votes
    given = np.asarray(distributions, dtype=np.float64)
    if given.shape != shape:
        raise DataError(f"distributions have shape {given.shape}, but predictions have {shape}")
    none = np.asarray(np.isnan(given).all(axis=1))
    # Rows without votes are filled for the check, so that rows keep their numbers.
    filled = np.where(none[:, None], 1.0 / shape[1], given)
    votes[~none] = as_probabilities(filled, shape[1], "distributions", names)[~none]
    return votes


def as_ratings(
    affect: Affect | None, shape: tuple[int, int], names: Sequence[str] | None
) -> tuple[FloatArray, FloatArray]:
    """Return ratings and their predictions, checked.

    Args:
        affect: both, or ``None``.
        shape: (R, n) of the other predictions.
        names: n image names, for errors.

    Returns:
        Ratings (n, D) and predictions (R, n, D); D is 0 where there are none.

    Raises:
        DataError: shapes that do not match, a prediction that is not finite (rows
            named), or a scale on which no row is rated.
    """
    runs, rows = shape
    if affect is None:
        return np.empty((rows, 0)), np.empty((runs, rows, 0))
    scales = len(affect.scales)
    rated = np.asarray(affect.rated, dtype=np.float64)
    predicted_affect = as_runs(np.asarray(affect.predicted, dtype=np.float64))
    if rated.shape != (rows, scales) or predicted_affect.shape != (runs, rows, scales):
        raise DataError(
            f"ratings have shape {rated.shape} and their predictions {predicted_affect.shape}, but "
            f"({rows}, {scales}) and ({runs}, {rows}, {scales}) are needed"
        )
    bad = ~np.isfinite(predicted_affect).all(axis=(0, 2)) | np.isinf(rated).any(axis=1)
    if bad.any():
        raise DataError(f"{rows_where(np.asarray(bad), names)}: affect: not a finite number")
    for scale, column in zip(affect.scales, rated.T, strict=True):
        if np.isnan(column).all():
            raise DataError(f"no row is rated on {scale}: leave that scale out")
    return rated, predicted_affect
