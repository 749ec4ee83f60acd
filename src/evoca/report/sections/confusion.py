"""The confusion matrix, and the figures of each emotion."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from evoca.metrics import Figure
from evoca.report.figures import Named
from evoca.report.run_predictions import ScoredRun
from evoca.report.selection import opens
from evoca.report.svg import interval_strip

__all__ = ["Cell", "EmotionRow", "confusion_cells", "emotion_rows"]

_LEVELS = 20
_SHARE = Named("", "")


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix.

    Attributes:
        truth: the row's label.
        predicted: the column's label.
        count: images, in words; a fraction where repeats differ.
        share: of the row's images, in percent.
        level: 0..20, the strength of its colour.
        right: whether it is on the diagonal.
        opens: the images behind it; empty for no image.
    """

    truth: str
    predicted: str
    count: str
    share: str
    level: int
    right: bool
    opens: str


def confusion_cells(scored: ScoredRun) -> list[list[Cell]]:
    """Return the matrix row by row; empty where no image has a true label."""
    confusion = scored.run.report.confusion
    if confusion is None:
        return []
    shares = confusion / confusion.sum(axis=1, keepdims=True).clip(min=1e-9)
    return [
        [
            Cell(
                truth=truth,
                predicted=predicted,
                count=f"{confusion[t, p]:.4g}",
                share=f"{shares[t, p]:.0%}",
                level=round(float(shares[t, p]) * _LEVELS),
                right=t == p,
                opens=opens(truth=t, predicted=p) if confusion[t, p] else "",
            )
            for p, predicted in enumerate(scored.labels)
        ]
        for t, truth in enumerate(scored.labels)
    ]


@dataclass(frozen=True)
class EmotionRow:
    """Precision, recall and F1 of one emotion.

    Attributes:
        label: the emotion.
        figures: precision, recall and F1: value for sorting, value and interval in words,
            and a drawing.
        support: images with the label.
        opens: the images with the label that are predicted wrongly.
    """

    label: str
    figures: list[tuple[float, str, str, Markup]]
    support: int
    opens: str


def emotion_rows(scored: ScoredRun) -> list[EmotionRow]:
    """Return one row per emotion that some image has."""
    return [
        EmotionRow(
            label,
            [_shown(figure) for figure in (own.precision, own.recall, own.f1)],
            own.support,
            opens(truth=scored.labels.index(label), outcome="wrong"),
        )
        for label, own in scored.run.report.per_emotion.items()
        if own.support
    ]


def _shown(figure: Figure) -> tuple[float, str, str, Markup]:
    return (
        figure.value,
        _SHARE.text(figure.value),
        _SHARE.interval(figure),
        interval_strip(figure.value, figure.ci95),
    )
