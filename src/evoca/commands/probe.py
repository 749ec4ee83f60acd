"""``evoca probe``: how predictions move when pictures change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    FigureFormat,
    Split,
    model_names,
)
from evoca.commands.progress import announcing
from evoca.commands.terminal import clean, console_for, say, say_left_out
from evoca.evaluation.robustness import images_to_probe, run_probe, spread
from evoca.evaluation.selection import select_split
from evoca.images.detectors import installed_detectors
from evoca.images.perturb import perturbations_for
from evoca.metrics.result import Figure
from evoca.metrics.robustness import Masking, Movement
from evoca.runs.robustness import RobustnessResult, write_robustness
from evoca.runtime.predictor import load
from evoca.words import counted

__all__ = ["app", "probe"]

app = command_app()

_COLUMNS = ("accuracy change", "flipped", "moved", "fall of the top")
_LEGEND = (
    "flipped: another top emotion; moved: share of the probability (total variation); fall of "
    "the top: of the emotion that was on top"
)
_NAME, _FIGURE = 15, 20  # 80 columns hold three figures


@command(
    app,
    long=True,
    examples=(
        "evoca probe default --data folder/ --limit 200",
        "evoca probe default --data set.csv --out runs/robustness",
    ),
)
def probe(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=model_names,
            help="Test this bundle directory or bundled model.",
        ),
    ],
    data: Annotated[
        Path,
        typer.Option("--data", metavar="MANIFEST", help="Read this manifest, or folder of images."),
    ],
    split: Annotated[
        Split, typer.Option("--split", help="Take these rows; all where none has a split.")
    ] = Split.ALL,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar="N", help="Take at most N pictures, spread evenly."),
    ] = None,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="Print it in this form.")
    ] = FigureFormat.TABLE,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="RUN",
            help="Write probe.json into this run directory, or name a .json file.",
        ),
    ] = None,
) -> int:
    """Measure how predictions move under compression, blur, crops, colour and hidden faces."""
    predictor = load(model, threads=1)
    labelled = images_to_probe(data, predictor.labels)
    say_left_out(labelled)
    images = spread(select_split(labelled, split).images, limit)
    changes = perturbations_for(predictor.card.preprocessing)
    faces = installed_detectors().faces
    with announcing() as announce:
        advance = announce("probing", len(images))
        found = run_probe(predictor, images, changes, faces, advance)
    for line in (*found.unreadable, *found.notes):
        say(f"evoca: {line}")
    if out is not None:
        write_robustness(out, found)
    if output == "json":
        print(json.dumps(found.to_dict(), allow_nan=False))
    else:
        _print(found, console_for())
    return int(bool(found.unreadable))


def _print(found: RobustnessResult, console: Console) -> None:
    before = "no labels"
    if found.accuracy is not None:
        low, high = found.accuracy.ci95
        before = f"accuracy {found.accuracy.value:.3f} [{low:.3f}, {high:.3f}]"
    head = f"{clean(found.model)} on {clean(found.data)}: {counted(found.n, 'picture')}, {before}"
    console.print(head, style="bold", soft_wrap=True)
    console.print(
        f"percent, with 95% intervals from {found.draws:,} bootstrap draws over "
        f"{counted(found.groups, 'group')}",
        style="dim",
        soft_wrap=True,
    )
    room = (console.width - _NAME) // (1 + _FIGURE)
    names = _COLUMNS[found.accuracy is None :][:room]
    heads = "".join(f" {name:<{_FIGURE}}" for name in names)
    console.print(f"{'':<{_NAME}}{heads}".rstrip(), style="dim")
    for movement in found.movements:
        _print_row(movement.change, _cells(movement), names, console)
    if found.masking is not None:
        _print_masking(found.masking, names, console)
    console.print(_LEGEND, style="dim", soft_wrap=True)


def _print_masking(found: Masking, names: Sequence[str], console: Console) -> None:
    console.print(
        f"{counted(found.n, 'picture')} with a face and room to hide as much elsewhere, of "
        f"{found.with_faces:,} with a face",
        style="bold",
        soft_wrap=True,
    )
    _print_row("faces hidden", _cells(found.faces), names, console)
    _print_row("elsewhere", _cells(found.elsewhere), names, console)
    paired = (None, _turned(found.same_emotion), found.distance, found.drop)
    cells = {name: _cell(figure, "+") for name, figure in zip(_COLUMNS, paired, strict=True)}
    _print_row("difference", cells, names, console)


def _print_row(name: str, cells: Mapping[str, str], names: Sequence[str], console: Console) -> None:
    line = f"{name:<{_NAME}}" + "".join(f" {cells[column]:<{_FIGURE}}" for column in names)
    console.print(line.rstrip(), no_wrap=True, crop=False, overflow="ignore")


def _cells(movement: Movement) -> dict[str, str]:
    return {
        "accuracy change": _cell(movement.accuracy_change, "+"),
        "flipped": _cell(movement.flipped),
        "moved": _cell(movement.distance),
        "fall of the top": _cell(movement.drop),
    }


def _cell(figure: Figure | None, sign: str = "") -> str:
    """Return a figure in percent, with its interval."""
    if figure is None:
        return ""
    value, low, high = (_percent(share, sign) for share in (figure.value, *figure.ci95))
    return f"{value} [{low}, {high}]"


def _percent(share: float, sign: str) -> str:
    rounded = round(100 * share, 1) + 0.0  # which turns -0.0 into 0.0
    return f"{rounded:{sign}.0f}" if abs(rounded) == 100 else f"{rounded:{sign}.1f}"


def _turned(figure: Figure) -> Figure:
    low, high = figure.ci95
    return Figure(-figure.value, (-high, -low))
