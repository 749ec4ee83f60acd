"""Errors by vote agreement, and by traits of the picture.

Sreenivas et al. (2018) made this analysis of their confusions by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from evoca.metrics.agreement import STRONGLY_DIVIDED, agreement_band
from evoca.metrics.bootstrap import interval, mean_figure, resample, sum_by_group
from evoca.metrics.checks import FloatArray, group_index
from evoca.report.image_traits import MEANINGS, Traits
from evoca.report.run_predictions import ScoredRun
from evoca.report.sections.headline import shown_figure
from evoca.report.selection import opens
from evoca.report.svg import interval_strip
from evoca.words import counted

__all__ = ["Rate", "TraitRow", "agreement_rows", "trait_rows"]

_BANDS = {
    "unanimous": "every viewer agrees with the label",
    "divided": f"more than {STRONGLY_DIVIDED:.0%} agree, but not all",
    "strongly divided": f"at most {STRONGLY_DIVIDED:.0%} agree",
}


@dataclass(frozen=True)
class Rate:
    """The error rate of some images.

    Attributes:
        images: how many have the property and a true label.
        value: share of errors, in words.
        interval: its 95% interval, in words.
        strip: both drawn.
        opens: the errors among them.
    """

    images: int
    value: str
    interval: str
    strip: Markup
    opens: str


@dataclass(frozen=True)
class TraitRow:
    """Error rates with a trait and without it.

    Attributes:
        name: of the trait.
        meaning: how it was found; empty where the name is enough.
        having: the images that have it; ``None`` where there is none, or no other.
        lacking: the images that lack it.
        difference: error rate with minus without, and its interval, in points.
        apart: whether the interval excludes 0.
        missing: why it was not searched for; empty where it was.
    """

    name: str
    meaning: str
    having: Rate | None = None
    lacking: Rate | None = None
    difference: str = ""
    apart: bool = False
    missing: str = ""

    @property
    def lacks(self) -> str:
        """The name of images without it."""
        if self.name.startswith("with "):
            return "without " + self.name.removeprefix("with ")
        return f"not {self.name}"


def agreement_rows(scored: ScoredRun) -> list[tuple[str, str, Rate]]:
    """Return name, meaning and errors of each band; empty where agreement is not known."""
    bands = agreement_band(scored.predictions.agreement, len(scored.predictions))
    rows = []
    for name, meaning in _BANDS.items():
        kept = scored.labelled & (bands == name)
        if kept.any():
            rows.append(
                (name, meaning, _rate(scored, kept, opens(agreement=name, outcome="wrong")))
            )
    return rows


def trait_rows(scored: ScoredRun, traits: Traits) -> list[TraitRow]:
    """Return the error rates with and without each trait.

    Args:
        scored: the run, n images.
        traits: of these n images.
    """
    return [
        TraitRow(name, "", missing=found) if isinstance(found, str) else _trait(scored, name, found)
        for name, found in traits.items()
    ]


def _trait(scored: ScoredRun, name: str, found: FloatArray) -> TraitRow:
    meaning = MEANINGS[name]
    unknown = int(np.isnan(found).sum())
    if unknown:
        meaning += f" Searched for in {len(found) - unknown:,} of {counted(len(found), 'image')}."
    having, lacking = scored.labelled & (found == 1), scored.labelled & (found == 0)
    if not having.any() or not lacking.any():
        only = "every image has it" if having.any() else "no image has it"
        return TraitRow(name, meaning, missing=only)
    value, (low, high) = _difference(scored, having, lacking)
    return TraitRow(
        name,
        meaning,
        _rate(scored, having, opens(trait=name, outcome="wrong")),
        _rate(scored, lacking, opens(without=name, outcome="wrong")),
        f"{value * 100:+.1f} points ({low * 100:+.1f} to {high * 100:+.1f})",
        bool(low > 0 or high < 0),
    )


def _rate(scored: ScoredRun, kept: NDArray[np.bool_], request: str) -> Rate:
    groups = np.array(scored.predictions.groups, dtype=object)[kept]
    figure = mean_figure(scored.wrong[kept], groups, share=True)
    shown = shown_figure("accuracy", figure)
    strip = interval_strip(figure.value, figure.ci95)
    return Rate(int(kept.sum()), shown.value, shown.interval, strip, request)


def _difference(
    scored: ScoredRun, having: NDArray[np.bool_], lacking: NDArray[np.bool_]
) -> tuple[float, tuple[float, float]]:
    """Return the error rate of some images minus that of others, with its interval."""
    group = group_index(scored.predictions.groups, len(scored.predictions))
    count = int(group.max()) + 1
    wrong = np.nan_to_num(scored.wrong)
    columns = [wrong * having, having * 1.0, wrong * lacking, lacking * 1.0]
    sums = sum_by_group(np.stack(columns, axis=1), group, count)

    def gap(counts: FloatArray) -> dict[str, FloatArray]:
        total = counts @ sums
        with np.errstate(invalid="ignore"):  # a draw without any image of one kind
            return {"gap": total[:, 0] / total[:, 1] - total[:, 2] / total[:, 3]}

    point, drawn = resample(gap, count, 1000, 0)
    low, high = interval(drawn["gap"])
    return float(point["gap"]), (float(low), float(high))
