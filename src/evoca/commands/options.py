"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DataOption", "FigureFormat", "ProfileOption", "SetOption"]


class FigureFormat(StrEnum):
    """How figures are printed."""

    TABLE = "table"
    JSON = "json"


DataOption = Annotated[
    Path,
    typer.Option("--data", metavar="MANIFEST", help="A manifest, or a folder of class folders."),
]

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of the recipe; repeatable."),
]

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Fit the recipe to a machine: lite0, or a .yaml file; see docs/recipes.md.",
    ),
]
