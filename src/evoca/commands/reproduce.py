"""``evoca reproduce``: the papers' figures beside those of the runs so far."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    ProfileOption,
    SetOption,
)
from evoca.commands.terminal import console_for, say, say_left_out
from evoca.commands.training import display
from evoca.documents import Paragraph, print_document, to_markdown
from evoca.errors import EvocaError, OptionError, did_you_mean, needs_extra, typed_options
from evoca.papers import load_paper, load_papers, paper_of_system
from evoca.papers.comparison_tables import comparison_document, glance
from evoca.papers.recipes import published_by, recipe_name
from evoca.papers.reproduce import reproduce as put_beside
from evoca.papers.run_facts import training_images
from evoca.runs import Run, find_runs, finished_run, read_run

if TYPE_CHECKING:
    from evoca.lab import RunOptions

__all__ = [
    "DEFAULT_FOLDER",
    "Requested",
    "app",
    "only_with_data",
    "reproduce",
    "run_first",
    "run_recipes",
]

app = command_app()


class ReproduceFormat(StrEnum):
    """How ``reproduce`` prints."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


@dataclass(frozen=True)
class Requested:
    """What to run.

    Attributes:
        data: a manifest, or a folder of class folders.
        recipes: patterns of names; all recipes if empty.
        profile: name or file of a profile; the papers' own settings if ``None``.
        folds: of each cross-validation.
        settings: of every recipe, such as ``protocol.seed=1``.
        machine: settings of :class:`evoca.lab.RunOptions`.
    """

    data: Path
    recipes: Sequence[str]
    profile: str | None
    folds: int
    settings: Sequence[str]
    machine: Mapping[str, Any]


def run_recipes(requested: Requested, runs: Path) -> int:
    """Cross-validate every recipe into a folder of its name; go on with unfinished ones.

    A recipe that cannot be run here, because its weights are not to be had or its data
    lack something, costs one line and not the others.

    Args:
        requested: what to run.
        runs: the folder of runs. Finished runs stay; others are
            gone on with, by fold, step and batch.

    Returns:
        0, or 1 where a recipe could not be run.

    Raises:
        EvocaError: no such data, or no recipe of such a name.
        KeyboardInterrupt: stopped on request, after saving.
    """
    with needs_extra("train"):
        from evoca import lab
        from evoca.data.manifest.labelled import load_labelled
    settings = [f"protocol.folds={requested.folds}", *requested.settings]
    names = _names(requested.recipes)
    data = load_labelled(requested.data)
    say_left_out(data)
    with needs_extra("train"):
        from evoca.lab.experiments.run import unused_options
    data = replace(data, recorded_hashes=data.file_hashes())  # once, not by every recipe
    failed = 0
    for number, name in enumerate(names, start=1):
        out = runs / name
        try:
            recipe = lab.load_recipe(name, settings, requested.profile)
            done = finished_run(out) is not None
            if not done:
                say(f"{name} ({number} of {len(names)})")
            with display(**requested.machine) as options:
                if unused := unused_options(recipe, options):
                    options = _on_the_cpu(options)
                if unused and not done:
                    without = typed_options(unused)
                    say(f"{name}: without steps: on the CPU, in full precision, without {without}")
                lab.cross_validate(recipe, data, out, options=options, resume=True)
            if done:  # and of these images, or it would have been refused
                say(f"{name} ({number} of {len(names)}): finished already")
        except EvocaError as error:
            failed = 1
            cause = error.typed if isinstance(error, OptionError) else str(error)
            say(f"left out: {name}: {cause}")
    return failed


def _on_the_cpu(options: RunOptions) -> RunOptions:
    """Return the options without those of accelerators and of several machines."""
    from evoca.lab import RunOptions

    plain = RunOptions()
    names = ("accelerator", "devices", "nodes", "strategy", "precision")
    return replace(options, **{name: getattr(plain, name) for name in names})


def _names(patterns: Sequence[str]) -> list[str]:
    """Return the recipes that a pattern matches, in order."""
    from evoca.lab.config.recipe import recipe_names

    known = recipe_names()
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            raise EvocaError(f"--recipe {pattern}: no such recipe{did_you_mean(pattern, known)}")
    chosen = patterns or ["*"]
    return [name for name in known if any(fnmatchcase(name, pattern) for pattern in chosen)]


DEFAULT_FOLDER = Path("runs")
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
    not_run = 0
    if data is None:
        only_with_data(profile=profile, set=settings, workers=workers)
    else:
        machine = {"accelerator": accelerator, "workers": workers}
        requested = Requested(data, recipes or [], profile, folds, settings or [], machine)
        not_run = run_first(requested, runs or [])
    papers = list(load_papers().values()) if paper is None else [load_paper(paper)]
    opened, failed = _read(runs or ([DEFAULT_FOLDER] if DEFAULT_FOLDER.is_dir() else []))
    from evoca.lab.experiments.results import PackagedRecipes

    packaged = PackagedRecipes()
    chosen = set(_names(recipes)) if recipes else None
    if chosen is not None:
        opened = [run for run in opened if recipe_name(run) in chosen]
    rows = put_beside(opened, papers, packaged)
    if chosen is not None:
        systems = {(packaged.recipe(name) or {}).get("published") for name in chosen}
        rows = tuple(row for row in rows if row.system.name in systems)
    others = [run for run in opened if paper_of_system(published_by(run, packaged)) is None]
    if output == "json":
        content = {
            "systems": [row.to_dict() for row in rows],
            "other_runs": [
                {
                    "run": run.name,
                    "recipe": recipe_name(run),
                    "training_images": training_images(run),
                }
                for run in others
            ],
        }
        print(json.dumps(content, allow_nan=False))
        return max(failed, not_run)
    blocks = glance(opened, papers, packaged)
    blocks += comparison_document(rows, emotions=emotions, details=paper is not None)
    if others:
        names = ", ".join(f"{run.name} ({recipe_name(run) or 'no recipe'})" for run in others)
        blocks.append(Paragraph(f"Runs of recipes that no paper describes: {names}."))
    if output == "markdown":
        print(to_markdown(blocks), end="")
    else:
        print_document(blocks, console_for())
    return max(failed, not_run)


def only_with_data(**given: object) -> None:
    """Refuse options for running, where nothing is to be run.

    Raises:
        EvocaError: one was given.
    """
    if named := [name for name, value in given.items() if value is not None]:
        raise EvocaError(f"--{named[0]}: sets how to run; give --data too, to run on")


def run_first(requested: Requested, places: Sequence[Path]) -> int:
    """Make the runs that are missing.

    Args:
        requested: what to run.
        places: the one folder they go to; ``./runs`` if empty.

    Returns:
        0, or 1 where a recipe could not be run.

    Raises:
        EvocaError: several folders, or what is requested cannot be had.
    """
    if len(places) > 1:
        raise EvocaError(f"{places[1]}: with --data, name one folder for all runs")
    return run_recipes(requested, places[0] if places else DEFAULT_FOLDER)


def _read(places: Sequence[Path]) -> tuple[list[Run], int]:
    """Return the runs and the number of damaged ones, which are named and left out."""
    runs: list[Run] = []
    failed = 0
    for path in dict.fromkeys(run for place in places for run in find_runs(place)):
        try:
            run = read_run(path)
            _ = run.report
        except EvocaError as error:
            failed = 1
            console_for("stderr").print(f"left out: {error}", soft_wrap=True)
        else:
            runs.append(run)
    return runs, failed
