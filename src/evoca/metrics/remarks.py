"""Additions to figures against labels, beside their bootstrap intervals.

Exact intervals where every row agrees, the calibration error by chance alone, and how many
rows have no single likeliest label.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evoca.emotions import label_polarity
from evoca.metrics.bootstrap import exact_interval
from evoca.metrics.calibration_error import copies_of, perfect_calibration_band
from evoca.metrics.checks import NO_LABEL, FloatArray, IntArray
from evoca.metrics.functional.scores import positive_share
from evoca.metrics.ground_truth import Truth
from evoca.metrics.result import EmotionFigures, Figure, Report
from evoca.metrics.ties import TIED, tied, top_labels

__all__ = ["with_remarks"]

_WIDTHS = {"ece": False, "ece_equal_width": True}
# Figures of all labelled rows that are 1 where all are right and 0 where none is.
_SHARES = frozenset(
    {"accuracy", "top2_accuracy", "top3_accuracy", "polarity_accuracy", "weighted_f1"}
)
# Means over the labels, that are 1 where all rows are right and 0 where none is.
_AVERAGED = frozenset({"balanced_accuracy", "macro_f1"})


def with_remarks(report: Report, known: Truth, probabilities: FloatArray) -> Report:
    """Return a report with ties counted, exact intervals, and the band of chance.

    Args:
        report: with bootstrap intervals.
        known: truth of its n rows.
        probabilities: float (R, n, K) of these rows, in the order of the report's labels.
    """
    labelled = known.codes != NO_LABEL
    if not labelled.any():
        return report
    truth, group, p = known.codes[labelled], known.group[labelled], probabilities[:, labelled]
    exact = _Exact(_Trials(truth, top_labels(p, report.labels), group))
    return replace(
        report,
        figures=_with_band(exact.figures(report), p, truth, group, report),
        per_emotion={
            label: exact.emotion(label, k, one)
            for k, (label, one) in enumerate(report.per_emotion.items())
        },
        ties=int(tied(p).any(axis=0).sum()),
        polarity_ties=_polarity_ties(p, report.labels),
        exact=tuple(exact.names),
        unvaried=tuple(name for name in report.unvaried if name not in exact.names),
    )


def _polarity_ties(p: FloatArray, labels: tuple[str, ...]) -> int:
    if any(label_polarity(label) is None for label in labels):
        return 0
    even = np.abs(positive_share(p, labels) - 0.5) <= TIED
    return int(even.any(axis=0).sum())


class _Trials:
    """Groups of labelled rows, counted for each kind of share.

    Args:
        truth: int (n,), 0..K-1.
        predicted: int (R, n), the top label in each repeat.
        group: int (n,).
    """

    def __init__(self, truth: IntArray, predicted: IntArray, group: IntArray) -> None:
        self._truth, self._predicted, self._group = truth, predicted, group

    def of(self, name: str) -> int:
        """Return the trials of a figure in ``_SHARES`` or ``_AVERAGED``.

        A mean over K labels can hide most errors in the label with the fewest groups; it
        counts as if every label had as few.
        """
        if name in _SHARES:
            return self._count(np.ones(len(self._truth), dtype=np.bool_))
        each = [self._count(self._truth == label) for label in np.unique(self._truth)]
        return len(each) * min(each)

    def of_label(self, name: str, label: int) -> int:
        """Return the trials of a label's ``recall``, ``precision`` or ``f1``."""
        own = self._truth == label
        called = (self._predicted == label).any(axis=0)
        return self._count({"recall": own, "precision": called, "f1": own | called}[name])

    def _count(self, rows: NDArray[np.bool_]) -> int:
        return len(np.unique(self._group[rows]))


class _Exact:
    """Exact intervals in place of those without width, of the figures in ``names``."""

    def __init__(self, trials: _Trials) -> None:
        self._trials = trials
        self.names: list[str] = []

    def figures(self, report: Report) -> dict[str, Figure]:
        return {
            name: self._ends(name, figure, self._trials.of(name))
            if name in _SHARES | _AVERAGED and figure.value in (0.0, 1.0)
            else figure
            for name, figure in report.figures.items()
        }

    def emotion(self, label: str, k: int, one: EmotionFigures) -> EmotionFigures:
        found = {}
        for name in ("precision", "recall", "f1"):
            figure = getattr(one, name)
            if figure.value in (0.0, 1.0):
                trials = self._trials.of_label(name, k)
                figure = self._ends(f"{label} {name}", figure, trials)
            found[name] = figure
        return replace(one, **found)

    def _ends(self, name: str, figure: Figure, trials: int) -> Figure:
        self.names.append(name)
        return replace(figure, ci95=exact_interval(figure.value, trials))


def _with_band(
    figures: dict[str, Figure], p: FloatArray, truth: IntArray, group: IntArray, report: Report
) -> dict[str, Figure]:
    """Return the figures, each calibration error with its band by chance, mean over repeats."""
    copies = copies_of(group, truth)
    for name, equal_width in _WIDTHS.items():
        bands = [
            perfect_calibration_band(
                one.max(axis=1),
                draws=report.draws,
                seed=report.seed,
                copies=copies,
                equal_width=equal_width,
            )
            for one in p
        ]
        low, high = np.mean([(band.low, band.high) for band in bands], axis=0)
        figures[name] = replace(figures[name], chance_band=(float(low), float(high)))
    return figures
