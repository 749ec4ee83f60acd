"""``evoca relate``: what images evoke beside an outcome, such as clicks on advertisements."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from evoca.commands.data.common import print_json
from evoca.commands.exits import command, command_app
from evoca.commands.figures import p_in_words
from evoca.commands.options import FigureFormat
from evoca.commands.progress import announcing
from evoca.commands.terminal import clean, console_for, say
from evoca.words import by_number, counted

if TYPE_CHECKING:
    from evoca.collection.relate import Association, Relation
    from evoca.metrics import Figure

__all__ = ["app", "relate"]

app = command_app()

_NOT_CAUSE = (
    "A correlation is not a cause: what goes with an outcome need not bring it about, and images "
    "that were shown to other people, or more often, differ in more than what they evoke."
)


@command(
    app,
    long=True,
    examples=(
        "evoca relate tags.parquet --outcome results.csv --column ctr",
        "evoca relate tags.parquet --outcome results.csv --column ctr --group campaign",
        "evoca relate tags.csv --outcome results.csv --column ctr --confounders brightness,faces",
    ),
)
def relate(
    tags: Annotated[
        list[Path],
        typer.Argument(
            metavar="TAGS...",
            help="Read these tables, as evoca predict --out FILE writes them, or folders of them.",
        ),
    ],
    outcome: Annotated[
        Path,
        typer.Option(
            "--outcome", metavar="FILE", help="Read this .csv or .parquet; it names images by path."
        ),
    ],
    column: Annotated[
        str, typer.Option("--column", metavar="NAME", help="Take this column of it, of numbers.")
    ],
    group: Annotated[
        str | None,
        typer.Option(
            "--group",
            metavar="COLUMN",
            help="Hold together the images that share a cell of this column, such as a campaign, "
            "and compare within these groups.",
        ),
    ] = None,
    confounders: Annotated[
        str,
        typer.Option(
            "--confounders",
            metavar="NAMES",
            help="Take out what these say, with commas between: brightness, faces and text of the "
            "images, or columns of the outcomes.",
        ),
    ] = "",
    output: Annotated[
        FigureFormat, typer.Option("--format", help="Print it in this form.")
    ] = FigureFormat.TABLE,
    draws: Annotated[
        int,
        typer.Option(
            "--draws", min=100, metavar="N", help="Draw the bootstrap and the shuffles N times."
        ),
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Draw by this seed.")] = 0,
) -> int:
    """Relate what images evoke to an outcome, such as clicks on advertisements."""
    from evoca.collection.relate import relate as measure
    from evoca.collection.tags import read_tags

    names = [name.strip() for name in confounders.split(",") if name.strip()]
    with announcing() as announce:
        found = measure(
            read_tags(tags),
            outcome,
            column,
            group=group,
            confounders=names,
            draws=draws,
            seed=seed,
            announce=announce,
        )
    if output is FigureFormat.JSON:
        print_json(found.to_dict() | {"note": _NOT_CAUSE})
    else:
        _print(found, group, names)
    if unread := found.joined["unread"]:
        say(
            f"evoca: {counted(unread, 'image')} could not be read for confounders, and "
            f"{by_number(unread, 'is', 'are')} left out"
        )
    return int(unread > 0)


def _print(found: Relation, group: str | None, confounders: list[str]) -> None:
    console = console_for()
    console.print(f"{clean(found.outcome)} of {_joined(found, group)}", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", overflow="fold")
    if group is not None:
        table.add_column("all", justify="right", no_wrap=True)
    table.add_column("Spearman" if group is None else "within groups", no_wrap=True)
    if confounders:
        table.add_column("given the others", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    table.add_column("p (Holm)", justify="right", no_wrap=True)
    for part in (found.emotions, found.measures, found.confounders):
        for one in part:
            table.add_row(*_cells(one, grouped=group is not None, given=bool(confounders)))
        table.add_section()
    console.print(table)
    for line in _remarks(found, group, confounders):
        console.print(line, style="dim", soft_wrap=not console.is_terminal)


def _joined(found: Relation, group: str | None) -> str:
    """Return how many images there are, and how they were joined."""
    joined = found.joined
    parts = [counted(found.rows, "image")]
    if group is not None:
        parts[0] += f" in {counted(found.groups or 0, 'group')} ({clean(group)})"
    said = {
        "by_name": "joined by file name",
        "without_prediction": "outcomes without a prediction",
        "without_outcome": "predictions without an outcome",
        "empty": "outcomes with an empty cell",
    }
    parts += [f"{words}: {joined[name]:,}" for name, words in said.items() if joined[name]]
    return "; ".join(parts)


def _cells(one: Association, *, grouped: bool, given: bool) -> Iterator[str]:
    yield clean(one.name)
    if grouped:
        yield "" if math.isnan(one.overall.value) else f"{one.overall.value:+z.2f}"
    yield _figure(one.within if grouped else one.overall)
    if given:
        yield _figure(one.partial)
    yield "" if math.isnan(one.p) else p_in_words(one.p)
    yield "" if one.p_holm is None else p_in_words(one.p_holm)


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return ""
    if math.isnan(figure.value):  # one of both never varies, or the others say all of it
        return "not defined"
    low, high = figure.ci95
    return f"{figure.value:+z.2f} [{low:+z.2f}, {high:+z.2f}]"


def _remarks(found: Relation, group: str | None, confounders: list[str]) -> Iterator[str]:
    within = "" if group is None else " within groups"
    yield (
        f"Rank correlations{within} with 95% bootstrap intervals over "
        f"{'images' if group is None else 'groups'}; p by shuffling the outcome{within}; Holm over "
        f"the {len(found.emotions)} emotions."
    )
    if confounders:
        yield f"Given the others: with {', '.join(map(clean, confounders))} held fixed (partial)."
    else:
        yield (
            "Brightness, faces and text in the images may be behind it: --confounders "
            "brightness,faces,text takes them out."
        )
    yield _NOT_CAUSE
