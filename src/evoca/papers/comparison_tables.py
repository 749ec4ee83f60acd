"""Runs beside papers as a document, for the terminal and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from evoca.documents import Block, Bullets, Heading, Paragraph, Table
from evoca.metrics.result import Figure
from evoca.papers.document import table_block
from evoca.papers.published_figures import Target, fitting, targets_of
from evoca.papers.recipes import Packaged, published_by, recipe_name
from evoca.papers.reproduce import Attempt, Pair, SystemRow
from evoca.papers.run_facts import copies_of, facts_of, minutes_of, training_images
from evoca.papers.schema import Paper, PublishedSystem
from evoca.runs import Run
from evoca.words import counted

__all__ = ["LEARNT_FROM", "UNLIKE", "comparison_document", "glance", "measured_text"]

UNLIKE = "unlike"
"""The mark between two figures that were not measured alike."""
LEARNT_FROM = "learnt from"
"""The mark between a published figure and one on training images of the system."""

_LEGEND = (
    f"{UNLIKE}: not measured alike, read what differs before comparing. inside, outside: "
    "measured alike as far as is known, and the published figure lies inside or outside our "
    "interval."
)
_LEARNT = (
    f" {LEARNT_FROM}: measured on images that the system learnt from, which says how well it "
    "remembers them: no figure to hold beside a published one."
)


def comparison_document(
    rows: Sequence[SystemRow], *, emotions: bool = False, details: bool = False
) -> list[Block]:
    """Return the document: for each paper the systems that were run, then the others.

    Args:
        rows: from :func:`evoca.papers.reproduce.reproduce`.
        emotions: also show the figures of single emotions.
        details: also show the notes on systems that were not run, and published tables.
    """
    blocks: list[Block] = []
    for paper, group in groupby(rows, key=lambda row: row.paper):
        systems = list(group)
        blocks.append(Heading(f"{paper.key}: {paper.title}"))
        for row in systems:
            for attempt in row.attempts:
                blocks += _attempt(row, attempt, emotions)
        if waiting := [_waiting(row, emotions) for row in systems if not row.attempts]:
            blocks.append(Table(("not run", "published", "status"), tuple(waiting)))
        if details:
            blocks += _details(systems)
    if any(row.attempts for row in rows):
        pairs = [pair for row in rows for a in row.attempts for pair in a.pairs]
        learnt = any(pair.learnt_from for pair in pairs)
        blocks.append(Paragraph(_LEGEND + (_LEARNT if learnt else "")))
    return blocks


def _attempt(row: SystemRow, attempt: Attempt, emotions: bool) -> Iterator[Block]:
    yield Heading(f"{row.system.name} (run {attempt.run})", level=3)
    pairs = [pair for pair in attempt.pairs if emotions or pair.target.emotion is None]
    mark = "" if attempt.like_with_like else UNLIKE
    if attempt.variant_of is not None:
        yield Paragraph(
            f"A run of {attempt.recipe}, a variant: the published figures are those of "
            f"{attempt.variant_of}."
        )
    if pairs:
        lines = tuple(_pair(pair, mark) for pair in pairs)
        yield Table(("figure", "paper", "", "ours [95% interval]"), lines, numeric=3)
    else:
        yield Paragraph("No figure was published to compare with.")
    notes = [f"note: {n}" for n in dict.fromkeys(_note(pair.target) for pair in pairs) if n]
    differs = [str(difference) for difference in attempt.differs]
    notes += [f"note: {note}" for note in attempt.notes]
    if differs or notes:
        yield Bullets((*differs, *notes))


def _pair(pair: Pair, mark: str) -> tuple[str, str, str, str]:
    target = pair.target
    if pair.measured is None:
        return target.name, target.show(target.value), "", pair.missing
    alike = {True: "inside", False: "outside", None: UNLIKE}[pair.inside]
    return (
        target.name,
        target.show(target.value),
        LEARNT_FROM if pair.learnt_from else mark or alike,
        measured_text(target, pair.measured) + _chosen(pair.chosen_c),
    )


def _chosen(costs: Sequence[float]) -> str:
    return f" at C {' or '.join(f'{c:g}' for c in costs)}" if costs else ""


def measured_text(target: Target, figure: Figure) -> str:
    """Return a figure with its interval in the target's unit."""
    if target.metric == "minutes_per_epoch":
        return target.show(figure.value)
    low, high = (100 * end for end in figure.ci95)
    return f"{100 * figure.value:.1f}% [{low:.1f}, {high:.1f}]"


def _note(target: Target) -> str | None:
    printed = f"printed by {target.printed_by}" if target.printed_by else None
    return "; ".join(part for part in (printed, target.note) if part) or None


def _details(systems: Iterable[SystemRow]) -> Iterator[Block]:
    notes = [
        f"{row.system.name}, {target.name}: {_note(target)}"
        for row in systems
        if not row.attempts
        for target in row.targets
        if _note(target) is not None
    ]
    if notes:
        yield Bullets(tuple(notes))
    for row in systems:
        for table in row.system.tables:
            yield Heading(row.system.name, level=3)
            yield from table_block(table)


def _waiting(row: SystemRow, emotions: bool) -> tuple[str, str, str]:
    targets: Sequence[Target] = [t for t in row.targets if emotions or t.emotion is None]
    figures = ", ".join(f"{target.name} {target.show(target.value)}" for target in targets)
    if not figures:
        figures = "a table (see --paper)" if row.system.tables else "no figure"
    return row.system.name, figures, row.status


_COLUMNS = ("run", "accuracy", "balanced", "NLL", "min/epoch", "paper")


_MARK = "*"
"""Marks scores on images that the system learnt from."""
_CACHED = "cached"
"""The entry for minutes without the frozen layers, whose features were cached."""


def glance(
    runs: Sequence[Run], papers: Iterable[Paper], packaged: Packaged | None = None
) -> list[Block]:
    """Return a table of the runs, and a paragraph on what they share.

    Args:
        runs: run directories.
        papers: to search for published figures.
        packaged: has the system that a variant varies, where a run does not record it.
    """
    if not runs:
        return []
    systems = {system.name: (paper, system) for paper in papers for system in paper.systems}
    rows = tuple(_row(run, systems.get(published_by(run, packaged))) for run in runs)
    blocks: list[Block] = [Heading("At a glance"), Table(_COLUMNS, rows, numeric=5)]
    return [*blocks, Paragraph(" ".join(_about(runs)))]


def _row(run: Run, published: tuple[Paper, PublishedSystem] | None) -> tuple[str, ...]:
    figures, mark = run.report.figures, _MARK if training_images(run) or copies_of(run) else ""
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
    return f"{minutes.mean:.2f}" if minutes.whole else _CACHED


def _percent(figure: Figure | None, mark: str) -> str:
    if figure is None:
        return ""
    low, high = (100 * end for end in figure.ci95)
    if not math.isfinite(low):
        return f"{100 * figure.value:.1f}{mark}"
    return f"{100 * figure.value:.1f}{mark} [{low:.1f}, {high:.1f}]"


def _published(run: Run, paper: Paper, system: PublishedSystem) -> str:
    """Return the published accuracies of this run's settings; for a variant, with the system."""
    meant = fitting(targets_of(paper, system), recipe_name(run), facts_of(run).settings)
    found = [t for t in meant if t.metric == "accuracy" and t.emotion is None]
    # The accuracy of the run is of held-out images; figures of validation images are marked.
    tested = [target for target in found if target.part != "val"]
    values = {f"{100 * target.value:.1f}" for target in tested or found}
    shown = ", ".join(sorted(values, reverse=True))
    if found and not tested:
        shown = f"{shown} (validation)"
    variant = recipe_name(run) != system.name and not any(t.recipes for t in found)
    return f"{shown} of {system.name}" if shown and variant else shown


def _about(runs: Sequence[Run]) -> list[str]:
    """Return sentences on data, protocol and profile of the runs, each once."""
    facts = [facts_of(run) for run in runs]
    images = sorted({counted(f.images, "image") for f in facts if f.images is not None})
    profiles = sorted({f.profile for f in facts if f.profile})
    sentences = [
        "Percent, with the 95% interval; published figures are of other images, unless a run "
        "below says otherwise.",
        f"Data: {', '.join(images)}." if images else "",
        f"Protocol: {'; '.join(sorted({f.protocol for f in facts}))}.",
        f"Profile: {', '.join(profiles)}." if profiles else "",
        f"{_MARK} measured on images that the system learnt from: how well it remembers them."
        if any(f.evaluated_on_known_images(None) for f in facts)
        else "",
        f"{_CACHED}: the frozen layers' features were cached, and the minutes leave them out."
        if any(not minutes.whole for run in runs if (minutes := minutes_of(run)) is not None)
        else "",
    ]
    return [sentence for sentence in sentences if sentence]
