"""Runs beside the papers they follow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from evoca.evaluation.result import Figure
from evoca.papers.differences import Difference, differences
from evoca.papers.facts import RunFacts, facts_of, minutes_per_epoch, recipe_of
from evoca.papers.schema import Paper, PublishedSystem
from evoca.papers.targets import Target, fitting, targets_of
from evoca.runs import Run

__all__ = ["Attempt", "Pair", "SystemRow", "reproduce"]


@dataclass(frozen=True)
class Pair:
    """A published figure beside ours.

    Attributes:
        target: what was published.
        measured: ours, with its interval; ``None`` where the run does not have it.
        chosen_c: each C that was chosen for our machine, where the figure is at one C.
    """

    target: Target
    measured: Figure | None
    chosen_c: tuple[float, ...] = ()

    @property
    def inside(self) -> bool | None:
        """Whether the published figure lies in our 95% interval; ``None`` without one."""
        if self.measured is None or not math.isfinite(self.measured.ci95[0]):
            return None
        low, high = self.measured.ci95
        return low <= self.target.value <= high


@dataclass(frozen=True)
class Attempt:
    """A run of a published system.

    Attributes:
        run: name of the run directory.
        facts: how it was made.
        differs: what is not as in the paper.
        pairs: its figures beside the published ones.
    """

    run: str
    facts: RunFacts
    differs: tuple[Difference, ...]
    pairs: tuple[Pair, ...]

    @property
    def like_with_like(self) -> bool:
        """Whether nothing we know of stands between the two figures."""
        return not self.differs


@dataclass(frozen=True)
class SystemRow:
    """A system of a paper and every run of it.

    Attributes:
        paper: where it is from.
        system: what was published about it.
        targets: the figures to reach; empty where none was published.
        attempts: the runs, in the order they were given.
    """

    paper: Paper
    system: PublishedSystem
    targets: tuple[Target, ...]
    attempts: tuple[Attempt, ...]

    @property
    def status(self) -> str:
        """``run``, ``not run yet`` or ``published only``."""
        if self.attempts:
            return "run"
        return self.system.status if self.system.status != "recipe" else "not run yet"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; figures are fractions, times are minutes."""
        return {
            "paper": self.paper.key,
            "system": self.system.name,
            "status": self.status,
            "published": [_target_dict(target) for target in self.targets],
            "runs": [_attempt_dict(attempt) for attempt in self.attempts],
        }


def reproduce(runs: Sequence[Run], papers: Iterable[Paper]) -> tuple[SystemRow, ...]:
    """Put every run beside the published figures of its recipe.

    Args:
        runs: run directories; one whose recipe no paper describes is left out.
        papers: the papers to list, every system of each.

    Raises:
        EvocaError: the figures of a run cannot be read.
    """
    return tuple(
        _row(paper, system, [run for run in runs if recipe_of(run) == system.name])
        for paper in papers
        for system in paper.systems
    )


def _row(paper: Paper, system: PublishedSystem, runs: Iterable[Run]) -> SystemRow:
    targets = targets_of(paper, system)
    return SystemRow(
        paper, system, targets, tuple(_attempt(run, paper, system, targets) for run in runs)
    )


def _attempt(
    run: Run, paper: Paper, system: PublishedSystem, targets: tuple[Target, ...]
) -> Attempt:
    facts = facts_of(run)
    meant = fitting(targets, run.recipe, facts.settings)
    main = next((target for target in meant if target.metric != "minutes_per_epoch"), None)
    data = paper.data_of(main.data) if main is not None else next(iter(paper.data), None)
    return Attempt(
        run=run.name,
        facts=facts,
        differs=differences(facts, system, data),
        pairs=tuple(_pair(run, target) for target in meant),
    )


def _pair(run: Run, target: Target) -> Pair:
    at_c = any(key == "c" for key, _ in target.setting)
    return Pair(target, _measured(run, target), run.chosen_c if at_c else ())


def _measured(run: Run, target: Target) -> Figure | None:
    if target.metric == "minutes_per_epoch":
        return _minutes(run)
    if target.part == "val":
        return run.validation.get(target.metric)
    report = run.report
    if target.emotion is None:
        return report.figures.get(target.metric)
    found = report.per_emotion.get(target.emotion)
    if found is None:
        return None
    return {"precision": found.precision, "recall": found.recall, "f1": found.f1}[target.metric]


def _minutes(run: Run) -> Figure | None:
    """Return the mean over the epochs; one machine's times have no interval."""
    minutes = minutes_per_epoch(run)
    return None if minutes is None else Figure(minutes, (math.nan, math.nan))


def _target_dict(target: Target) -> dict[str, Any]:
    return {
        "metric": target.metric,
        "emotion": target.emotion,
        "setting": dict(target.setting),
        "value": target.value,
        "data": target.data,
        "where": target.where,
        "printed_by": target.printed_by,
        "note": target.note,
        "part": target.part,
        "recipes": list(target.recipes),
        "reading": target.reading,
    }


def _attempt_dict(attempt: Attempt) -> dict[str, Any]:
    return {
        "run": attempt.run,
        **attempt.facts.to_dict(),
        "like_with_like": attempt.like_with_like,
        "differs": [{"what": d.what, "here": d.here, "there": d.there} for d in attempt.differs],
        "figures": [
            {
                "metric": pair.target.metric,
                "emotion": pair.target.emotion,
                "setting": dict(pair.target.setting),
                "part": pair.target.part,
                "reading": pair.target.reading,
                "chosen_c": list(pair.chosen_c),
                "published": pair.target.value,
                "measured": None if pair.measured is None else pair.measured.to_dict(),
                "published_inside_interval": pair.inside,
            }
            for pair in attempt.pairs
        ],
    }
