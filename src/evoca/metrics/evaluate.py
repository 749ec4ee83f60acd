"""The report of predictions against labels: every figure, with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoca.errors import DataError
from evoca.metrics.accumulators import Part
from evoca.metrics.bootstrap import Figures, interval, intervals, resample, unvaried
from evoca.metrics.checks import (
    NO_LABEL,
    FloatArray,
    as_probabilities,
    as_truth,
    check_support,
    group_index,
)
from evoca.metrics.ground_truth import Affect, Truth, as_ratings, as_runs, as_votes
from evoca.metrics.remarks import with_remarks
from evoca.metrics.result import EmotionFigures, Figure, Report
from evoca.metrics.ties import label_order, order_labels
from evoca.words import counted

__all__ = ["evaluate_predictions"]

_PER_EMOTION = ("precision", "recall", "f1")
_PER_SCALE = ("ccc", "pearson", "mae")
# A calibration error is a mean of absolute values: drawing rows twice adds noise to every
# bin, so the draws lie above the figure by their own bias.
_BIASED = {"ece", "ece_equal_width"}
# Drawing rows twice lowers these: the plain percentile interval held the true value in
# 91 to 94% of small data sets (benchmarks/interval_coverage.py).
_LOWERED = {"macro_f1", "weighted_f1"}
_BY_LABEL = {*_PER_EMOTION, "confusion"}
_TABLES = {*_PER_EMOTION, *_PER_SCALE, "confusion"}


def evaluate_predictions(
    truth: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    groups: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    distributions: ArrayLike | None = None,
    affect: Affect | None = None,
    names: Sequence[str] | None = None,
    allow_missing: bool = False,
    draws: int = 1000,
    seed: int = 0,
) -> Report:
    """Return every figure that the truth defines, with 95% bootstrap intervals.

    Predictions may come from several repeats of a protocol, such as cross-validation
    with other folds, each holding one (out-of-fold) prediction per row. A figure is then
    computed on the pooled rows of each repeat and averaged over the repeats, and the
    same groups are drawn in every repeat: the interval is about the images, not about
    the folds.

    Args:
        truth: int (n,), position of the true label, or -1 where a row has none; see
            :func:`evoca.metrics.checks.encode_labels`.
        probabilities: float (n, K), or (R, n, K) from R repeats; rows sum to 1, and are
            scaled to 1 if they differ from it by less than
            :data:`evoca.emotions.SUM_TOLERANCE`. Equal ones rank by
            :func:`evoca.metrics.ties.order_labels`, not by column.
        labels: names of the K labels.
        groups: n group names; rows of one group are resampled together. A row without
            one (empty or ``None``) is a group of its own, as are all if omitted.
        distributions: float (n, K), the viewers' votes as shares; all NaN where a row
            has none.
        affect: ratings and their predictions.
        names: n image names, for errors.
        allow_missing: evaluate although no row has some label, leaving it out of the
            averages over emotions.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        The figures; see :meth:`evoca.metrics.result.Report.to_dict` for JSON.

    Raises:
        DataError: shapes that do not match, NaN, rows that do not sum to 1, labels out
            of range, a label without a row, no truth at all, or fewer than two groups
            (rows are named); fewer than one draw.

    >>> report = evaluate_predictions(
    ...     truth=[0, 0, 1, 1],
    ...     probabilities=[[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7]],
    ...     labels=["awe", "fear"],
    ... )
    >>> report["accuracy"].value, report.per_emotion["awe"].recall.value
    (0.75, 0.5)
    """
    predicted = as_runs(as_probabilities(probabilities, len(labels), "probabilities", names))
    runs, rows, _ = predicted.shape
    if names is not None and len(names) != rows:
        raise DataError(
            f"{counted(len(names), 'name is', 'names are')} given for {counted(rows, 'row')} of "
            "predictions"
        )
    if draws < 1:
        raise DataError(f"{draws} bootstrap draws: at least one is needed")
    codes = as_truth(truth, rows, len(labels), names)
    if not allow_missing and (codes != NO_LABEL).any():
        check_support(codes, labels)
    rated, predicted_affect = as_ratings(affect, (runs, rows), names)
    votes = as_votes(distributions, (rows, len(labels)), names)
    known = Truth.of_rows(codes, votes, rated, group_index(groups, rows))
    order = label_order(labels)
    ranked = known.in_order(order)
    totals: list[Figures] = [{}, {}]
    for own, own_affect in zip(predicted[..., order], predicted_affect, strict=True):
        parts = ranked.compare(own, own_affect, order_labels(labels))
        found = resample(partial(_all_figures, parts), known.groups, draws, seed)
        totals = [_add(total, one) for total, one in zip(totals, found, strict=True)]
    point, drawn = ({name: sums / runs for name, sums in total.items()} for total in totals)
    given = np.argsort(order)
    for each in (point, drawn):
        each |= {name: each[name][..., given] for name in _BY_LABEL & each.keys()}
        each |= {name: each[name][..., given, :] for name in {"confusion"} & each.keys()}
    for name in _BIASED & point.keys():
        drawn[name] = _centred(point[name], drawn[name])
    varied = {name: values for name, values in drawn.items() if name != "confusion"}
    ends = intervals(point, varied, corrected=_LOWERED)
    figures = {name: _figure(point[name], ends[name]) for name in point if name not in _TABLES}
    if affect is not None:
        figures |= {
            name: _scales(point[name], drawn[name], ends[name], affect.scales)
            for name in _PER_SCALE
        }
    report = Report(
        n=len(known.rows),
        labels=tuple(labels),
        figures=figures,
        per_emotion=_per_emotion(point, ends, labels),
        confusion=point.get("confusion"),
        groups=known.groups,
        repeats=runs,
        draws=draws,
        seed=seed,
        labelled=int((known.codes != NO_LABEL).sum()),
        distributions=int((~np.isnan(known.votes[:, 0])).sum()),
        rated=int((~np.isnan(known.rated)).any(axis=1).sum()),
        unvaried=unvaried(point, drawn, ends, figures),
    )
    return with_remarks(report, known, predicted[:, known.rows])


def _all_figures(parts: Sequence[Part], counts: FloatArray) -> Figures:
    return {name: values for part in parts for name, values in part.figures(counts).items()}


def _add(total: Figures, one: Figures) -> Figures:
    return {name: total.get(name, 0.0) + values for name, values in one.items()}


def _centred(point: FloatArray, drawn: FloatArray) -> FloatArray:
    """Return the draws, moved so that their median is the figure, none below 0."""
    return np.maximum(drawn - np.nanmedian(drawn) + point, 0.0)


def _figure(point: FloatArray, ends: FloatArray) -> Figure:
    low, high = ends
    return Figure(float(point), (float(low), float(high)))


def _scales(
    point: FloatArray, drawn: FloatArray, ends: FloatArray, scales: Sequence[str]
) -> Figure:
    """Return the mean over scales, with the figure of each scale."""
    parts = {name: _figure(point[i], ends[:, i]) for i, name in enumerate(scales)}
    return replace(_figure(point.mean(), interval(drawn.mean(axis=1))), parts=parts)


def _per_emotion(point: Figures, ends: Figures, labels: Sequence[str]) -> dict[str, EmotionFigures]:
    if "confusion" not in point:
        return {}
    # Repeats share their truth, so the mean over them is a whole number.
    support = np.rint(point["confusion"].sum(axis=1)).astype(int)
    return {
        label: EmotionFigures(
            **{name: _figure(point[name][i], ends[name][:, i]) for name in _PER_EMOTION},
            support=int(support[i]),
        )
        for i, label in enumerate(labels)
    }
