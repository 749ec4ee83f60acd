"""Figures as text for people: with intervals, and values to compare them with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from evoca.commands.terminal import clean
from evoca.emotions import style_of
from evoca.metrics import Figure, Report
from evoca.metrics.by_source import SOURCE_FIGURES, SourceFigures
from evoca.metrics.calibration_check import CalibrationCheck
from evoca.metrics.conformal import SetFigures
from evoca.words import counted

__all__ = [
    "p_in_words",
    "print_by_source",
    "print_calibration",
    "print_figures",
    "print_per_emotion",
    "print_sets",
]

_VERDICTS = {
    "within": "no sign that the probabilities are untrue",
    "above": "more than that: the probabilities are not quite true",
    "below": "less than that",
}
_COUNTED = {
    "labelled": "images have a label (accuracy to Brier score)",
    "distributions": "a distribution (kl to random_rater)",
    "rated": "ratings (ccc, pearson, mae)",
}
_METHODS = {
    "model": "as the model is",
    "none": "uncalibrated",
    "temperature": "temperature",
    "vector": "vector scaling",
    "isotonic": "isotonic",
}


def print_figures(figures: Mapping[str, Any], console: Console) -> None:
    """Print a line for each figure, with its interval or band of chance, and what they are of."""
    counts = {text: figures.get(f"n_{name}") for name, text in _COUNTED.items()}
    if any(count not in (0, None, figures["n"]) for count in counts.values()):
        console.print(
            "  " + ", ".join(f"{count:,} {text}" for text, count in counts.items() if count),
            soft_wrap=True,
        )
    for key, figure in figures.items():
        if not isinstance(figure, Mapping) or "ci95" not in figure:
            continue
        console.print(f"  {key:<20}{_line(Figure.from_dict(figure))}")
        for part, content in figure.items():
            if isinstance(content, Mapping):
                console.print(f"    {part:<18}{_line(Figure.from_dict(content))}")


def _line(figure: Figure) -> str:
    if figure.chance_band is not None:
        low, high = figure.chance_band
        return f"{figure.value:.4f}  chance {low:.4f} to {high:.4f}"
    low, high = figure.ci95
    return f"{figure.value:.4f}  [{low:.4f}, {high:.4f}]"


def print_by_source(found: Sequence[SourceFigures], console: Console) -> None:
    """Print what each source's images scored, in its own vocabulary, beside not looking."""
    for own in found:
        groups = "; ".join(group.replace("+", " or ") for group in own.groups)
        console.print(f"{own.source}: {counted(own.images, 'image')}", style="bold", soft_wrap=True)
        console.print(f"  told apart: {groups}", soft_wrap=True)
        for name, figure in own.figures.items():
            blind = own.without_looking.get(name)
            beside = "" if blind is None else f"  without looking {blind:.4f}"
            console.print(f"  {SOURCE_FIGURES[name]:<36}{_line(figure)}{beside}", soft_wrap=True)


def print_calibration(check: CalibrationCheck, console: Console) -> None:
    """Print the calibration error beside chance, and each calibrator beside none."""
    low, high = check.band.low, check.band.high
    console.print("calibration", style="bold")
    console.print(
        f"  ece {check.ece:.4f}; true probabilities would show {low:.4f} to {high:.4f} by chance\n"
        f"  {_VERDICTS[check.verdict]}"
    )
    if not check.methods:
        return
    console.print(f"  {'':<18}{'NLL':>8}{'Brier':>9}{'ECE':>8}   NLL against uncalibrated")
    for name, method in check.methods.items():
        change = method.nll_change
        against = (
            ""
            if name == "none"
            else f"{change.value:+.4f} [{change.ci95[0]:+.4f}, {change.ci95[1]:+.4f}]"
        )
        console.print(
            f"  {_METHODS[name]:<18}{method.nll.value:>8.4f}{method.brier.value:>9.4f}"
            f"{method.ece:>8.4f}   {against}".rstrip()
        )


def print_sets(sets: SetFigures | None, conditional: SetFigures | None, console: Console) -> None:
    """Print how often prediction sets hold the true label, and where they do so least."""
    kinds = {"one threshold": sets, "one per emotion": conditional}
    found = {name: one for name, one in kinds.items() if one is not None}
    if not found:
        return
    console.print("prediction sets", style="bold")
    console.print(f"  {'':<18}{'coverage':>8}{'size':>9}   least covered", style="dim")
    for name, one in found.items():
        known = {k: f.value for k, f in one.by_emotion.items() if not math.isnan(f.value)}
        least = min(known, key=known.__getitem__)
        console.print(
            f"  {name:<18}{one.coverage.value:>8.3f}{one.size.value:>9.2f}   "
            f"{clean(least)} {known[least]:.3f}"
        )


def print_per_emotion(report: Report, coverage: Mapping[str, Figure], console: Console) -> None:
    """Print precision, recall and F1 of every emotion, and how often sets hold it.

    Args:
        report: the figures.
        coverage: label to the coverage of its prediction sets; may be empty.
        console: where to print.
    """
    if not report.per_emotion:
        return
    console.print("by emotion", style="bold")
    names = ("precision", "recall", "f1", *(("in set",) if coverage else ()))
    console.print(
        f"  {'':<16}" + "".join(f"{name:>10}" for name in names) + f"{'images':>9}", style="dim"
    )
    for label, found in report.per_emotion.items():
        cells = [found.precision, found.recall, found.f1]
        cells += [coverage[label]] if label in coverage else []
        numbers = "".join(f"{figure.value:>10.3f}" for figure in cells)
        console.print(
            f"  {clean(label):<16}{numbers}{found.support:>9,}", style=style_of(label).colour
        )


def p_in_words(value: float) -> str:
    """Return a p-value to three digits.

    >>> p_in_words(0.0312), p_in_words(0.0002)
    ('0.031', '< 0.001')
    """
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
