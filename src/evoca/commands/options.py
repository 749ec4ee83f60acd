"""Options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evoca.errors import EvocaError
from evoca.images.walk import printable_name

__all__ = [
    "RESUME_HINT",
    "AcceleratorOption",
    "CacheOption",
    "DataOption",
    "DeterministicOption",
    "DevicesOption",
    "FigureFormat",
    "Machine",
    "ModelOption",
    "NodesOption",
    "PrecisionOption",
    "PriorOption",
    "ProfileOption",
    "RecipeArgument",
    "ResumeOption",
    "SetOption",
    "Split",
    "StrategyOption",
    "WorkersOption",
    "require_file_place",
]


class FigureFormat(StrEnum):
    """How figures are printed."""

    TABLE = "table"
    JSON = "json"


class Split(StrEnum):
    """Which rows of the data are used."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"
    ALL = "all"


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A bundled model or a bundle directory (./NAME); EVOCA_MODEL otherwise.",
    ),
]

PriorOption = Annotated[
    str | None,
    typer.Option(
        "--prior",
        metavar="PRIOR",
        help="Class frequencies that predictions are for: natural, balanced, trained, a JSON file, "
        "or estimate from these images; the model's own if omitted.",
    ),
]

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


@dataclass(frozen=True)
class Machine:
    """Where and how to run, as the command line has it; see ``RunOptions``."""

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str = "auto"
    workers: int | None = None
    deterministic: bool = False
    cache: bool = True


RESUME_HINT = "; the same command with --resume goes on"


RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe's name or .yaml file.")
]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on with what is unfinished; on a fresh folder, start."),
]
AcceleratorOption = Annotated[
    str, typer.Option("--accelerator", metavar="NAME", help="auto, cpu or gpu.", show_default=False)
]
DevicesOption = Annotated[int, typer.Option("--devices", min=1, help="Devices on each machine.")]
NodesOption = Annotated[int, typer.Option("--nodes", min=1, help="Machines.")]
StrategyOption = Annotated[
    str, typer.Option("--strategy", metavar="NAME", help="How devices share: auto, ddp, ...")
]
PrecisionOption = Annotated[
    str,
    typer.Option("--precision", metavar="NAME", help="auto, 32-true, 16-mixed, bf16-mixed, ..."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        help="Processes that decode, all cores but one if omitted; threads without steps, 2.",
    ),
]
DeterministicOption = Annotated[
    bool, typer.Option("--deterministic", help="Refuse what varies from run to run on a GPU.")
]
CacheOption = Annotated[
    bool,
    typer.Option("--cache/--no-cache", help="Keep what frozen layers compute, for all runs."),
]


def require_file_place(out: Path, option: str = "--out") -> None:
    """Refuse, before any work, a file that could not be written in the end.

    Args:
        out: the file.
        option: that names it.

    Raises:
        EvocaError: it is a device, a pipe or a folder, or its folder is not there.
    """
    name = printable_name(out)
    if out.exists() and not out.is_file():  # a file would take the place of a device
        raise EvocaError(f"{option} {name}: not a regular file: name another")
    if not out.absolute().parent.is_dir():
        raise EvocaError(f"{option} {name}: there is no such folder to write into")
