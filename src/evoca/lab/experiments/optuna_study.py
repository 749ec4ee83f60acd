"""Optuna's side of a search: the study in its file, what is drawn, what is finished."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from evoca.errors import EvocaError
from evoca.lab.config.search import Choice, Search

__all__ = ["CAUSE", "draw", "finished", "open_study", "possible", "requeue"]

CAUSE = "cause"
"""Attribute of a trial that cannot be trained."""


def open_study(
    out: Path, space: Search, fingerprint: str, division: Mapping[str, str], seed: int
) -> optuna.Study:
    """Return the study of a folder, begun or gone on with.

    Args:
        out: the folder.
        space: what is tried.
        fingerprint: of all that decides the trials; must be that of earlier runs.
        division: of the images by splits and groups; likewise, where earlier runs have it.
        seed: of the sampler.

    Raises:
        EvocaError: the study is another one's.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        storage=f"sqlite:///{(out / 'study.db').absolute()}",
        study_name="evoca",
        direction="minimize" if space.metric == "loss" else "maximize",
        load_if_exists=True,
    )
    known = study.user_attrs.get("fingerprint")
    if known not in {None, fingerprint}:
        raise EvocaError(
            f"{out}: the search of another recipe, other settings or other images: go on "
            "with the same, or start anew elsewhere"
        )
    divided = study.user_attrs.get("division")
    if divided not in {None, json.dumps(division, sort_keys=True)}:
        raise EvocaError(
            f"{out}: the search of the same images under another column split or group: its trials "
            "chose by other images; start anew elsewhere"
        )
    study.set_user_attr("fingerprint", fingerprint)
    study.set_user_attr("division", json.dumps(division, sort_keys=True))
    # A sampler starts its draws anew; the same seed would draw the same settings again.
    seed += len(study.trials)
    study.sampler = TPESampler(seed=seed) if space.sampler == "tpe" else RandomSampler(seed=seed)
    if space.sampler == "grid":
        _enqueue_grid(study, space)
    return study


def _enqueue_grid(study: optuna.Study, space: Search) -> None:
    choices = {
        key: _coded(what) for key, what in space.settings.items() if isinstance(what, Choice)
    }
    for values in itertools.product(*choices.values()):
        study.enqueue_trial(dict(zip(choices, values, strict=True)), skip_if_exists=True)


def _coded(choice: Choice) -> list[str]:
    """Return values as text, since Optuna's choices are plain."""
    return [json.dumps(value) for value in choice.values]


def draw(trial: optuna.Trial, space: Search) -> dict[str, Any]:
    """Return a trial's settings: dotted key to value."""
    drawn: dict[str, Any] = {}
    for key, what in space.settings.items():
        if isinstance(what, Choice):
            drawn[key] = json.loads(str(trial.suggest_categorical(key, _coded(what))))
        elif what.whole:
            drawn[key] = trial.suggest_int(key, round(what.low), round(what.high), log=what.log)
        else:
            drawn[key] = trial.suggest_float(key, what.low, what.high, log=what.log)
    return drawn


def requeue(study: optuna.Study) -> None:
    """Try again what was running when an earlier process ended."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that were trained to the end, or that cannot be trained."""
    return [
        trial
        for trial in study.get_trials()
        if trial.state == TrialState.COMPLETE or CAUSE in trial.user_attrs
    ]


def possible(space: Search) -> float:
    """Return how many trials are possible; infinite unless a grid is searched."""
    if space.sampler != "grid":
        return math.inf
    return math.prod(
        len(what.values) for what in space.settings.values() if isinstance(what, Choice)
    )
