"""The command line of ``reproduce``: parse and call."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.options import ProfileOption, SetOption
from evoca.exits import finish

__all__ = ["app"]

app = typer.Typer()


class Format(StrEnum):
    """How ``reproduce`` prints."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


@app.command()
def reproduce(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN", help="Runs and folders of runs; ./runs if omitted."),
    ] = None,
    paper: Annotated[
        str | None, typer.Option("--paper", metavar="KEY", help="Only this paper: najid2018.")
    ] = None,
    emotions: Annotated[
        bool, typer.Option("--emotions", help="Show the figures of single emotions too.")
    ] = False,
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TABLE,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="MANIFEST",
            help="First cross-validate every recipe on these images into the folder of runs; "
            "what is finished stays, what is not is gone on with.",
        ),
    ] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe", metavar="NAME", help="With --data: only these; * matches; repeatable."
        ),
    ] = None,
    profile: ProfileOption = None,
    folds: Annotated[int, typer.Option("--folds", min=2, help="With --data: outer folds.")] = 5,
    settings: SetOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, help="With --data: processes that decode.")
    ] = None,
    accelerator: Annotated[
        str, typer.Option("--accelerator", metavar="NAME", help="With --data: auto, cpu or gpu.")
    ] = "auto",
) -> None:
    """Show what the papers published beside what runs reached, or make the runs first."""

    def call() -> int:
        from evoca.commands.reproduce import only_with_data, run_first
        from evoca.commands.reproduce import reproduce as show

        failed = 0
        if data is None:
            only_with_data(recipe=recipes, profile=profile, set=settings, workers=workers)
        else:
            from evoca.commands.run_recipes import Wanted
            from evoca.commands.training import Machine

            machine = Machine(accelerator, workers=workers)
            wanted = Wanted(data, recipes or [], profile, folds, settings or [], machine)
            failed = run_first(wanted, runs or [])
        shown = show(runs or [], paper=paper, output=output.value, emotions=emotions)
        return max(failed, shown)

    finish(call, "; the same command goes on" if data is not None else "")
