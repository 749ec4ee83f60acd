"""Confidence: the reliability diagram, and prediction sets by emotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from evoca.metrics import Figure
from evoca.metrics.checks import FloatArray
from evoca.metrics.conformal import set_figures
from evoca.metrics.reliability import Reliability, reliability
from evoca.metrics.ties import label_order
from evoca.report.run_predictions import ScoredRun
from evoca.report.sections.headline import Shown, shown_figure
from evoca.report.svg import Plot

__all__ = ["ReliabilityPlot", "SetRow", "calibrations", "reliability_plot", "set_rows"]

_METHODS = {
    "model": "as the model is",
    "none": "none",
    "temperature": "temperature",
    "vector": "vector scaling",
    "isotonic": "isotonic",
}
_FIFTHS = [(k / 5, f"{k / 5:.0%}") for k in range(6)]


@dataclass(frozen=True)
class ReliabilityPlot:
    """A reliability diagram and its numbers.

    Attributes:
        plot: the drawing.
        rows: for each bin confidence, accuracy and band in words, and whether the
            accuracy is inside.
        outside: bins whose accuracy is outside the band.
    """

    plot: Markup
    rows: list[tuple[str, str, str, bool]]
    outside: int

    @property
    def by_chance(self) -> str:
        """How often any bin of a perfect model is outside, in words."""
        return f"{1 - 0.95 ** len(self.rows):.0%}"


def reliability_plot(scored: ScoredRun) -> ReliabilityPlot | None:
    """Return a run's reliability diagram; ``None`` where no image has a true label."""
    kept = scored.labelled
    if not kept.any():
        return None
    p = scored.predictions.probabilities[:, kept][..., label_order(scored.labels)]
    truth = np.argsort(label_order(scored.labels))[scored.predictions.truth[kept]]
    curve = reliability(p, truth, groups=scored.labelled_groups)
    inside = (curve.accuracy >= curve.low) & (curve.accuracy <= curve.high)
    rows = [
        (f"{c:.1%}", f"{a:.1%}", f"{low:.1%} to {high:.1%}", bool(ok))
        for c, a, low, high, ok in zip(
            curve.confidence, curve.accuracy, curve.low, curve.high, inside, strict=True
        )
    ]
    return ReliabilityPlot(_drawn(curve, inside), rows, int((~inside).sum()))


def _drawn(curve: Reliability, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Markup:
    plot = Plot(width=460, height=420)
    plot.axes(_FIFTHS, _FIFTHS, ("stated confidence", "share that is right"))
    x = curve.confidence.tolist()
    above = list(zip(x, curve.high.tolist(), strict=True))
    below = list(zip(x, curve.low.tolist(), strict=True))
    plot.area([*above, *reversed(below)], "band")
    plot.line([(0, 0), (1, 1)], "reference")
    points = list(zip(x, curve.accuracy.tolist(), strict=True))
    plot.line(points, "curve")
    for (confidence, accuracy), ok in zip(points, inside.tolist(), strict=True):
        text = f"confidence {confidence:.0%}, accuracy {accuracy:.0%}"
        plot.dot((confidence, accuracy), "curve" if ok else "curve outside", text)
    outside = int((~inside).sum())
    return plot.svg(
        f"Reliability diagram of {len(x)} bins; {outside} outside the band of perfect "
        "calibration. The numbers are in the table that follows."
    )


def calibrations(scored: ScoredRun) -> list[tuple[str, str, str, str]]:
    """Return NLL, Brier score and calibration error under each calibration, where recorded."""
    section = scored.run.metrics.get("calibration")
    methods = section.get("methods") if isinstance(section, Mapping) else None
    if not isinstance(methods, Mapping):
        return []
    rows = []
    for name, title in _METHODS.items():
        if name in methods:
            nll, brier = (Figure.from_dict(methods[name][key]) for key in ("nll", "brier"))
            rows.append(
                (title, f"{nll.value:.3f}", f"{brier.value:.3f}", f"{methods[name]['ece']:.1%}")
            )
    return rows


@dataclass(frozen=True)
class SetRow:
    """Prediction sets of one emotion's images.

    Attributes:
        label: the true emotion; empty for all images.
        coverage: share of sets that contain it.
        size: mean number of emotions in a set.
        support: images.
    """

    label: str
    coverage: Shown
    size: str
    support: int


def set_rows(scored: ScoredRun) -> list[SetRow]:
    """Return coverage and size for all images and for each emotion; empty without sets."""
    inside, kept = scored.predictions.in_set, scored.labelled
    if inside is None or not kept.any():
        return []
    truth, inside = scored.predictions.truth[kept], inside[:, kept]
    found = set_figures(inside, truth, scored.labels, scored.labelled_groups)
    sizes = inside.sum(axis=2).mean(axis=0)
    rows = [_set_row(scored, "", found.coverage, sizes)]
    for position, label in enumerate(scored.labels):
        if (truth == position).any():
            own = sizes[truth == position]
            rows.append(_set_row(scored, label, found.by_emotion[label], own))
    return rows


def _set_row(scored: ScoredRun, label: str, coverage: Figure, sizes: FloatArray) -> SetRow:
    reference = None if scored.coverage_goal is None else (scored.coverage_goal, "built for")
    shown = shown_figure("set_coverage", coverage, reference)
    return SetRow(label, shown, f"{sizes.mean():.2f}", len(sizes))
