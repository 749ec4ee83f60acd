"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.models import OptionInfo

from evoca.errors import EvocaError
from evoca.images.walk import printable_name

__all__ = [
    "RESUME_HINT",
    "AcceleratorOption",
    "AutoEngineOption",
    "CacheOption",
    "CoresOption",
    "DataOption",
    "DeletionTestOption",
    "DeterministicOption",
    "DevicesOption",
    "EngineOption",
    "FigureFormat",
    "FilmEngineOption",
    "ImagesEngineOption",
    "InferencePrecisionOption",
    "ModelOption",
    "NodesOption",
    "PrecisionOption",
    "PriorOption",
    "ProfileOption",
    "RecipeArgument",
    "ResumeOption",
    "SetOption",
    "SourcesOption",
    "Split",
    "StrategyOption",
    "ThreadsOption",
    "WorkersOption",
    "engines_known",
    "model_names",
    "recipes_named",
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


def model_names() -> list[str]:
    """Return the bundled models, for the completion of a shell."""
    from evoca.runtime.bundle import bundled_models

    return list(bundled_models())


def recipes_named() -> list[str]:
    """Return the recipes, for the completion of a shell."""
    from evoca.lab.config.recipe import recipe_names

    return list(recipe_names())


def engines_known() -> list[str]:
    """Return the engines, for the completion of a shell."""
    from evoca.runtime.engines import engine_names

    return list(engine_names())


def precisions_known() -> list[str]:
    """Return the precisions of engines, for the completion of a shell."""
    from evoca.runtime.engines import PRECISIONS

    return list(PRECISIONS)


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        autocompletion=model_names,
        help="Take this bundled model or bundle directory (./NAME), not that of EVOCA_MODEL.",
    ),
]

EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        autocompletion=engines_known,
        help="Run the model with this engine: onnxruntime, openvino, onnxruntime-cuda, ...",
    ),
]


def _or_auto(also: str = "") -> OptionInfo:
    """Return the option for an engine that may be found by measurement.

    Args:
        also: what the help says after that.
    """
    found: OptionInfo = typer.Option(
        "--engine",
        metavar="NAME",
        autocompletion=engines_known,
        help="Run the model with this engine: onnxruntime, openvino, ..., or auto, the fastest "
        f"here whose outputs are right{also}.",
    )
    return found


AutoEngineOption = Annotated[str, _or_auto()]
ImagesEngineOption = Annotated[str | None, _or_auto(", which is taken for many images if omitted")]
FilmEngineOption = Annotated[str | None, _or_auto(", which is taken for long films if omitted")]

InferencePrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="NAME",
        autocompletion=precisions_known,
        help="Compute in float32, bf16 or int8 (a quantised model); the model's own if omitted.",
    ),
]

ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        metavar="N",
        help="Run the model on N threads; one per core if omitted.",
    ),
]

CoresOption = Annotated[
    int | None,
    typer.Option("--threads", min=1, metavar="N", help="Use N cores; all of them if omitted."),
]

PriorOption = Annotated[
    str | None,
    typer.Option(
        "--prior",
        metavar="PRIOR",
        help="Predict for these class frequencies: natural, balanced, trained, a JSON file, or "
        "estimate from these images; the model's own if omitted.",
    ),
]

DataOption = Annotated[
    Path,
    typer.Option(
        "--data", metavar="MANIFEST", help="Read this manifest, or folder of class folders."
    ),
]

SourcesOption = Annotated[
    list[Path],
    typer.Option(
        "--data",
        metavar="MANIFEST",
        help="Read this manifest, or folder of class folders. Repeat it for several sources: "
        "the labels of the first are learnt, and every other teaches what its own vocabulary or "
        "ratings say about them.",
    ),
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


RESUME_HINT = "; the same command with --resume goes on"


RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        autocompletion=recipes_named,
        help="Take this recipe: its name, or a .yaml file.",
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on with what is unfinished; on a fresh folder, start."),
]
AcceleratorOption = Annotated[
    str,
    typer.Option(
        "--accelerator", metavar="NAME", help="Run on auto, cpu or gpu.", show_default=False
    ),
]
DevicesOption = Annotated[
    int, typer.Option("--devices", min=1, metavar="N", help="Use N devices on each machine.")
]
NodesOption = Annotated[int, typer.Option("--nodes", min=1, metavar="N", help="Use N machines.")]
StrategyOption = Annotated[
    str,
    typer.Option(
        "--strategy", metavar="NAME", help="Share the work among devices by auto, ddp, ..."
    ),
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        "--precision", metavar="NAME", help="Compute in auto, 32-true, 16-mixed, bf16-mixed, ..."
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        metavar="N",
        help="Decode in N processes, one fewer than there are cores if omitted; recipes without "
        "steps decode in N threads, 2 if omitted.",
    ),
]
DeterministicOption = Annotated[
    bool, typer.Option("--deterministic", help="Refuse what varies from run to run on a GPU.")
]
DeletionTestOption = Annotated[
    bool,
    typer.Option(
        "--deletion-test/--no-deletion-test",
        help="Test the evidence map by deletion, most of the time of a quick recipe; export wants "
        "it.",
    ),
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
