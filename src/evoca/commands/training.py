"""The progress of a training, and its result."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoca.commands.figures import (
    print_by_source,
    print_calibration,
    print_figures,
    print_per_emotion,
    print_sets,
)
from evoca.commands.progress import announcing_lines
from evoca.commands.terminal import clean, console_for
from evoca.errors import needs_extra
from evoca.words import counted

if TYPE_CHECKING:
    from evoca.lab import RunOptions
    from evoca.lab.config.recipe import Recipe
    from evoca.runs.result import Result

__all__ = ["display", "print_result", "say_finished"]


@contextmanager
def display(*, cache: bool = True, **machine: Any) -> Iterator[RunOptions]:
    """Show the work: bars on a terminal, one line per part elsewhere, one line per epoch.

    Args:
        cache: store what frozen layers compute, for all runs.
        machine: the other settings of :class:`evoca.lab.RunOptions` that a command takes.
    """
    with needs_extra("train"):
        from evoca.lab.features.cache import cache_folder
        from evoca.lab.training.machine import RunOptions
    folder = cache_folder() if cache else None
    with announcing_lines() as (announce, say), _showing_hub_logs(say):
        yield RunOptions(**machine, cache=folder, announce=announce, say=say)


class _Shown(logging.Handler):
    """Shows what is logged as lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(f"evoca: {record.getMessage()}")


@contextmanager
def _showing_hub_logs(say: Callable[[str], None]) -> Iterator[None]:
    """Show what the lab logs of hubs, since a download or an unreachable hub takes long."""
    logger, shown = logging.getLogger("evoca.hub"), _Shown(say)
    before = logger.level
    logger.addHandler(shown)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(shown)
        logger.setLevel(before)


def say_finished(out: Path, result: Result) -> None:
    """Print that a resumed command found a complete run, and the run's notes."""
    console = console_for("stderr")
    console.print(f"{out}: finished already", soft_wrap=True)
    for note in result.notes:
        console.print(clean(f"evoca: {note}"), soft_wrap=True, markup=False)


def print_result(recipe: Recipe, result: Result, output: str) -> None:
    """Print what a recipe scored, as tables or as JSON."""
    figures = result.to_dict()
    if output == "json":
        print(json.dumps(figures, allow_nan=False))
        return
    console = console_for()
    console.print(
        f"{recipe.name}: {counted(result.report.n, 'image')}", style="bold", soft_wrap=True
    )
    print_figures(figures, console)
    print_sets(result.sets, result.conditional, console)
    coverage = {} if result.sets is None else result.sets.by_emotion
    print_per_emotion(result.report, coverage, console)
    if chosen := _chosen_c(result):
        console.print(chosen, soft_wrap=True)
    if result.calibration is not None:
        print_calibration(result.calibration, console)
    print_by_source(result.by_source, console)


def _chosen_c(result: Result) -> str:
    """Return which C was chosen for the head, and by how many folds; empty where none was."""
    own = (result.chosen or {}).get("c")
    counts = Counter(fold["c"] for fold in result.chosen_in_folds if "c" in fold)
    parts = [] if own is None else [f"{own:g} for the model that was kept"]
    parts += [f"{c:g} in {n} of {counted(counts.total(), 'fold')}" for c, n in counts.most_common()]
    return f"C of the head, chosen: {', '.join(parts)}" if parts else ""
