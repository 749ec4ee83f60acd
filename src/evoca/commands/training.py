"""``evoca train``, ``crossval`` and ``search``. Needs the extra ``train``."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evoca.commands.figures import print_calibration, print_figures, print_per_emotion, print_sets
from evoca.commands.machine import Machine, require_meant
from evoca.commands.trials_table import trials_table
from evoca.documents import print_document
from evoca.errors import EvocaError, needs_extra
from evoca.evaluation import Report
from evoca.evaluation.calibration_check import CalibrationCheck
from evoca.evaluation.set_figures import SetFigures
from evoca.terminal import clean, console_for

if TYPE_CHECKING:
    from evoca.data.labelled import LabelledImages
    from evoca.lab.fitting import RunOptions
    from evoca.lab.freezing import System
    from evoca.lab.outcome import Outcome
    from evoca.lab.recipe import Recipe
    from evoca.lab.train import Measured

__all__ = ["Machine", "cross_validated", "crossval", "display", "require_same", "search", "train"]


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
    """Train and print the figures."""
    with needs_extra("train"):
        from evoca.data.labelled import load_labelled
        from evoca.lab.recipe import load_recipe
    chosen = load_recipe(recipe, settings, profile)
    require_meant(chosen, machine)
    if resume and (out / "run.json").is_file():
        _require_same_copies(out, without_copies=without_copies)
        _print_finished(chosen, load_labelled(data), out, "training")
        return
    with display(machine) as options:
        found = _trained(
            chosen,
            load_labelled(data),
            out,
            data_name,
            options,
            resume=resume,
            without_copies=without_copies,
        )
    if found is not None:
        _print(chosen, found.figures(), "table")
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
    """Cross-validate and print the figures."""
    with needs_extra("train"):
        from evoca.data.labelled import load_labelled
        from evoca.lab.recipe import load_recipe
    own = [f"protocol.folds={folds}", f"protocol.repeats={repeats}", f"protocol.seed={seed}"]
    chosen = load_recipe(recipe, [*own, *settings], profile)
    require_meant(chosen, machine)
    if resume and out is None:
        raise EvocaError("--resume: goes on with a run directory: name it with --out")
    if resume and out is not None and (out / "run.json").is_file():
        _print_finished(chosen, load_labelled(data), out, "cross-validation", output)
        return
    with display(machine) as options:
        found = cross_validated(chosen, load_labelled(data), out, options, resume=resume)
    _print(chosen, found.figures(), output)


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
        from evoca.data.labelled import load_labelled
        from evoca.lab.recipe import load_recipe
        from evoca.lab.search import Searcher
        from evoca.lab.search_space import read_space
        from evoca.lab.stepwise import crossval_steps
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
            outcome = crossval_steps(
                chosen, build, labelled, out, options, resume=resume, tune=searcher.tune
            )
            _print(chosen, outcome.figures(), "table")
            return
        found = searcher.search(labelled, out, resume=resume)
    print_document([trials_table(found.trials, wanted.metric)], console_for())
    console_for("stderr").print(f"wrote {out / 'best.yaml'}, a recipe", soft_wrap=True)


def build(recipe: Recipe, labels: Sequence[str], seed: int) -> System:
    """Build a recipe's system with the pretrained weights it names."""
    with needs_extra("train"):
        from evoca.lab.systems import build_system
    return build_system(recipe, labels, seed=seed)


def _trained(
    recipe: Recipe,
    data: LabelledImages,
    out: Path,
    data_name: str | None,
    options: RunOptions,
    *,
    resume: bool,
    without_copies: bool,
) -> Outcome | None:
    """Return what was found; ``None`` in all but the first of several processes."""
    with needs_extra("train"):
        if not recipe.steps:
            from evoca.lab.train import train as fit_head

            return fit_head(
                recipe,
                data,
                out,
                options.announce,
                say=options.say,
                data_name=data_name,
                cache=options.cache,
                workers=options.workers,
                without_copies=without_copies,
            ).outcome
        from evoca.lab.stepwise import train_steps
    return train_steps(
        recipe,
        build,
        data,
        out,
        options,
        resume=resume,
        data_name=data_name,
        without_copies=without_copies,
    )


def cross_validated(
    recipe: Recipe, data: LabelledImages, out: Path | None, options: RunOptions, *, resume: bool
) -> Outcome:
    """Cross-validate a recipe of any kind, and write the run where ``out`` is given."""
    with needs_extra("train"):
        if recipe.steps:
            from evoca.lab.stepwise import crossval_steps

            return crossval_steps(recipe, build, data, out, options, resume=resume)
        from evoca.lab.train import measure, write_run
        from evoca.runs import new_run

    def measured() -> Measured:
        return measure(
            recipe,
            data,
            options.announce,
            say=options.say,
            cache=options.cache,
            workers=options.workers,
        )

    if out is None:
        return measured().outcome
    with new_run(out) as folder:
        found = measured()
        write_run(folder, recipe, found)
    return found.outcome


@contextmanager
def display(machine: Machine) -> Iterator[RunOptions]:
    """Show the work: bars on a terminal, a line a part elsewhere; one line an epoch."""
    with needs_extra("train"):
        from evoca.lab.feature_store import cache_folder
        from evoca.lab.fitting import RunOptions
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


def require_same(
    recipe: Recipe, data: LabelledImages, out: Path, kind: str = "cross-validation"
) -> None:
    """Refuse a finished run of something else than what is asked for now.

    Raises:
        EvocaError: it is of another kind, recipe or settings, or of other images, splits or
            groups.
    """
    from evoca.lab.finished import difference
    from evoca.runs import read_json

    if other := difference(read_json(out / "run.json"), recipe, data, kind):
        raise EvocaError(f"{out}: a finished run of {other}; name another folder")


def _require_same_copies(out: Path, *, without_copies: bool) -> None:
    """Refuse a finished run whose copies were measured otherwise than is asked for now."""
    from evoca.runs import read_json

    about = read_json(out / "run.json").get("split", {})
    if "train" in about and bool(about.get("without_copies")) != without_copies:
        how = "without" if about.get("without_copies") else "with"
        raise EvocaError(f"{out}: a finished run measured {how} copies; name another folder")


def _print_finished(
    recipe: Recipe, data: LabelledImages, out: Path, kind: str, output: str = "table"
) -> None:
    """Print the figures of a run that a resumed command finds complete."""
    from evoca.runs import read_json

    require_same(recipe, data, out, kind)
    console, figures = console_for("stderr"), read_json(out / "metrics.json")
    console.print(f"{out}: finished already", soft_wrap=True)
    for note in figures.get("notes", ()):
        console.print(clean(f"evoca: {note}"), soft_wrap=True, markup=False)
    _print(recipe, figures, output)


def _print(recipe: Recipe, figures: Mapping[str, Any], output: str) -> None:
    if output == "json":
        print(json.dumps(figures, allow_nan=False))
        return
    console = console_for()
    console.print(f"{recipe.name}: {figures['n']} images", style="bold", soft_wrap=True)
    print_figures(figures, console)
    stored = figures.get("prediction_sets", {})
    sets, conditional = (
        SetFigures.from_dict(stored[kind]) if kind in stored else None
        for kind in ("model", "class_conditional")
    )
    print_sets(sets, conditional, console)
    print_per_emotion(Report.from_dict(figures), {} if sets is None else sets.by_emotion, console)
    if chosen := _chosen_c(figures):
        console.print(chosen, soft_wrap=True)
    if "calibration" in figures:
        print_calibration(CalibrationCheck.from_dict(figures["calibration"]), console)


def _chosen_c(figures: Mapping[str, Any]) -> str:
    """Say which C was chosen for the head, and by how many folds; empty where none was."""
    own = figures.get("chosen", {}).get("c")
    counts = Counter(fold["c"] for fold in figures.get("chosen_in_folds", ()) if "c" in fold)
    parts = [] if own is None else [f"{own:g} for the model that was kept"]
    parts += [f"{c:g} in {n} of {counts.total()} folds" for c, n in counts.most_common()]
    return f"C of the head, chosen: {', '.join(parts)}" if parts else ""
