"""Figures of data sets as plain tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.measure import Measurement
from rich.table import Table

from evoca.commands.terminal import clean, console_for
from evoca.data.check import CheckReport
from evoca.data.check_files import EXAMPLES
from evoca.data.relabel import RuleCounts
from evoca.data.stats import Spread, Stats
from evoca.words import counted

__all__ = ["print_check", "print_counts", "print_rules", "print_stats"]

_WIDEST = 1000


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, header in enumerate(headers):
        table.add_column(header, justify="left" if i == 0 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(clean(cell) for cell in row))
    console = console_for()
    # A line that a narrow terminal folds is more useful than one that is cut.
    width = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    console.width = max(console.width, width)
    console.print(table, crop=False)


def print_counts(found: Stats) -> None:
    """Print images by split: of each emotion, where any has one, and those that are rated."""
    by_split, rated = found.by_split, found.rated_by_split
    splits = list(by_split)
    rows, heading = [], "rated in valence and arousal"
    if any(found.counts.values()) or not found.rated:
        heading = "emotion"
        labels = dict.fromkeys(label for counts in by_split.values() for label in counts)
        rows = [[label, *(f"{by_split[s][label]:,}" for s in splits)] for label in labels]
        rows.append(["all labelled", *(f"{sum(by_split[s].values()):,}" for s in splits)])
    if found.rated:
        rows.append(["rated" if rows else "images", *(f"{rated[s]:,}" for s in splits)])
    _table([heading, *(split or "no split" for split in splits)], rows)


def print_rules(table: Mapping[str, RuleCounts]) -> None:
    """Print what each vote rule keeps."""
    labels = next(iter(table.values())).by_emotion
    rows = [
        [label, *(f"{counts.by_emotion[label]:,}" for counts in table.values())] for label in labels
    ]
    rows += [
        ["labelled", *(f"{counts.labelled:,}" for counts in table.values())],
        ["tied", *(f"{counts.tied:,}" for counts in table.values())],
        ["kept in all", *(f"{counts.kept:,}" for counts in table.values())],
    ]
    _table(["emotion", *table], rows)


def print_check(report: CheckReport) -> None:
    """Print the findings, each with examples."""
    print(clean(f"{report.source}: {counted(report.images, 'image')}"))
    for finding in report.findings:
        mark = "problem" if finding.problem else "remark"
        print(clean(f"{mark}  {finding.kind} ({finding.count:,}): {finding.message}"))
        for example in finding.examples[:EXAMPLES]:
            print(clean(f"    {example}"))
        if more := len(finding.examples[EXAMPLES:]):
            print(f"    and {more:,} more: --format json names them")
    print("no problem found" if report.ok else "problems found")


def print_stats(found: Stats) -> None:
    """Print the figures of a manifest."""
    print(clean(f"{found.source}: {counted(found.images, 'image')}, taxonomy {found.taxonomy}"))
    total = max(sum(found.counts.values()), 1)
    if any(found.counts.values()):
        rows = [[label, f"{n:,}", f"{n / total:.1%}"] for label, n in found.counts.items()]
        _table(["emotion", "images", "share"], rows)
    if set(found.by_split) - {""}:
        print_counts(found)
    for line in _lines(found):
        print(line)


def _lines(found: Stats) -> Iterable[str]:
    if unlabelled := found.unlabelled - found.only_rated:
        yield f"without a single label: {unlabelled:,}"
    if found.rated:
        alone = "" if found.only_rated == found.rated else f" ({found.only_rated:,} of them alone)"
        yield f"rated in valence and arousal: {found.rated:,}{alone}"
    if found.tied is not None:
        yield f"tied votes: {found.tied:,}"
    if found.imbalance is not None:
        yield f"imbalance (most over least frequent): {found.imbalance:.2f}"
    if found.groups is not None:
        yield f"duplicate groups of several images: {found.groups:,}"
    if found.agreement is not None:
        agreement = found.agreement
        kappa = "" if agreement.kappa is None else f", Fleiss' kappa {agreement.kappa:.3f}"
        two = f"{agreement.pairwise:.1%}{kappa}"
        yield f"viewers: {agreement.voters:.1f} per image; two agree {two}"
        yield (
            f"human ceiling: a viewer meets the plurality of the others "
            f"{agreement.viewer_against_others:.1%}; the best single label meets a viewer "
            f"{agreement.modal_share:.1%}"
        )
    if found.approval is not None:
        approval = found.approval
        yield f"viewers asked about a label: {approval.viewers:.1f} per image"
        yield (
            f"human ceiling: one of them agrees with it {approval.agree:.1%}; all agree on "
            f"{approval.unanimous:.1%} of the images"
        )
    for name, spread in (
        ("entropy of distributions (bits)", found.entropy_bits),
        ("width", found.width),
        ("height", found.height),
        ("valence", found.valence),
        ("arousal", found.arousal),
    ):
        if spread is not None:
            yield _spread_line(name, spread)


def _spread_line(name: str, spread: Spread) -> str:
    return (
        f"{name}: median {spread.median:.4g}, quartiles {spread.quarter:.4g} to "
        f"{spread.three_quarters:.4g}, range {spread.least:.4g} to {spread.greatest:.4g} "
        f"({counted(spread.n, 'image')})"
    )
