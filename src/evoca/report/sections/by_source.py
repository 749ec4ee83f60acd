"""The figures of each source of a run that learnt from several, in the source's own vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

from evoca.metrics.by_source import SOURCE_FIGURES, SourceFigures
from evoca.runs.result import Result

__all__ = ["SourceTable", "source_tables"]


@dataclass(frozen=True)
class SourceTable:
    """A source's figures, ready for the page.

    Attributes:
        source: its name.
        images: how many of its images were predicted.
        told_apart: the groups of emotions that it can tell apart, in words.
        rows: a figure's name, value, 95% interval, and its value without looking, in words.
    """

    source: str
    images: int
    told_apart: str
    rows: tuple[tuple[str, str, str, str], ...]


def source_tables(result: Result) -> list[SourceTable]:
    """Return a table for each source; none for a run of one source."""
    return [_table(own) for own in result.by_source]


def _table(own: SourceFigures) -> SourceTable:
    rows = []
    for name, figure in own.figures.items():
        low, high = figure.ci95
        blind = own.without_looking.get(name)
        rows.append(
            (
                SOURCE_FIGURES[name],
                f"{figure.value:.3f}",
                f"{low:.3f} to {high:.3f}",
                "" if blind is None else f"{blind:.3f}",
            )
        )
    told_apart = "; ".join(group.replace("+", " or ") for group in own.groups)
    return SourceTable(own.source, own.images, told_apart, tuple(rows))
