"""The figures of a run, the four main ones first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from evoca.metrics import Figure
from evoca.metrics.calibration_error import copies_of, perfect_calibration_band
from evoca.report.figures import FIGURES, Named, figure_name
from evoca.report.run_predictions import ScoredRun
from evoca.report.svg import interval_strip

__all__ = ["Shown", "headline", "shown_figure"]

_FIRST = ("accuracy", "balanced_accuracy", "polarity_accuracy", "ece")


@dataclass(frozen=True)
class Shown:
    """A figure ready for the page.

    Attributes:
        named: its title and meaning.
        value: in words.
        interval: its 95% interval in words; for a calibration error the band by chance.
        strip: both drawn on a scale from 0 to 1; empty for figures that are no share.
        reference: a value to compare with, in words; empty without one.
    """

    named: Named
    value: str
    interval: str
    strip: Markup
    reference: str = ""


def headline(scored: ScoredRun) -> tuple[list[Shown], list[Shown]]:
    """Return the first four figures, and all others."""
    figures = scored.run.report.figures
    references = _references(scored)
    shown = {
        name: shown_figure(name, figures[name], references.get(name))
        for name in _in_order(figures)
        if np.isfinite(figures[name].value)
    }
    first = [shown.pop(name) for name in _FIRST if name in shown]
    return first, list(shown.values())


def shown_figure(name: str, figure: Figure, reference: tuple[float, str] | None = None) -> Shown:
    """Return a figure in words, with its drawing.

    Args:
        name: its key.
        figure: value and interval.
        reference: a value to compare with, and what it is.
    """
    named = figure_name(name)
    strip = Markup()
    if named.share:
        strip = interval_strip(
            figure.value,
            figure.chance_band or figure.ci95,
            reference=reference[0] if reference else None,
        )
    compared = f"{reference[1]}: {named.text(reference[0])}" if reference else ""
    return Shown(named, named.text(figure.value), named.interval(figure), strip, compared)


def _in_order(names: Iterable[str]) -> list[str]:
    known = list(FIGURES)
    place = {name: i for i, name in enumerate(known)}
    return sorted(names, key=lambda name: place.get(name, len(known)))


def _references(scored: ScoredRun) -> dict[str, tuple[float, str]]:
    """Return reference values, by chance or of a perfect model."""
    references: dict[str, tuple[float, str]] = {}
    if scored.coverage_goal is not None:
        references["set_coverage"] = (scored.coverage_goal, "built for")
    if not scored.labelled.any():
        return references
    truth = scored.predictions.truth[scored.labelled]
    counts = np.bincount(truth, minlength=len(scored.labels))
    references["accuracy"] = (
        float(counts.max() / counts.sum()),
        "always predicting the commonest emotion",
    )
    references["balanced_accuracy"] = (1.0 / int((counts > 0).sum()), "guessing")
    confidence = scored.predictions.probabilities[:, scored.labelled].max(axis=2)
    copies = copies_of(scored.labelled_groups, truth)
    bands = [perfect_calibration_band(one, copies=copies).mean for one in confidence]
    references["ece"] = (float(np.mean(bands)), "a perfect model with as many images")
    return references
