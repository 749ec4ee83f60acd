"""All runs in one table: a line each, the published accuracy beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from evoca.documents.blocks import Block, Heading, Paragraph, Table
from evoca.evaluation.result import Figure
from evoca.papers.facts import facts_of, minutes_per_epoch, recipe_of
from evoca.papers.schema import Paper, PublishedSystem
from evoca.papers.targets import fitting, targets_of
from evoca.runs import Run

__all__ = ["glance"]

_COLUMNS = ("run", "accuracy", "balanced", "NLL", "min/epoch", "paper")


def glance(runs: Sequence[Run], papers: Iterable[Paper]) -> list[Block]:
    """Return a table of the runs, and what they have in common.

    Args:
        runs: run directories.
        papers: where published figures are looked for.
    """
    if not runs:
        return []
    systems = {system.name: (paper, system) for paper in papers for system in paper.systems}
    rows = tuple(_row(run, systems.get(recipe_of(run))) for run in runs)
    blocks: list[Block] = [Heading("At a glance"), Table(_COLUMNS, rows, numeric=5)]
    return [*blocks, Paragraph(" ".join(_about(runs)))]


def _row(run: Run, published: tuple[Paper, PublishedSystem] | None) -> tuple[str, ...]:
    figures = run.report.figures
    minutes = minutes_per_epoch(run)
    return (
        run.name,
        _percent(figures.get("accuracy")),
        _percent(figures.get("balanced_accuracy")),
        f"{figures['nll'].value:.3f}" if "nll" in figures else "",
        "" if minutes is None else f"{minutes:.2f}",
        "" if published is None else _published(run, *published),
    )


def _percent(figure: Figure | None) -> str:
    if figure is None:
        return ""
    low, high = (100 * end for end in figure.ci95)
    if not math.isfinite(low):
        return f"{100 * figure.value:.1f}"
    return f"{100 * figure.value:.1f} [{low:.1f}, {high:.1f}]"


def _published(run: Run, paper: Paper, system: PublishedSystem) -> str:
    """Return the published accuracies that are of this run's settings."""
    meant = fitting(targets_of(paper, system), run.recipe, facts_of(run).settings)
    found = [t for t in meant if t.metric == "accuracy" and t.emotion is None]
    # The accuracy of the run is of held-out images: those of validation images say so.
    tested = [target for target in found if target.part != "val"]
    values = {f"{100 * target.value:.1f}" for target in tested or found}
    shown = ", ".join(sorted(values, reverse=True))
    return shown if tested or not found else f"{shown} (validation)"


def _about(runs: Sequence[Run]) -> list[str]:
    """Say what the runs were made of, each thing once."""
    facts = [facts_of(run) for run in runs]
    images = sorted({f"{f.images:,} images" for f in facts if f.images is not None})
    profiles = sorted({f.profile for f in facts if f.profile})
    said = [
        "Percent, with the 95% interval; published figures are of other images, unless a run "
        "below says otherwise.",
        f"Data: {', '.join(images)}." if images else "",
        f"Protocol: {'; '.join(sorted({f.protocol for f in facts}))}.",
        f"Profile: {', '.join(profiles)}." if profiles else "",
    ]
    return [sentence for sentence in said if sentence]
