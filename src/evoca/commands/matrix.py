"""``evoca matrix``: models or recipes on several data sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    FigureFormat,
    SetOption,
    Split,
)
from evoca.commands.progress import announcing
from evoca.commands.terminal import clean, console_for, say, say_left_out
from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError, needs_extra
from evoca.evaluation import Matrix, Options, Row, fill_matrix, model_rows, named_data
from evoca.evaluation.matrix import Cell
from evoca.progress import Announce
from evoca.words import by_number, counted

if TYPE_CHECKING:
    from evoca.lab.config.recipe import Recipe

__all__ = ["app", "matrix"]

app = command_app()

_MARKS = {"cross-validated": "*", "tested": "+", "validation": "~"}
_LEGEND = {
    "cross-validated": "cross-validated on the data it is trained on",
    "tested": ("on the test images of the data it is trained on, which it has not learnt from"),
    "validation": (
        "on the validation images of the data it is trained on, which chose: it flatters"
    ),
}


@command(
    app,
    long=True,
    examples=(
        "evoca matrix --data fi.csv --data oasis.csv --model default",
        "evoca matrix --data fi.csv --data mine.csv --recipe default --out runs/matrix",
    ),
)
def matrix(
    data: Annotated[
        list[Path],
        typer.Option(
            "--data", metavar="MANIFEST", help="Add this data set as a column; repeatable."
        ),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="Add this model as a row; repeatable."),
    ] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            metavar="RECIPE",
            help="Train this recipe on each data set and add a row for each; repeatable.",
        ),
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", metavar="FIGURE", help="Show this figure.")
    ] = "accuracy",
    split: Annotated[
        Split, typer.Option("--split", help="Take these rows; all where none has a split.")
    ] = Split.TEST,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="Print it in this form.")
    ] = FigureFormat.TABLE,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Keep every run; go on with unfinished ones."),
    ] = None,
    restrict: Annotated[
        bool,
        typer.Option(
            "--restrict", help="Let the model choose among shared labels with an image alone."
        ),
    ] = False,
    draws: Annotated[
        int, typer.Option("--draws", min=1, metavar="N", help="Draw the bootstrap N times.")
    ] = 1000,
    without_copies: Annotated[
        bool,
        typer.Option(
            "--without-copies",
            help="Leave out the images that made a model, and their copies.",
        ),
    ] = False,
    settings: SetOption = None,
) -> int:
    """Score models, or recipes trained on each data set, on every data set."""
    options = Options(
        split=split.value, restrict=restrict, draws=draws, without_copies=without_copies
    )
    if not models and not recipes:
        raise DataError("name a model (--model) or a recipe (--recipe)")
    chosen = _chosen(recipes or [], settings or [])  # before anything slow
    columns = named_data(data)
    for images in columns.values():
        say_left_out(images)
    with announcing() as announce:
        rows = model_rows(models or [])
        for recipe in chosen:
            rows += _trained(recipe, columns, out, announce)
        found = fill_matrix(rows, columns, options, out, announce)
    found.require_figure(metric)
    if output == "json":
        print(json.dumps({"metric": metric, **found.to_dict()}, allow_nan=False))
    else:
        _print(found, metric)
    return int(any(cell.figures.get("unreadable") for cell in found.cells))


def _chosen(recipes: Sequence[str], settings: Sequence[str]) -> list[Recipe]:
    if not recipes:
        return []
    with needs_extra("train"):
        from evoca import lab
    return [lab.load_recipe(recipe, settings) for recipe in recipes]


def _trained(
    recipe: Recipe, columns: Mapping[str, LabelledImages], out: Path | None, announce: Announce
) -> list[Row]:
    with needs_extra("train"):
        from evoca import lab

        options = lab.RunOptions(announce=announce, say=say)
    return lab.trained_rows(recipe, columns, out, options=options)


def _print(found: Matrix, metric: str) -> None:
    console = console_for()
    console.print(f"{metric}: systems in rows, data in columns", style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", overflow="fold")
    for column in found.columns:
        table.add_column(clean(column), justify="right", overflow="fold")
    by_place = {(cell.row, cell.column): cell for cell in found.cells}
    for row in found.rows:
        cells = [_cell(by_place[row, column], metric) for column in found.columns]
        table.add_row(clean(row), *cells)
    console.print(table)
    for protocol, words in _LEGEND.items():
        if any(cell.protocol == protocol for cell in found.cells):
            console.print(f"{_MARKS[protocol]} {words}", style="dim")
    for cell in found.cells:
        where = f"{cell.row} on {cell.column}"
        notes = [str(note) for note in cell.figures.get("notes") or ()]
        if cell.seen and not any("training images of" in note for note in notes):
            of = cell.figures["n"]
            say(
                f"evoca: ! {where}: {cell.seen:,} of {counted(of, 'image')} "
                f"{by_number(cell.seen, 'is a training image', 'are training images')}"
            )
        for note in notes:
            say(f"evoca: {where}: {note}")
        if cell.seen_copies:
            of = cell.figures["n"]
            say(
                f"evoca: ! {where}: {cell.seen_copies:,} of {counted(of, 'image')} "
                f"{by_number(cell.seen_copies, 'is a copy', 'are copies')} of training "
                "or validation images"
            )
        if left := cell.figures.get("copies_left_out"):
            say(
                f"evoca: {where}: {counted(left, 'image')} that the model knows "
                f"{by_number(left, 'is', 'are')} left out"
            )
        if unread := cell.figures.get("unreadable"):
            say(
                f"evoca: {where}: {counted(unread, 'image')} cannot be read, and "
                f"{by_number(unread, 'is', 'are')} left out"
            )
        if cell.copies:
            say(
                f"evoca: {where}: {counted(cell.copies, 'copy')} of training images "
                f"{by_number(cell.copies, 'is', 'are')} left out"
            )


def _cell(cell: Cell, metric: str) -> str:
    figure = cell.figure(metric)
    if figure is None:
        return "-"
    mark = _MARKS.get(cell.protocol, "!" if cell.seen or cell.seen_copies else "")
    low, high = figure.ci95
    return f"{figure.value:.3f}{mark} [{low:.2f}, {high:.2f}]"
