"""``evoca reproduce``: the papers' figures beside those of the runs so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    ProfileOption,
    SetOption,
)
from evoca.commands.terminal import console_for, say_left_out
from evoca.commands.training import display
from evoca.documents import Block, Paragraph, print_document, to_markdown
from evoca.errors import EvocaError, needs_extra
from evoca.papers import load_paper, load_papers
from evoca.papers.comparison_tables import comparison_document, glance
from evoca.papers.recipes import recipe_name
from evoca.papers.reproduce import Reproduction
from evoca.papers.reproduce import reproduce as put_beside
from evoca.runs import read_runs

__all__ = ["app", "reproduce"]

app = command_app()


class ReproduceFormat(StrEnum):
    """How ``reproduce`` prints."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


_DEFAULT_FOLDER = Path("runs")
"""Searched where no run is named, if it exists."""


@command(
    app,
    long=True,
    examples=(
        "evoca reproduce --paper najid2018",
        "evoca reproduce runs/ --data fi.csv --profile lite0 --recipe 'najid2018-*'",
    ),
    after_interrupt=lambda data=None, **_: "" if data is None else "; the same command goes on",
)
def reproduce(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN...", help="Read these runs and folders of runs; ./runs if omitted."
        ),
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option("--paper", metavar="KEY", help="Show this paper alone, such as najid2018."),
    ] = None,
    emotions: Annotated[
        bool, typer.Option("--emotions", help="Show the figures of single emotions too.")
    ] = False,
    output: Annotated[
        ReproduceFormat, typer.Option("--format", help="Print it in this form.")
    ] = ReproduceFormat.TABLE,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="MANIFEST",
            help="Make the runs first: cross-validate every recipe on these images; what is "
            "finished stays, what is not is gone on with.",
        ),
    ] = None,
    recipes: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            metavar="NAME",
            help="Make and show these recipes alone; * stands for any text; repeatable.",
        ),
    ] = None,
    profile: ProfileOption = None,
    folds: Annotated[
        int, typer.Option("--folds", min=2, metavar="N", help="Divide --data into N outer folds.")
    ] = 5,
    settings: SetOption = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=0, metavar="N", help="Decode --data in N processes."),
    ] = None,
    accelerator: Annotated[
        str, typer.Option("--accelerator", metavar="NAME", help="Run on auto, cpu or gpu.")
    ] = "auto",
) -> int:
    """Show what the papers published beside what runs reached, or make the runs first."""
    from evoca.lab.config.recipe import named_recipes
    from evoca.lab.experiments.results import PackagedRecipes

    places, not_run = runs or [], False
    if data is None:
        _require_data_for(profile=profile, set=settings, workers=workers)
    else:
        if len(places) > 1:
            raise EvocaError(f"{places[1]}: with --data, name one folder for all runs")
        own = [f"protocol.folds={folds}", *(settings or [])]
        machine = {"accelerator": accelerator, "workers": workers}
        folder = places[0] if places else _DEFAULT_FOLDER
        not_run = _run(data, folder, recipes or [], own, profile, machine)
    if not places and _DEFAULT_FOLDER.is_dir():
        places = [_DEFAULT_FOLDER]
    papers = list(load_papers().values()) if paper is None else [load_paper(paper)]
    opened, damaged = read_runs(places)
    for error in damaged:
        console_for("stderr").print(f"left out: {error}", soft_wrap=True)
    packaged, chosen = PackagedRecipes(), named_recipes(recipes) if recipes else []
    found = put_beside(opened, papers, packaged, chosen)
    if output == "json":
        print(json.dumps(found.to_dict(), allow_nan=False))
    else:
        blocks = glance(found.runs, papers, packaged)
        _print(found, blocks, output, emotions=emotions, details=paper is not None)
    return int(not_run or bool(damaged))


def _require_data_for(**given: object) -> None:
    """Refuse options for running, where nothing is to be run."""
    if named := [name for name, value in given.items() if value is not None]:
        raise EvocaError(f"--{named[0]}: sets how to run; give --data too, to run on")


def _run(
    data: Path,
    runs: Path,
    recipes: Sequence[str],
    settings: Sequence[str],
    profile: str | None,
    machine: dict[str, Any],
) -> bool:
    """Make the runs that are missing, and return whether a recipe could not be run."""
    from evoca.data.manifest.labelled import load_labelled
    from evoca.lab.config.recipe import named_recipes

    named_recipes(recipes)  # before PyTorch is imported, and before the data are read
    images = load_labelled(data)
    say_left_out(images)
    with needs_extra("train"):
        from evoca import lab
    with display(**machine) as options:
        failed = lab.cross_validate_recipes(
            images, runs, recipes, settings=settings, profile=profile, options=options
        )
    return bool(failed)


def _print(
    found: Reproduction,
    glanced: list[Block],
    output: ReproduceFormat,
    *,
    emotions: bool,
    details: bool,
) -> None:
    blocks = [*glanced, *comparison_document(found.rows, emotions=emotions, details=details)]
    if found.others:
        names = ", ".join(f"{r.name} ({recipe_name(r) or 'no recipe'})" for r in found.others)
        blocks.append(Paragraph(f"Runs of recipes that no paper describes: {names}."))
    if output == "markdown":
        print(to_markdown(blocks), end="")
    else:
        print_document(blocks, console_for())
