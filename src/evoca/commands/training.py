"""``evoca train``, ``crossval`` and ``search``. Needs the extra ``train``."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evoca.commands.figures import print_calibration, print_figures, print_per_emotion, print_sets
from evoca.commands.machine import Machine
from evoca.commands.trials_table import trials_table
from evoca.documents import print_document
from evoca.errors import EvocaError, needs_extra
from evoca.terminal import clean, console_for

if TYPE_CHECKING:
    from evoca.lab import RunOptions
    from evoca.lab.config.recipe import Recipe
    from evoca.runs.result import Result

__all__ = ["Machine", "crossval", "display", "search", "train"]


def train(
    recipe: str,
    data: Path,
    out: Path,
    settings: Sequence[str],
    data_name: str | None,
    *,
    machine: Machine,
    resume: bool,
    profile: str | None = None,
    without_copies: bool = False,
) -> None:
    """Train and print the scores."""
    with needs_extra("train"):
        from evoca import lab
        from evoca.lab.experiments.run import finished_run
    chosen = lab.load_recipe(recipe, settings, profile)
    finished = resume and finished_run(out) is not None
    with display(machine) as options:
        found = lab.train(
            chosen,
            data,
            out,
            options=options,
            resume=resume,
            data_name=data_name,
            without_copies=without_copies,
        )
    if found is None:
        return
    if finished:
        _say_finished(out, found)
    _print(chosen, found, "table")
    if not finished:
        console_for("stderr").print(f"wrote {out}", soft_wrap=True)


def crossval(
    recipe: str,
    data: Path,
    *,
    folds: int,
    repeats: int,
    seed: int,
    output: Literal["table", "json"],
    out: Path | None,
    settings: Sequence[str],
    machine: Machine,
    resume: bool,
    profile: str | None = None,
) -> None:
    """Cross-validate and print the scores."""
    with needs_extra("train"):
        from evoca import lab
        from evoca.lab.experiments.run import finished_run
    own = [f"protocol.folds={folds}", f"protocol.repeats={repeats}", f"protocol.seed={seed}"]
    chosen = lab.load_recipe(recipe, [*own, *settings], profile)
    if resume and out is None:
        raise EvocaError("--resume: goes on with a run directory: name it with --out")
    finished = resume and out is not None and finished_run(out) is not None
    with display(machine) as options:
        found = lab.cross_validate(chosen, data, out, options=options, resume=resume)
    if finished and out is not None:
        _say_finished(out, found)
    _print(chosen, found, output)


def search(
    recipe: str,
    data: Path,
    out: Path,
    settings: Sequence[str],
    *,
    space: Path | None,
    trials: int,
    folds: int | None,
    machine: Machine,
    resume: bool,
    profile: str | None = None,
) -> None:
    """Search settings on validation images; with folds, measure the search as a whole."""
    with needs_extra("train"):
        from evoca import lab
        from evoca.data.manifest.labelled import load_labelled
        from evoca.lab.config.recipe import load_recipe
        from evoca.lab.config.search import read_space
        from evoca.lab.experiments.run import build
        from evoca.lab.experiments.search import Searcher
    own = [*settings] if folds is None else [f"protocol.folds={folds}", *settings]
    chosen = load_recipe(recipe, own, profile)
    wanted = chosen.search if space is None else read_space(space)
    if wanted is None:
        raise EvocaError(f"{recipe}: names nothing to search: give a file with --space")
    if not chosen.steps:
        raise EvocaError(f"{recipe}: has no steps to train; its inner folds choose already")
    if chosen.head is not None:
        raise EvocaError(
            f"{recipe}: a search judges its steps, not the machine after them: search with "
            "--set head=null, or evoca sweep a cross-validation"
        )
    labelled = load_labelled(data)
    with display(machine) as options:
        searcher = Searcher(
            lambda tried: load_recipe(recipe, [*own, *tried], profile),
            wanted,
            build,
            options,
            trials,
        )
        if folds is not None:
            result = lab.cross_validate(
                chosen, labelled, out, options=options, resume=resume, tune=searcher.tune
            )
            _print(chosen, result, "table")
            return
        found = searcher.search(labelled, out, resume=resume)
    print_document([trials_table(found.trials, wanted.metric)], console_for())
    console_for("stderr").print(f"wrote {out / 'best.yaml'}, a recipe", soft_wrap=True)


@contextmanager
def display(machine: Machine) -> Iterator[RunOptions]:
    """Show the work: bars on a terminal, a line a part elsewhere; one line an epoch."""
    with needs_extra("train"):
        from evoca.lab.features.cache import cache_folder
        from evoca.lab.training import RunOptions
    content = asdict(machine) | {"cache": cache_folder() if machine.cache else None}
    if not sys.stderr.isatty():

        def announce(name: str, total: int) -> Callable[[int], None]:
            print(f"{name} ({total})", file=sys.stderr, flush=True)
            return lambda _: None

        def say(line: str) -> None:
            print(clean(line), file=sys.stderr, flush=True)

        with _told(say):
            yield RunOptions(**content, announce=announce, say=say)
        return
    from rich.progress import Progress

    with Progress(console=console_for("stderr")) as progress:

        def begin(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=total)
            return lambda amount: progress.advance(task, amount)

        def print_above(line: str) -> None:
            progress.console.print(clean(line))

        with _told(print_above):
            yield RunOptions(**content, announce=begin, say=print_above)


class _Shown(logging.Handler):
    """Shows what is logged as lines."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(f"evoca: {record.getMessage()}")


@contextmanager
def _told(say: Callable[[str], None]) -> Iterator[None]:
    """Show what the lab logs of hubs, since a download or a silent hub takes its time."""
    logger, shown = logging.getLogger("evoca.hub"), _Shown(say)
    before = logger.level
    logger.addHandler(shown)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(shown)
        logger.setLevel(before)


def _say_finished(out: Path, result: Result) -> None:
    """Say that a resumed command found a complete run, and what was said of it."""
    console = console_for("stderr")
    console.print(f"{out}: finished already", soft_wrap=True)
    for note in result.notes:
        console.print(clean(f"evoca: {note}"), soft_wrap=True, markup=False)


def _print(recipe: Recipe, result: Result, output: str) -> None:
    figures = result.to_dict()
    if output == "json":
        print(json.dumps(figures, allow_nan=False))
        return
    console = console_for()
    console.print(f"{recipe.name}: {result.report.n} images", style="bold", soft_wrap=True)
    print_figures(figures, console)
    print_sets(result.sets, result.conditional, console)
    coverage = {} if result.sets is None else result.sets.by_emotion
    print_per_emotion(result.report, coverage, console)
    if chosen := _chosen_c(result):
        console.print(chosen, soft_wrap=True)
    if result.calibration is not None:
        print_calibration(result.calibration, console)


def _chosen_c(result: Result) -> str:
    """Say which C was chosen for the head, and by how many folds; empty where none was."""
    own = (result.chosen or {}).get("c")
    counts = Counter(fold["c"] for fold in result.chosen_in_folds if "c" in fold)
    parts = [] if own is None else [f"{own:g} for the model that was kept"]
    parts += [f"{c:g} in {n} of {counts.total()} folds" for c, n in counts.most_common()]
    return f"C of the head, chosen: {', '.join(parts)}" if parts else ""
