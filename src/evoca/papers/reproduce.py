"""Runs beside the papers they follow."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from evoca.metrics.result import Figure
from evoca.papers.changes import changes_of
from evoca.papers.differences import Difference, differences
from evoca.papers.load import paper_of_system
from evoca.papers.published_figures import Target, fitting, targets_of
from evoca.papers.recipes import Packaged, is_whole, published_by, recipe_name, recorded_recipe
from evoca.papers.run_facts import RunFacts, facts_of, minutes_of, training_images
from evoca.papers.schema import Paper, PublishedSystem
from evoca.runs import Run

__all__ = ["Attempt", "Pair", "Reproduction", "SystemRow", "reproduce"]


@dataclass(frozen=True)
class Pair:
    """A published figure beside ours.

    Attributes:
        target: what was published.
        measured: ours, with its interval; ``None`` where the run does not have it.
        learnt_from: whether it is of images that the system learnt from. Such a figure is not
            compared with a published one.
        missing: why ``measured`` is ``None``, in words.
        chosen_c: each C that was chosen in our run, where the figure is at one C.
    """

    target: Target
    measured: Figure | None
    learnt_from: bool = False
    missing: str = "not measured"
    chosen_c: tuple[float, ...] = ()

    @property
    def inside(self) -> bool | None:
        """Whether the published figure lies in our 95% interval; ``None`` without one."""
        if self.measured is None or self.learnt_from or not math.isfinite(self.measured.ci95[0]):
            return None
        low, high = self.measured.ci95
        return low <= self.target.value <= high


@dataclass(frozen=True)
class Attempt:
    """A run of a published system.

    Attributes:
        run: name of the run directory.
        recipe: name of its recipe.
        variant_of: the system whose published figures it is compared with, where that is
            another than its recipe's own; ``None`` otherwise.
        facts: how it was made.
        differs: differences from the paper, or from the packaged recipe.
        pairs: its figures beside the published ones.
        notes: what else a reader must know about the run.
    """

    run: str
    recipe: str
    variant_of: str | None
    facts: RunFacts
    differs: tuple[Difference, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()

    @property
    def like_with_like(self) -> bool:
        """Whether no known difference makes the two figures incomparable."""
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


@dataclass(frozen=True)
class Reproduction:
    """Runs beside what papers published.

    Attributes:
        runs: all that were compared, and ``others``.
        rows: every system of the papers, with its runs.
        others: the runs whose recipe no paper describes.
    """

    runs: tuple[Run, ...]
    rows: tuple[SystemRow, ...]
    others: tuple[Run, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``reproduce --format json`` prints."""
        return {
            "systems": [row.to_dict() for row in self.rows],
            "other_runs": [
                {
                    "run": run.name,
                    "recipe": recipe_name(run),
                    "training_images": training_images(run),
                }
                for run in self.others
            ],
        }


def reproduce(
    runs: Sequence[Run],
    papers: Iterable[Paper],
    packaged: Packaged | None = None,
    recipes: Collection[str] = (),
) -> Reproduction:
    """Return every run beside the published figures of its recipe.

    Args:
        runs: run directories.
        papers: the papers to list, every system of each.
        packaged: the recipes to compare the runs' own with; not compared if omitted.
        recipes: keep the runs of these recipes alone, and the systems that they follow; for it
            ``packaged`` is needed. All are kept if empty.

    Raises:
        EvocaError: the figures of a run cannot be read.
    """
    kept = [run for run in runs if not recipes or recipe_name(run) in recipes]
    rows = _rows(kept, papers, packaged)
    if recipes and packaged is not None:
        systems = {(packaged.recipe(name) or {}).get("published") for name in recipes}
        rows = tuple(row for row in rows if row.system.name in systems)
    others = [run for run in kept if paper_of_system(published_by(run, packaged)) is None]
    return Reproduction(tuple(kept), rows, tuple(others))


def _rows(
    runs: Sequence[Run], papers: Iterable[Paper], packaged: Packaged | None
) -> tuple[SystemRow, ...]:
    of: dict[str, list[Run]] = {}
    for run in runs:
        of.setdefault(published_by(run, packaged), []).append(run)
    return tuple(
        _row(paper, system, of.get(system.name, ()), packaged)
        for paper in papers
        for system in paper.systems
    )


def _row(
    paper: Paper, system: PublishedSystem, runs: Iterable[Run], packaged: Packaged | None
) -> SystemRow:
    targets = targets_of(paper, system)
    attempts = tuple(_attempt(run, paper, system, targets, packaged) for run in runs)
    return SystemRow(paper, system, targets, attempts)


def _attempt(
    run: Run,
    paper: Paper,
    system: PublishedSystem,
    targets: tuple[Target, ...],
    packaged: Packaged | None,
) -> Attempt:
    facts = facts_of(run)
    name = recipe_name(run)
    meant = fitting(targets, name, facts.settings)
    main = next((target for target in meant if target.is_score), None)
    data = paper.data_of(main.data) if main is not None else next(iter(paper.data), None)
    # A row that the paper prints for this recipe is of this system.
    base = name if any(name in target.recipes for target in meant) else system.name
    # A figure that names its recipes was measured at their settings.
    swept = {key for target in meant if not target.recipes for key, _ in target.setting}
    changed, unknown = _changes(run, base, swept, packaged)
    against_paper = differences(facts, system, data, None if main is None else main.part)
    known = {(difference.what, difference.here) for difference in against_paper}
    timed = any(not target.is_score for target in meant)
    return Attempt(
        run=run.name,
        recipe=name,
        variant_of=None if name == base else system.name,
        facts=facts,
        differs=(*against_paper, *(one for one in changed if (one.what, one.here) not in known)),
        pairs=tuple(_beside(run, target, facts) for target in meant),
        notes=tuple(note for note in (unknown, _of_minutes(run) if timed else None) if note),
    )


def _changes(
    run: Run, base: str, swept: set[str], packaged: Packaged | None
) -> tuple[tuple[Difference, ...], str | None]:
    """Return the changes of a run's recipe from the packaged one of its name.

    Returns:
        The differences, and a note where they cannot be compared.
    """
    recorded = recorded_recipe(run)
    if packaged is None or not is_whole(recorded):
        return (), None
    known = packaged.recipe(base)
    if known is None:
        return (), f"no recipe called {base} is in the package to compare its settings with"
    whole = packaged.completed(recorded)
    return changes_of(whole or recorded, known, partly=whole is None, swept=swept), None


def _of_minutes(run: Run) -> str | None:
    minutes = minutes_of(run)
    return None if minutes is None else minutes.in_words()


def _beside(run: Run, target: Target, facts: RunFacts) -> Pair:
    if target.is_score:
        at_c = any(key == "c" for key, _ in target.setting)
        chosen = run.chosen_c if at_c else ()
        return Pair(
            target,
            _measured(run, target),
            facts.evaluated_on_known_images(target.part),
            chosen_c=chosen,
        )
    minutes = minutes_of(run)
    if minutes is None:
        return Pair(target, None)
    if not minutes.whole:  # only minutes of the layers behind the frozen ones
        return Pair(target, None, missing="not of the whole network")
    return Pair(target, Figure(minutes.mean, (math.nan, math.nan)))  # one machine's


def _measured(run: Run, target: Target) -> Figure | None:
    if target.part == "val":
        return run.validation.get(target.metric)
    report = run.report
    if target.emotion is None:
        return report.figures.get(target.metric)
    found = report.per_emotion.get(target.emotion)
    if found is None:
        return None
    return {"precision": found.precision, "recall": found.recall, "f1": found.f1}[target.metric]


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
        "recipe": attempt.recipe,
        "variant_of": attempt.variant_of,
        **attempt.facts.to_dict(),
        "like_with_like": attempt.like_with_like,
        "differs": [
            {"what": d.what, "here": d.here, "there": d.there, "against": d.against}
            for d in attempt.differs
        ],
        "notes": list(attempt.notes),
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
                "learnt_from": pair.learnt_from,
                "missing": None if pair.measured is not None else pair.missing,
            }
            for pair in attempt.pairs
        ],
    }
