"""Output that the commands of ``evoca data`` share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evoca.commands.options import FigureFormat
from evoca.commands.terminal import say
from evoca.errors import DataError, visible_json
from evoca.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from evoca.data.download import LinkList
    from evoca.data.manifest.rejects import Reject

__all__ = [
    "SHOWN",
    "DataArgument",
    "FormatOption",
    "NetworksOption",
    "OutOption",
    "TaxonomyOption",
    "note_rejects",
    "print_json",
    "report_rejects",
]

SHOWN = 20
"""How many cases of one kind a command prints before it counts the rest."""

_REJECTS_SHOWN = 3

DataArgument = Annotated[
    Path, typer.Argument(metavar="MANIFEST", help="Read this manifest, or folder of class folders.")
]
FormatOption = Annotated[FigureFormat, typer.Option("--format", help="Print it in this form.")]
TaxonomyOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Take the labels of this taxonomy where the data state none; mikels8 if omitted.",
    ),
]
OutOption = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="Write this .parquet or .csv.")
]
NetworksOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-network",
        metavar="NETWORK",
        help="Let a network be reached that is not public, such as 10.0.0.0/8; repeatable.",
    ),
]


def print_json(content: Mapping[str, object]) -> None:
    """Print one JSON object on standard output."""
    print(visible_json(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)))


def report_rejects(rejects: Sequence[Reject], listed: str = "") -> int:
    """Return the exit status after the first refused rows are printed on standard error.

    Args:
        rejects: the refused rows.
        listed: the file that lists all of them; empty for none.

    Returns:
        The exit status: 1 where there is any.
    """
    for reject in rejects[:_REJECTS_SHOWN]:
        say(f"evoca: {reject}")
    if len(rejects) > _REJECTS_SHOWN:
        say(f"evoca: and {len(rejects) - _REJECTS_SHOWN:,} more")
    if rejects and listed:
        say(f"evoca: {counted(len(rejects), 'row')} refused, listed in {listed}")
    return int(bool(rejects))


def note_rejects(listed: LinkList, *, strict: bool = False) -> None:
    """Print the first bad rows of a link list; with ``strict``, refuse the first."""
    for item in listed.rejects[:SHOWN]:
        line = f"{listed.source}: row {item.row}: {item.cause}: {item.text[:100]!r}"
        if strict:
            raise DataError(line)
        say(line)
    if len(listed.rejects) > SHOWN:
        say(f"{listed.source}: and {counted(len(listed.rejects) - SHOWN, 'more bad row')}")
