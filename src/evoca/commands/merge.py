"""``evoca merge``: the tables of all shares of a run as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import require_file_place
from evoca.commands.terminal import say
from evoca.images.walk import printable_name
from evoca.words import counted

__all__ = ["app", "merge"]

app = command_app()


@command(app, examples=("evoca merge part-*.parquet --out tags.parquet",))
def merge(
    parts: Annotated[
        list[Path],
        typer.Argument(metavar="PART...", help="Read these tables, one per share (--shard I/N)."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Write this .parquet, .csv or .jsonl.")
    ],
) -> None:
    """Join the tables of all shares of a run of evoca tag as one."""
    from evoca import tagger

    require_file_place(out)
    rows = tagger.merge(parts, out)
    say(f"evoca: {printable_name(out)}: {counted(rows, 'image')} of {counted(len(parts), 'share')}")
