"""``evoca data readers``: which data sets can be read, and the layout of each."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from evoca.commands.data.build import readers_named
from evoca.commands.exits import command, command_app, finish
from evoca.commands.terminal import clean, console_for, indented

__all__ = ["app", "list_readers", "show_reader"]

_OPTIONS = {
    "columns": "--column THEIRS=OURS",
    "labels": "--label THEIRS=OURS",
    "images": "--images DIR",
    "taxonomy": "--taxonomy NAME",
    "max_ratio": "--max-ratio N",
}

app = command_app(
    help="List and explain the layouts of data sets that can be read.",
    examples=("evoca data readers list", "evoca data readers show fi"),
    invoke_without_command=True,
)


@app.callback()
def _readers(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        finish(list_readers)


@command(app, "list", examples=("evoca data readers list",))
def list_readers() -> None:
    """List the readers of data sets."""
    from evoca.data.readers import get_reader, reader_names

    for name in reader_names():
        console_for().print(Text(f"{clean(name)}", style="bold"))
        indented(get_reader(name).summary)


@command(app, "show", examples=("evoca data readers show fi", "evoca data readers show csv"))
def show_reader(
    name: Annotated[
        str,
        typer.Argument(
            metavar="READER", autocompletion=readers_named, help="Explain this reader's layout."
        ),
    ],
) -> None:
    """Explain a reader's layout, labels and options."""
    from evoca.data.readers import get_reader
    from evoca.data.taxonomies import labels_of

    reader = get_reader(name)
    console_for().print(Text(clean(reader.name), style="bold"))
    indented(reader.summary)
    for paragraph in filter(None, reader.layout.split("\n\n")):
        indented(paragraph)
    labels = f"labels: {', '.join(labels_of(reader.taxonomy))} ({reader.taxonomy})"
    if reader.ratings is not None:
        low, high = reader.ratings
        labels = f"no labels; ratings of valence and arousal from {low:g} to {high:g}"
    indented(labels)
    if not reader.files_required:
        indented("the pictures need not be there: lists of votes and links are of use without")
    used = [option for field, option in _OPTIONS.items() if field in reader.accepts]
    if used:
        indented(f"options: {', '.join(used)}")
    console_for().print(f"evoca data build {clean(reader.name)} SRC --out FILE.csv", soft_wrap=True)
