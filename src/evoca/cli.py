"""The command line: a table of commands, each a file in ``commands/``."""

from __future__ import annotations

from typing import Annotated

import typer

from evoca.commands.exits import leave, open_streams
from evoca.commands.lazy import group_app

__all__ = ["COMMANDS", "app", "main"]

COMMANDS = {
    "predict": ("evoca.commands.predict", "Predict which emotions images evoke in their viewers."),
    "tag": (
        "evoca.commands.tag",
        "Predict images by the million into one table, safe to interrupt.",
    ),
    "serve": ("evoca.commands.serve", "Serve predictions over HTTP, to programs and pages."),
    "video": (
        "evoca.commands.video",
        "Predict which emotions each moment of a film evokes: a timeline with shots.",
    ),
    "merge": (
        "evoca.commands.merge",
        "Join the tables of all shares of a run of evoca tag as one.",
    ),
    "find": (
        "evoca.commands.find",
        "Find images again by what they evoke, in the tables of predictions.",
    ),
    "page": (
        "evoca.commands.page",
        "Write a page that predicts in the visitor's own browser, for any static host.",
    ),
    "embed": (
        "evoca.commands.embed",
        "Write the model's embedding of each image to a file; unreadable ones are left out.",
    ),
    "convert": (
        "evoca.commands.convert",
        "Convert tables of predictions for FiftyOne or Label Studio.",
    ),
    "relate": (
        "evoca.commands.relate",
        "Relate what images evoke to an outcome, such as clicks on advertisements.",
    ),
    "doctor": (
        "evoca.commands.doctor",
        "Show what is installed, which engine and model would be used, and what is wrong.",
    ),
    "evaluate": (
        "evoca.commands.evaluate",
        "Score a model on labelled images, every figure with its interval.",
    ),
    "compare": (
        "evoca.commands.compare",
        "Compare runs on the images they share, with intervals and significance.",
    ),
    "matrix": (
        "evoca.commands.matrix",
        "Score models, or recipes trained on each data set, on every data set.",
    ),
    "probe": (
        "evoca.commands.probe",
        "Measure how predictions move under compression, blur, crops, colour and hidden faces.",
    ),
    "report": (
        "evoca.commands.report",
        "Write what runs found as one HTML page that opens offline.",
    ),
    "train": (
        "evoca.commands.train",
        "Train a recipe on labelled images, and evaluate it on images it has not learnt from.",
    ),
    "crossval": (
        "evoca.commands.crossval",
        "Evaluate a recipe by nested, stratified and grouped cross-validation.",
    ),
    "search": ("evoca.commands.search", "Search a recipe's settings on validation images."),
    "sweep": (
        "evoca.commands.sweep",
        "Fit every alpha, beta and C on the stored vectors of a cross-validation.",
    ),
    "reproduce": (
        "evoca.commands.reproduce",
        "Show what the papers published beside what runs reached, or make the runs first.",
    ),
    "export": ("evoca.commands.export", "Export a trained run to a model bundle."),
    "data": (
        "evoca.commands.data.app",
        "Build, inspect, check and divide sets of labelled images.",
    ),
    "models": ("evoca.commands.models", "List, show, verify and quantise models."),
    "recipes": ("evoca.commands.recipes", "List and explain the systems that can be trained."),
}
"""Name to the module and the first line of its help."""

SECTIONS = {
    "Predict": ("predict", "tag", "video", "merge", "serve", "page", "models", "doctor"),
    "Collections": ("find", "embed", "convert", "relate"),
    "Data": ("data",),
    "Train": ("recipes", "train", "crossval", "search", "sweep", "export"),
    "Evaluate": ("evaluate", "compare", "matrix", "probe", "report", "reproduce"),
}
"""The sections of the help."""

app = group_app(
    COMMANDS,
    "evoca.commands",
    SECTIONS,
    name="evoca",
    help="Which emotions does an image evoke in its viewers?",
    examples=(
        "evoca predict photo.jpg folder/",
        "evoca predict folder/ --html page.html",
        "evoca tag photos/ --out tags.parquet",
        "evoca evaluate default --data set/ --split all",
        "evoca train default --data set/ --out runs/first",
    ),
    add_completion=True,
)


def _version(wanted: bool) -> None:
    if wanted:
        from evoca import __version__

        print(f"evoca {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    _: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    open_streams()
    leave(app)
