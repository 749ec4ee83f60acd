"""The command line of ``train``, ``crossval`` and ``search``: parse and call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.options import DataOption, FigureFormat, ProfileOption, SetOption
from evoca.exits import finish

__all__ = ["app"]

app = typer.Typer()

_RESUME_HINT = "; the same command with --resume goes on"


_Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name or .yaml file.")]
_Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on with what is unfinished; on a fresh folder, start."),
]
_Accelerator = Annotated[
    str, typer.Option("--accelerator", metavar="NAME", help="auto, cpu or gpu.", show_default=False)
]
_Devices = Annotated[int, typer.Option("--devices", min=1, help="Devices on each machine.")]
_Nodes = Annotated[int, typer.Option("--nodes", min=1, help="Machines.")]
_Strategy = Annotated[
    str, typer.Option("--strategy", metavar="NAME", help="How devices share: auto, ddp, ...")
]
_Precision = Annotated[
    str,
    typer.Option("--precision", metavar="NAME", help="auto, 32-true, 16-mixed, bf16-mixed, ..."),
]
_Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        help="Processes that decode, all cores but one if omitted; threads without steps, 2.",
    ),
]
_Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Refuse what varies from run to run on a GPU.")
]
_Cache = Annotated[
    bool,
    typer.Option("--cache/--no-cache", help="Keep what frozen layers compute, for all runs."),
]


@app.command()
def train(
    recipe: _Recipe,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="The run directory to write.")],
    settings: SetOption = None,
    profile: ProfileOption = None,
    resume: _Resume = False,
    without_copies: Annotated[
        bool,
        typer.Option(
            "--without-copies",
            help="Measure no image of which a copy is learnt from or chooses.",
        ),
    ] = False,
    data_name: Annotated[
        str | None,
        typer.Option("--data-name", metavar="TEXT", help="What the model card calls the data."),
    ] = None,
    accelerator: _Accelerator = "auto",
    devices: _Devices = 1,
    nodes: _Nodes = 1,
    strategy: _Strategy = "auto",
    precision: _Precision = "auto",
    workers: _Workers = None,
    deterministic: _Deterministic = False,
    cache: _Cache = True,
) -> None:
    """Train a recipe on labelled images, and measure it on images it has not learnt from."""

    def call() -> None:
        from evoca.commands.training import Machine
        from evoca.commands.training import train as run

        machine = Machine(
            accelerator, devices, nodes, strategy, precision, workers, deterministic, cache
        )
        run(
            recipe,
            data,
            out,
            settings or [],
            data_name,
            profile=profile,
            machine=machine,
            resume=resume,
            without_copies=without_copies,
        )

    finish(call, _RESUME_HINT)


@app.command()
def crossval(
    recipe: _Recipe,
    data: DataOption,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Outer folds.")] = 5,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Repetitions.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the first repetition.")] = 0,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="What to print.")
    ] = FigureFormat.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="RUN", help="Write a run directory too.")
    ] = None,
    settings: SetOption = None,
    profile: ProfileOption = None,
    resume: _Resume = False,
    accelerator: _Accelerator = "auto",
    precision: _Precision = "auto",
    workers: _Workers = None,
    deterministic: _Deterministic = False,
    cache: _Cache = True,
) -> None:
    """Measure a recipe by nested, stratified and grouped cross-validation."""

    def call() -> None:
        from evoca.commands.training import Machine
        from evoca.commands.training import crossval as run

        run(
            recipe,
            data,
            folds=folds,
            repeats=repeats,
            seed=seed,
            output=output.value,
            out=out,
            settings=settings or [],
            profile=profile,
            machine=Machine(
                accelerator,
                precision=precision,
                workers=workers,
                deterministic=deterministic,
                cache=cache,
            ),
            resume=resume,
        )

    finish(call, _RESUME_HINT if out is not None else "")


@app.command()
def search(
    recipe: _Recipe,
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the search.")],
    space: Annotated[
        Path | None,
        typer.Option("--space", metavar="FILE", help="What to try; the recipe's own if omitted."),
    ] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="How many to finish.")] = 20,
    folds: Annotated[
        int | None,
        typer.Option("--folds", min=2, help="Measure the search: one inside each outer fold."),
    ] = None,
    settings: SetOption = None,
    profile: ProfileOption = None,
    resume: _Resume = False,
    accelerator: _Accelerator = "auto",
    precision: _Precision = "auto",
    workers: _Workers = None,
    deterministic: _Deterministic = False,
    cache: _Cache = True,
) -> None:
    """Search a recipe's settings on validation images."""

    def call() -> None:
        from evoca.commands.training import Machine
        from evoca.commands.training import search as run

        run(
            recipe,
            data,
            out,
            settings or [],
            space=space,
            trials=trials,
            folds=folds,
            profile=profile,
            machine=Machine(
                accelerator,
                precision=precision,
                workers=workers,
                deterministic=deterministic,
                cache=cache,
            ),
            resume=resume,
        )

    finish(call, _RESUME_HINT)
