"""All runs in one table: a line each, the published accuracy beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from evoca.documents.blocks import Block, Heading, Paragraph, Table
from evoca.metrics.result import Figure
from evoca.papers.facts import copies_of, facts_of, minutes_of, training_images
from evoca.papers.recipes import Packaged, published_by, recipe_name
from evoca.papers.schema import Paper, PublishedSystem
from evoca.papers.targets import fitting, targets_of
from evoca.runs import Run

__all__ = ["glance"]

_COLUMNS = ("run", "accuracy", "balanced", "NLL", "min/epoch", "paper")


_LEARNT = "*"
"""Marks scores on images that the system learnt from."""
_KEPT = "kept"
"""Stands for minutes that leave out what frozen layers computed once."""


def glance(
    runs: Sequence[Run], papers: Iterable[Paper], packaged: Packaged | None = None
) -> list[Block]:
    """Return a table of the runs, and what they have in common.

    Args:
        runs: run directories.
        papers: where published figures are looked for.
        packaged: knows which system a variant varies, where a run does not say.
    """
    if not runs:
        return []
    systems = {system.name: (paper, system) for paper in papers for system in paper.systems}
    rows = tuple(_row(run, systems.get(published_by(run, packaged))) for run in runs)
    blocks: list[Block] = [Heading("At a glance"), Table(_COLUMNS, rows, numeric=5)]
    return [*blocks, Paragraph(" ".join(_about(runs)))]


def _row(run: Run, published: tuple[Paper, PublishedSystem] | None) -> tuple[str, ...]:
    figures, mark = run.report.figures, _LEARNT if training_images(run) or copies_of(run) else ""
    return (
        run.name,
        _percent(figures.get("accuracy"), mark),
        _percent(figures.get("balanced_accuracy"), mark),
        f"{figures['nll'].value:.3f}{mark}" if "nll" in figures else "",
        _minutes(run),
        "" if published is None else _published(run, *published),
    )


def _minutes(run: Run) -> str:
    minutes = minutes_of(run)
    if minutes is None:
        return ""
    return f"{minutes.mean:.2f}" if minutes.whole else _KEPT


def _percent(figure: Figure | None, mark: str) -> str:
    if figure is None:
        return ""
    low, high = (100 * end for end in figure.ci95)
    if not math.isfinite(low):
        return f"{100 * figure.value:.1f}{mark}"
    return f"{100 * figure.value:.1f}{mark} [{low:.1f}, {high:.1f}]"


def _published(run: Run, paper: Paper, system: PublishedSystem) -> str:
    """Return the published accuracies of this run's settings, and whose, of a variant."""
    meant = fitting(targets_of(paper, system), recipe_name(run), facts_of(run).settings)
    found = [t for t in meant if t.metric == "accuracy" and t.emotion is None]
    # The accuracy of the run is of held-out images: those of validation images say so.
    tested = [target for target in found if target.part != "val"]
    values = {f"{100 * target.value:.1f}" for target in tested or found}
    shown = ", ".join(sorted(values, reverse=True))
    if found and not tested:
        shown = f"{shown} (validation)"
    variant = recipe_name(run) != system.name and not any(t.recipes for t in found)
    return f"{shown} of {system.name}" if shown and variant else shown


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
        f"{_LEARNT} measured on images that the system learnt from: how well it remembers them."
        if any(f.remembers for f in facts)
        else "",
        f"{_KEPT}: the frozen layers' features were kept, and the minutes leave them out."
        if any(not minutes.whole for run in runs if (minutes := minutes_of(run)) is not None)
        else "",
    ]
    return [sentence for sentence in said if sentence]
