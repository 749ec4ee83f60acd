"""``evoca matrix``: models or recipes on several data sets."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
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
from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.errors import DataError, needs_extra
from evoca.evaluation import Options, model_system, open_system
from evoca.evaluation.matrix import Cell, Matrix, Row, fill_matrix
from evoca.images import printable_name
from evoca.progress import Announce
from evoca.runs import read_run
from evoca.runs.evaluated_on import EvaluatedOn, evaluated_on
from evoca.runs.provenance import code_version
from evoca.runtime.predictor import load

if TYPE_CHECKING:
    from evoca.lab.config.recipe import Recipe

__all__ = ["app", "matrix"]

app = command_app()

_PROTOCOLS = {
    EvaluatedOn.FOLDS: "cross-validated",
    EvaluatedOn.PLAIN_FOLDS: "cross-validated",
    EvaluatedOn.TEST: "tested",
    EvaluatedOn.VALIDATION: "validation",
}
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
    models, recipes, settings = models or [], recipes or [], settings or []
    if not models and not recipes:
        raise DataError("name a model (--model) or a recipe (--recipe)")
    chosen = _chosen(recipes, settings)  # before anything slow
    columns = _columns(data)
    with announcing() as announce, _run_folder(out) as folder:
        rows = [Row(system.name, system) for system in map(open_system, models)]
        for recipe in chosen:
            rows += _trained(recipe, columns, folder, announce)
        found = fill_matrix(_named_apart(rows), columns, options, out and folder, announce)
    if not any(cell.figure(metric) for cell in found.cells):
        have = sorted({k for cell in found.cells for k in cell.figures if cell.figure(k)})
        raise DataError(f"no figure {metric!r} here; there are: {', '.join(have)}")
    if output == "json":
        print(json.dumps({"metric": metric, **found.to_dict()}, allow_nan=False))
    else:
        _print(found, metric)
    return int(any(cell.figures.get("unreadable") for cell in found.cells))


def _columns(data: Sequence[Path]) -> dict[str, LabelledImages]:
    """Return the data sets, each named after its file or folder."""
    columns: dict[str, LabelledImages] = {}
    for path in data:
        name = path.resolve().stem or str(path)
        if name in columns:
            name = f"{path.resolve().parent.name}/{name}"
        if name in columns:
            raise DataError(f"{path}: given twice, or named like another data set")
        columns[name] = load_labelled(path, require_files=False)
        say_left_out(columns[name])
    return columns


def _named_apart(rows: Sequence[Row]) -> list[Row]:
    """Return the rows, those that share a name numbered, such as two bundles of one recipe."""
    counts: dict[str, int] = {}
    named = []
    for row in rows:
        counts[row.name] = counts.get(row.name, 0) + 1
        number = counts[row.name]
        name = row.name if number == 1 else f"{row.name} ({number})"
        named.append(replace(row, name=name))
    return named


@contextmanager
def _run_folder(out: Path | None) -> Iterator[Path]:
    """Yield the folder that trainings go to: the user's, or one that is removed after."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="evoca-matrix-") as folder:
        yield Path(folder)


def _chosen(recipes: Sequence[str], settings: Sequence[str]) -> list[Recipe]:
    if not recipes:
        return []
    with needs_extra("train"):
        from evoca import lab
    return [lab.load_recipe(recipe, settings) for recipe in recipes]


def _trained(
    chosen: Recipe,
    columns: Mapping[str, LabelledImages],
    folder: Path,
    announce: Announce,
) -> Iterator[Row]:
    """Yield a recipe trained on each data set, unless a training is there already."""
    with needs_extra("train"):
        from evoca import lab
        from evoca.lab.experiments.finished import TRAINING, difference
    for name, data in columns.items():
        place = folder / f"{chosen.name}--trained-on--{name.replace('/', '_')}"
        run, bundle = place / "run", place / "bundle"
        learnt_from = data.take(data.split != "test")
        if not (run / "run.json").is_file():
            options = lab.RunOptions(announce=announce, say=say)
            lab.train(chosen, data, run, options=options, resume=True, data_name=name)
        if not (bundle / "model.json").is_file():
            lab.export_bundle(run, bundle)
        done = read_run(run)
        other = difference(done.description, chosen, data, TRAINING)
        if other or done.description.get("code") != dict(code_version()):
            raise DataError(
                f"{printable_name(place)}: trained on other data, with other settings or by "
                "another version of Evoca; remove it or name another --out"
            )
        system = model_system(load(bundle))
        protocol = _PROTOCOLS[evaluated_on(done.description["split"]) or EvaluatedOn.FOLDS]
        own = {name: done.metrics}
        yield Row(f"{chosen.name} from {name}", system, learnt_from, own, protocol)


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
            say(f"evoca: ! {where}: {cell.seen:,} of {of:,} images are training images")
        for note in notes:
            say(f"evoca: {where}: {note}")
        if cell.seen_copies:
            of = cell.figures["n"]
            say(
                f"evoca: ! {where}: {cell.seen_copies:,} of {of:,} images are copies of training "
                "or validation images"
            )
        if left := cell.figures.get("copies_left_out"):
            say(f"evoca: {where}: {left:,} images that the model knows are left out")
        if unread := cell.figures.get("unreadable"):
            say(f"evoca: {where}: {unread:,} images cannot be read, and are left out")
        if cell.copies:
            say(f"evoca: {where}: {cell.copies:,} copies of training images are left out")


def _cell(cell: Cell, metric: str) -> str:
    figure = cell.figure(metric)
    if figure is None:
        return "-"
    mark = _MARKS.get(cell.protocol, "!" if cell.seen or cell.seen_copies else "")
    low, high = figure.ci95
    return f"{figure.value:.3f}{mark} [{low:.2f}, {high:.2f}]"
