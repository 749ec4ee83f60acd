"""Many recipes cross-validated on the same images, each into a run directory of its name.

It goes on where it stopped: finished runs are read, others are gone on with by fold, step and
batch. A recipe that cannot be run here, because its weights are not to be had or its data lack
something, does not stop the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.errors import EvocaError, OptionError, typed_options
from evoca.lab.config.base import as_settings
from evoca.lab.config.recipe import load_recipe, named_recipes
from evoca.lab.experiments.run import cross_validate, unused_options
from evoca.lab.training.machine import RunOptions
from evoca.runs import finished_run

__all__ = ["cross_validate_recipes"]


def cross_validate_recipes(
    data: LabelledImages | str | Path,
    runs: str | Path,
    recipes: str | Sequence[str] = (),
    *,
    settings: str | Sequence[str] = (),
    profile: str | Path | None = None,
    options: RunOptions | None = None,
) -> dict[str, EvocaError]:
    """Return the recipes that could not be run, each with its error; all others have a run.

    An example that runs stands in ``docs/recipes.md`` under "Searching settings".

    Args:
        data: a manifest, a folder of class folders, or labelled images.
        runs: the folder of runs; each is named as its recipe.
        recipes: packaged recipes by name, where ``*`` stands for any text; all if empty.
        settings: ``KEY=VALUE`` of every recipe, one or several, such as ``protocol.folds=5``.
        profile: packaged changes for a smaller machine.
        options: where and how to run. Those of accelerators are left out, with a line, for
            recipes without steps, which run on the CPU.

    Raises:
        EvocaError: no recipe has such a name.
        DataError: the data cannot be read.
        KeyboardInterrupt: stopped on request, after saving.
    """
    options = options or RunOptions()
    names, given = named_recipes(recipes), as_settings(settings)
    images = load_labelled(data) if isinstance(data, str | Path) else data
    images = replace(images, recorded_hashes=images.file_hashes())  # once, not by every recipe
    failed = {}
    for number, name in enumerate(names, start=1):
        out = Path(runs) / name
        which = f"evoca: {name} ({number} of {len(names)})"
        try:
            recipe = load_recipe(name, given, profile)
            done = finished_run(out) is not None
            if not done:
                options.say(which)
            own = options
            if unused := unused_options(recipe, options):
                own = _on_the_cpu(options)
            if unused and not done:
                without = typed_options(unused)
                options.say(
                    f"evoca: {name}: without steps: on the CPU, in full precision, without "
                    f"{without}"
                )
            cross_validate(recipe, images, out, options=own, resume=True)
            if done:  # and of these images, or it would have been refused
                options.say(f"{which}: finished already")
        except EvocaError as error:
            failed[name] = error
            cause = error.typed if isinstance(error, OptionError) else str(error)
            options.say(f"evoca: left out: {name}: {cause}")
    return failed


def _on_the_cpu(options: RunOptions) -> RunOptions:
    """Return the options without those of accelerators and of several machines."""
    plain = RunOptions()
    names = ("accelerator", "devices", "nodes", "strategy", "precision")
    return replace(options, **{name: getattr(plain, name) for name in names})
