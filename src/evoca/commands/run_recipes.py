"""The running half of ``evoca reproduce``: every recipe cross-validated, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from evoca.commands.training import Machine, display
from evoca.errors import EvocaError, needs_extra
from evoca.terminal import say

if TYPE_CHECKING:
    from evoca.lab import RunOptions

__all__ = ["Wanted", "run_recipes"]


@dataclass(frozen=True)
class Wanted:
    """What to run.

    Attributes:
        data: a manifest, or a folder of class folders.
        recipes: patterns of names; all recipes if empty.
        profile: name or file of a profile; the papers' own settings if ``None``.
        folds: of each cross-validation.
        settings: of every recipe, such as ``protocol.seed=1``.
        machine: where and how.
    """

    data: Path
    recipes: Sequence[str]
    profile: str | None
    folds: int
    settings: Sequence[str]
    machine: Machine


def run_recipes(wanted: Wanted, runs: Path) -> int:
    """Cross-validate every recipe into a folder of its name; go on where it was left.

    A recipe that cannot be run here, because its weights are not to be had or its data
    lack something, costs one line and not the others.

    Args:
        wanted: what to run.
        runs: the folder of runs. What is finished in it stays; what is not is gone on
            with, by fold, step and batch.

    Returns:
        0, or 1 where a recipe could not be run.

    Raises:
        EvocaError: no such data, or no recipe of such a name.
        KeyboardInterrupt: stopped on request, after saving.
    """
    with needs_extra("train"):
        from evoca import lab
        from evoca.data.manifest.labelled import load_labelled
        from evoca.lab.experiments.run import finished_run, unused_options
    settings = [f"protocol.folds={wanted.folds}", *wanted.settings]
    names = _names(wanted.recipes)
    data = load_labelled(wanted.data)
    data = replace(data, recorded_hashes=data.file_hashes())  # once, not by every recipe
    failed = 0
    for number, name in enumerate(names, start=1):
        out = runs / name
        try:
            recipe = lab.load_recipe(name, settings, wanted.profile)
            done = finished_run(out) is not None
            say(f"{name} ({number} of {len(names)}){': finished already' if done else ''}")
            with display(wanted.machine) as options:
                if unused := unused_options(recipe, options):
                    options = _on_the_cpu(options)
                if unused and not done:
                    say(f"{name}: without steps: on the CPU, in full precision, without {unused}")
                lab.cross_validate(recipe, data, out, options=options, resume=True)
        except EvocaError as error:
            failed = 1
            say(f"left out: {name}: {error}")
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
            raise EvocaError(f"--recipe {pattern}: no such recipe; known: {', '.join(known)}")
    chosen = patterns or ["*"]
    return [name for name in known if any(fnmatchcase(name, pattern) for pattern in chosen)]
