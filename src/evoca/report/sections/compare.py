"""Comparison of every other run with the first, on the images they share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from evoca.errors import DataError
from evoca.metrics.significance import Difference, compare_predictions, holm
from evoca.metrics.ties import top_labels
from evoca.report.figures import Named, figure_name
from evoca.report.run_predictions import ScoredRun
from evoca.report.sections.headline import Shown, shown_figure
from evoca.report.selection import opens
from evoca.report.svg import interval_strip
from evoca.runs.comparison import equal_repeats
from evoca.runs.shared_images import Common, common_images

__all__ = ["COMPARED", "Comparison", "DifferenceRow", "compare_with_first", "side_by_side"]

COMPARED = ("accuracy", "balanced_accuracy", "macro_f1", "polarity_accuracy", "ece", "nll", "brier")
"""The figures to compare; each comparison counts in Holm's adjustment."""


@dataclass(frozen=True)
class DifferenceRow:
    """One figure of two runs.

    Attributes:
        named: the figure.
        value: second minus first, in words.
        interval: its paired 95% interval.
        strip: both drawn around 0; empty for figures that are no share.
        p: p-value in words, adjusted for all comparisons of the page.
        verdict: ``better`` or ``worse`` if the adjusted p-value is at most 0.05, else empty.
    """

    named: Named
    value: str
    interval: str
    strip: Markup
    p: str
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """The comparison of a run with the first.

    Attributes:
        images: labelled images that both predict.
        rows: the figures; empty where they cannot be compared.
        reach: the ends of the drawn intervals, in points.
        outcomes: of the four combinations of right and wrong, name, images and request.
        note: what a reader must know, or why there is no comparison.
    """

    images: int
    rows: list[DifferenceRow]
    outcomes: list[tuple[str, int, str]]
    note: str = ""
    reach: int = 10


def side_by_side(runs: Sequence[ScoredRun]) -> list[tuple[Named, list[Shown | None]]]:
    """Return the compared figures of all runs, ``None`` where a run lacks one."""
    table = []
    for name in COMPARED:
        found = [run.run.report.figures.get(name) for run in runs]
        if any(found):
            shown = [None if figure is None else shown_figure(name, figure) for figure in found]
            table.append((figure_name(name), shown))
    return table


def compare_with_first(runs: Sequence[ScoredRun]) -> list[Comparison]:
    """Return the comparison of each other run with the first, with adjusted p-values."""
    first, *others = runs
    drafts: list[tuple[Comparison, dict[str, Difference]]] = []
    for other in others:
        try:
            common = _labelled(common_images([first.run, other.run]))
            pair = equal_repeats(*common.probabilities)
            found = compare_predictions(
                common.truth, *pair, common.labels, common.groups, allow_missing=True
            )
        except DataError as error:
            drafts.append((Comparison(0, [], [], str(error)), {}))
            continue
        kept = {name: found[name] for name in COMPARED if name in found}
        outcomes = _outcomes(common)
        note = ". ".join(common.notes)
        drafts.append((Comparison(len(common.truth), [], outcomes, note), kept))
    adjusted = iter(holm([one.p for _, found in drafts for one in found.values()]).tolist())
    return [
        replace(
            draft,
            reach=(reach := _reach(found)),
            rows=[_row(name, one, next(adjusted), reach / 100) for name, one in found.items()],
        )
        for draft, found in drafts
    ]


def _reach(found: Mapping[str, Difference]) -> int:
    """Return the range of the drawn differences, in whole tens of points."""
    ends = [abs(e) for name, one in found.items() if figure_name(name).share for e in one.ci95]
    return max(10, math.ceil(max(ends, default=0.0) * 10) * 10)


def _labelled(common: Common) -> Common:
    """Return the images with a true label.

    Raises:
        DataError: fewer than two.
    """
    kept = common.truth >= 0
    if kept.sum() < 2:
        raise DataError("the runs share fewer than two labelled images: nothing can be paired")
    return replace(
        common,
        images=tuple(name for name, one in zip(common.images, kept, strict=True) if one),
        truth=common.truth[kept],
        groups=common.groups[kept],
        probabilities=tuple(p[:, kept] for p in common.probabilities),
        rows=tuple(rows[kept] for rows in common.rows),
    )


def _row(name: str, difference: Difference, p: float, reach: float) -> DifferenceRow:
    named = figure_name(name)
    value, (low, high) = difference.value, difference.ci95
    strip = Markup()
    if named.share:
        text = f"{value * 100:+.1f} points"
        between = f"{low * 100:+.1f} to {high * 100:+.1f}"
        strip = interval_strip(value, (low, high), (-reach, reach), reference=0.0)
    else:
        text, between = f"{value:+.3f}", f"{low:+.3f} to {high:+.3f}"
    verdict = ""
    if p <= 0.05:
        verdict = "better" if (value < 0) == named.low_is_good else "worse"
    return DifferenceRow(named, text, between, strip, f"{p:.3f}", verdict)


def _outcomes(common: Common) -> list[tuple[str, int, str]]:
    first, second = (top_labels(p.mean(axis=0)) == common.truth for p in common.probabilities)
    rows = common.rows[1]
    return [
        (name, int(chosen.sum()), opens(rows=rows[chosen]))
        for name, chosen in (
            ("both right", first & second),
            ("only the first right", first & ~second),
            ("only this one right", ~first & second),
            ("both wrong", ~first & ~second),
        )
    ]
