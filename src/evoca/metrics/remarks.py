"""Additions to figures against labels, beside their bootstrap intervals.

Exact intervals where every row agrees, the calibration error by chance alone, and how many
rows have no single likeliest label.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evoca.emotions import label_polarity
from evoca.metrics.bootstrap import AVERAGED, SHARES, Trials, exact_interval
from evoca.metrics.calibration_error import copies_of, perfect_calibration_band
from evoca.metrics.checks import NO_LABEL, FloatArray, IntArray
from evoca.metrics.functional.scores import positive_share
from evoca.metrics.ground_truth import Truth
from evoca.metrics.result import EmotionFigures, Figure, Report
from evoca.metrics.ties import TIED, tied, top_labels

__all__ = ["with_remarks"]

_WIDTHS = {"ece": False, "ece_equal_width": True}


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
    exact = _Exact(Trials(truth, top_labels(p, report.labels), group))
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


class _Exact:
    """Exact intervals in place of those without width, of the figures in ``names``."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self.names: list[str] = []

    def figures(self, report: Report) -> dict[str, Figure]:
        return {
            name: self._ends(name, figure, self._trials.of(name))
            if name in SHARES | AVERAGED and figure.value in (0.0, 1.0)
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
