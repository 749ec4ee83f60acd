"""``evoca evaluate``: a model or a table of predictions, judged on labelled images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from rich.console import Console

from evoca.commands.figures import print_calibration, print_figures, print_per_emotion, print_sets
from evoca.commands.progress import steps
from evoca.data.manifest.labelled import load_labelled
from evoca.evaluation import Evaluation, Options, evaluate_system, open_system, write_evaluation
from evoca.runs import new_run
from evoca.terminal import clean, console_for, say

__all__ = ["evaluate"]


def evaluate(
    model: str,
    data: Path,
    options: Options,
    *,
    output: Literal["table", "json"],
    out: Path | None,
) -> int:
    """Evaluate and print; return the exit status (1 where an image could not be read)."""
    system = open_system(model)
    images = load_labelled(data, require_files=False)
    with steps() as step:
        if out is None:
            trial = evaluate_system(system, images, options, step("evaluating", len(images)))
        else:
            with new_run(out) as folder:
                trial = evaluate_system(system, images, options, step("evaluating", len(images)))
                write_evaluation(folder, trial)
    for error in trial.unreadable:
        say(f"evoca: {error}")
    for note in trial.result.notes:
        say(f"evoca: {note}")
    if output == "json":
        print(json.dumps(trial.result.to_dict(), allow_nan=False))
    else:
        _print(trial, console_for())
    return int(bool(trial.unreadable))


def _print(trial: Evaluation, console: Console) -> None:
    console.print(clean(str(trial.description["protocol"])), style="bold")
    print_figures(trial.result.to_dict(), console)
    result = trial.result
    if result.calibration is not None:
        print_calibration(result.calibration, console)
    print_sets(result.sets, result.conditional, console)
    coverage = {} if result.sets is None else result.sets.by_emotion
    print_per_emotion(result.report, coverage, console)
