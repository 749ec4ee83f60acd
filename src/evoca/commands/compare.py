"""``evoca compare``: runs beside each other, with intervals and significance."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from evoca.commands.exits import command, command_app
from evoca.commands.figures import p_in_words
from evoca.commands.options import (
    FigureFormat,
)
from evoca.commands.terminal import clean, console_for, say
from evoca.metrics.result import LOWER_IS_BETTER
from evoca.runs import read_run
from evoca.runs.comparison import Compared, Comparison, compare_runs
from evoca.words import counted

__all__ = ["app", "compare"]

app = command_app()


class Against(StrEnum):
    """The runs that differences are taken from."""

    FIRST = "first"
    BEST = "best"


@command(
    app,
    examples=(
        "evoca compare runs/first runs/second",
        "evoca compare runs/* --metric macro_f1 --against best",
    ),
)
def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Compare these run directories; the first is the one to beat."
        ),
    ],
    metric: Annotated[
        str, typer.Option("--metric", metavar="FIGURE", help="Compare this figure.")
    ] = "accuracy",
    against: Annotated[
        Against,
        typer.Option("--against", help="Take differences from the first run, or from the best."),
    ] = Against.FIRST,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="Print it in this form.")
    ] = FigureFormat.TABLE,
    draws: Annotated[
        int,
        typer.Option(
            "--draws", min=1, metavar="N", help="Draw the bootstrap and the permutations N times."
        ),
    ] = 1000,
) -> None:
    """Compare runs on the images they share, with intervals and significance."""
    found = compare_runs(
        [read_run(run) for run in runs], metric, against=against.value, draws=draws
    )
    for note in found.notes:
        say(f"evoca: {note}")
    if output == "json":
        print(json.dumps(found.to_dict(), allow_nan=False))
    else:
        _print(found)


def _print(found: Comparison) -> None:
    console = console_for()
    better = "lower is better" if found.metric in LOWER_IS_BETTER else "higher is better"
    console.print(
        f"{found.metric} ({better}) on {counted(found.n, 'shared image')} in "
        f"{counted(found.groups, 'group')}; "
        f"differences from {clean(found.reference)}",
        style="bold",
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("run", overflow="fold")
    exact = "McNemar" if found.exact_test == "McNemar" else "sign test"
    for name in (found.metric, "difference", "p (Holm)", exact):
        table.add_column(name, justify="right", no_wrap=True)
    for run in found.runs:
        table.add_row(clean(run.name), *_cells(run))
    console.print(table)
    console.print(
        f"p: paired permutation test over groups; {exact}: exact, first repeat, "
        f"{'one image' if exact == 'McNemar' else 'copies together'} per group. Both "
        "Holm-corrected for all comparisons in the table.",
        style="dim",
    )


def _cells(run: Compared) -> tuple[str, str, str, str]:
    gap = run.difference
    if gap is None:
        return str(run.figure), "reference", "", ""
    low, high = gap.ci95
    return (
        str(run.figure),
        f"{gap.value:+.3f} [{low:+.3f}, {high:+.3f}]",
        "" if run.p_holm is None else p_in_words(run.p_holm),
        "" if run.mcnemar_holm is None else p_in_words(run.mcnemar_holm),
    )
