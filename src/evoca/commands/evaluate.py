"""``evoca evaluate``: a model or a table of predictions, scored on labelled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from evoca.commands.exits import command, command_app
from evoca.commands.figures import print_calibration, print_figures, print_per_emotion, print_sets
from evoca.commands.options import (
    DataOption,
    FigureFormat,
    PriorOption,
    Split,
    model_names,
)
from evoca.commands.priors import ESTIMATE, estimated
from evoca.commands.progress import announcing
from evoca.commands.terminal import clean, console_for, say, say_left_out
from evoca.data.manifest.labelled import load_labelled
from evoca.evaluation import Evaluation, Options, evaluate_system, open_system, write_evaluation
from evoca.evaluation.selection import select_split
from evoca.runs import new_run

__all__ = ["app", "evaluate"]

app = command_app()


@command(
    app,
    long=True,
    examples=(
        "evoca evaluate default --data set/",
        "evoca evaluate default --data set.csv --prior balanced --out runs/evaluated",
        "evoca evaluate tags.csv --data set.csv --split all",
    ),
)
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=model_names,
            help="Score this bundle, bundled model, or table of predictions.",
        ),
    ],
    data: DataOption,
    split: Annotated[
        Split, typer.Option("--split", help="Take these rows; all where none has a split.")
    ] = Split.TEST,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="Print it in this form.")
    ] = FigureFormat.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="RUN", help="Write a run directory too.")
    ] = None,
    restrict: Annotated[
        bool,
        typer.Option(
            "--restrict", help="Let the model choose among shared labels with an image alone."
        ),
    ] = False,
    prior: PriorOption = None,
    draws: Annotated[
        int, typer.Option("--draws", min=1, metavar="N", help="Draw the bootstrap N times.")
    ] = 1000,
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Evaluate although no image has some label."),
    ] = False,
    without_copies: Annotated[
        bool,
        typer.Option(
            "--without-copies",
            help="Leave out the images that made the model, and their copies.",
        ),
    ] = False,
) -> int:
    """Score a model on labelled images, every figure with its interval."""
    options = Options(
        split=split.value,
        restrict=restrict,
        draws=draws,
        allow_missing=allow_missing,
        without_copies=without_copies,
    )
    if prior == ESTIMATE:
        images = load_labelled(data, require_files=False)
        in_force = estimated(model, select_split(images, options.split).images.paths)
        system = open_system(model, in_force)
    else:
        system = open_system(model, prior)
        images = load_labelled(data, require_files=False)
    say_left_out(images)
    with announcing() as announce:
        if out is None:
            scored = evaluate_system(system, images, options, announce)
        else:
            with new_run(out) as folder:
                scored = evaluate_system(system, images, options, announce)
                write_evaluation(folder, scored)
    for error in scored.unreadable:
        say(f"evoca: {error}")
    for note in scored.result.notes:
        say(f"evoca: {note}")
    if output == "json":
        print(json.dumps(scored.result.to_dict(), allow_nan=False))
    else:
        _print(scored, console_for())
    return int(bool(scored.unreadable))


def _print(scored: Evaluation, console: Console) -> None:
    console.print(clean(str(scored.description["protocol"])), style="bold")
    print_figures(scored.result.to_dict(), console)
    result = scored.result
    if result.calibration is not None:
        print_calibration(result.calibration, console)
    print_sets(result.sets, result.conditional, console)
    coverage = {} if result.sets is None else result.sets.by_emotion
    print_per_emotion(result.report, coverage, console)
