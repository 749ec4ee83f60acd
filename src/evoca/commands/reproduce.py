"""``evoca reproduce``: the papers' figures beside those of the runs so far."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evoca.documents import Paragraph, print_document, to_markdown
from evoca.errors import EvocaError
from evoca.papers import load_paper, load_papers, paper_of_system
from evoca.papers.comparison_tables import comparison_document, glance
from evoca.papers.recipes import published_by, recipe_name
from evoca.papers.reproduce import reproduce as put_beside
from evoca.papers.run_facts import training_images
from evoca.runs import Run, find_runs, read_run
from evoca.terminal import console_for

if TYPE_CHECKING:
    from evoca.commands.run_recipes import Wanted

__all__ = ["DEFAULT_FOLDER", "only_with_data", "reproduce", "run_first"]

DEFAULT_FOLDER = Path("runs")
"""Searched where no run is named, if it exists."""


def reproduce(
    places: Sequence[Path],
    *,
    paper: str | None,
    output: Literal["table", "json", "markdown"],
    emotions: bool,
) -> int:
    """Print every published system with the runs of it.

    Args:
        places: run directories, and folders of them.
        paper: key of the one paper to show.
        output: the format.
        emotions: show figures of single emotions too; JSON always has them.

    Returns:
        0, or 1 where a run could not be read.

    Raises:
        EvocaError: no such paper or folder.
    """
    papers = list(load_papers().values()) if paper is None else [load_paper(paper)]
    runs, failed = _read(places or ([DEFAULT_FOLDER] if DEFAULT_FOLDER.is_dir() else []))
    from evoca.lab.experiments.results import PackagedRecipes

    packaged = PackagedRecipes()
    rows = put_beside(runs, papers, packaged)
    others = [run for run in runs if paper_of_system(published_by(run, packaged)) is None]
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
        return failed
    blocks = glance(runs, papers, packaged)
    blocks += comparison_document(rows, emotions=emotions, details=paper is not None)
    if others:
        names = ", ".join(f"{run.name} ({recipe_name(run) or 'no recipe'})" for run in others)
        blocks.append(Paragraph(f"Runs of recipes that no paper describes: {names}."))
    if output == "markdown":
        print(to_markdown(blocks), end="")
    else:
        print_document(blocks, console_for())
    return failed


def only_with_data(**given: object) -> None:
    """Refuse options that say how to run, where nothing is to be run.

    Raises:
        EvocaError: one was given.
    """
    if named := [name for name, value in given.items() if value is not None]:
        raise EvocaError(f"--{named[0]}: says how to run, and --data is not there to run on")


def run_first(wanted: Wanted, places: Sequence[Path]) -> int:
    """Make the runs that are missing.

    Args:
        wanted: what to run.
        places: the one folder they go to; ``./runs`` if empty.

    Returns:
        0, or 1 where a recipe could not be run.

    Raises:
        EvocaError: several folders, or what is wanted is not to be had.
    """
    from evoca.commands.run_recipes import run_recipes

    if len(places) > 1:
        raise EvocaError(f"{places[1]}: with --data, name one folder for all runs")
    return run_recipes(wanted, places[0] if places else DEFAULT_FOLDER)


def _read(places: Sequence[Path]) -> tuple[list[Run], int]:
    """Open the runs; one that is damaged is named and does not cost the others."""
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
