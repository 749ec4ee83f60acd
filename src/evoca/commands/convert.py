"""``evoca convert``: tables of predictions for other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.progress import announcing_lines, is_quiet
from evoca.commands.terminal import say
from evoca.images.walk import printable_name
from evoca.words import by_number, counted

__all__ = ["app", "convert"]

app = command_app()


class Tool(StrEnum):
    """What a table is converted for."""

    FIFTYONE = "fiftyone"
    LABEL_STUDIO = "label-studio"


@command(
    app,
    examples=(
        "evoca convert tags.parquet --to fiftyone --out tagged/",
        "evoca convert tags.parquet --to label-studio --images photos/ --out tasks/",
    ),
)
def convert(
    tables: Annotated[
        list[Path],
        typer.Argument(
            metavar="TAGS...",
            help="Read these tables, as evoca predict --out FILE and evoca tag write them, or "
            "folders of them.",
        ),
    ],
    to: Annotated[Tool, typer.Option("--to", help="Write for this tool.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Write into this new or empty folder.")
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="DIR",
            help="Take this folder, below which all images lie, as Label Studio's document root; "
            "the working folder if omitted.",
        ),
    ] = None,
    image_url: Annotated[
        str | None,
        typer.Option(
            "--image-url",
            metavar="URL",
            help="Let Label Studio show an image from URL and its path below --images; from its "
            "own local files if omitted.",
        ),
    ] = None,
) -> int:
    """Convert tables of predictions for FiftyOne or Label Studio."""
    from evoca import adapters

    with announcing_lines(briefly=True) as (announce, _):
        done = adapters.convert(
            tables,
            to.value,
            out,
            images=images,
            image_url=image_url,
            announce=lambda rows: announce("converting", rows),
        )
    if not is_quiet():
        left = f", {done.unread:,} without a prediction left out" if done.unread else ""
        say(f"evoca: {printable_name(out)}: {counted(done.images, 'image')}{left}")
    if done.missing:
        say(
            f"evoca: {done.missing:,} of the images {by_number(done.missing, 'is', 'are')} not at "
            "the path in the table: run this in the folder where they were predicted"
        )
    return int(done.missing > 0)
