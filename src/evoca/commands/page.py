"""``evoca page``: the page as static files that compute in the visitor's browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import ModelOption
from evoca.commands.progress import is_quiet
from evoca.commands.terminal import say
from evoca.images.walk import printable_name

__all__ = ["app", "page"]

app = command_app()


@command(
    app,
    examples=(
        "evoca page --out page",
        "evoca page --model default-int8 --out page",
    ),
)
def page(
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Write this folder, which must be new or empty."),
    ],
    model: ModelOption = None,
) -> None:
    """Write a page that predicts in the visitor's own browser, for any static host."""
    from evoca.runtime.bundle import read_bundle
    from evoca.serving.static_page import write_static_page

    written = write_static_page(read_bundle(model), out)
    if not is_quiet():
        name = printable_name(out)
        size = f"{written.files} files, {written.size / 1e6:.1f} MB"
        say(f"evoca: {name}: {size}, with {written.model}")
        say(f"evoca: put it on any static host; to try it: python -m http.server -d {name}")
