"""``evoca report``: what runs found, as one HTML page."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.progress import announcing
from evoca.commands.terminal import clean, console_for, say
from evoca.errors import DataError
from evoca.runs import read_run
from evoca.words import counted

__all__ = ["app", "report"]

app = command_app()


class LookForOption(StrEnum):
    """The traits that ``report`` groups pictures by."""

    COLOUR = "colour"
    FACES = "faces"
    TEXT = "text"


@command(
    app,
    long=True,
    examples=(
        "evoca report runs/first --out report.html",
        "evoca report runs/first runs/second --out report.html --no-images",
    ),
)
def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Show these run directories.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="Write this page.")],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="MANIFEST",
            help="Take images from this manifest, not from where the first run found them.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="MODEL", help="Show the evidence maps of this bundle beside images."
        ),
    ] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Hold small copies of the images.")
    ] = True,
    look_for: Annotated[
        LookForOption,
        typer.Option(
            "--look-for",
            help="Group pictures by this; text takes most of a second each (extra vision).",
        ),
    ] = LookForOption.FACES,
    max_images: Annotated[
        int, typer.Option("--max-images", min=1, metavar="N", help="Hold at most N images.")
    ] = 5000,
    probe: Annotated[
        Path | None,
        typer.Option(
            "--probe",
            metavar="FILE",
            help="Show what evoca probe wrote here, not probe.json of the run directory.",
        ),
    ] = None,
) -> None:
    """Write what runs found as one HTML page that opens offline."""
    from evoca.report import build_report
    from evoca.report.sources import images_of, models_of, robustness_of

    if out.is_dir() or out.suffix.lower() not in (".html", ".htm"):
        raise DataError(f"{out}: name a file that ends in .html")
    opened = [read_run(folder) for folder in runs]
    tested = robustness_of(opened, probe)
    labelled = images_of(opened, data, wanted=images)
    if images and labelled is None:
        say(
            "evoca: the page holds no images: name the manifest or folder with --data (or give "
            "--no-images)"
        )
    pictured = images and labelled is not None
    models = models_of(opened, model) if pictured else [None] * len(opened)
    with announcing() as announce:
        built = build_report(
            opened,
            out,
            labelled,
            announce,
            models=models,
            images=pictured,
            look_for=look_for.value,
            most_images=max_images,
            robustness=tested,
            left_out=not images,
        )
    for note in built.notes:
        say(f"evoca: {note}")
    shown = counted(built.images, "image") if built.images else "no images"
    console_for().print(f"{clean(str(out))}: {built.size / 1e6:.1f} MB, {shown}", soft_wrap=True)
