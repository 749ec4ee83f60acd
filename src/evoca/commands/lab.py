"""``evoca recipes``; ``train``, ``crossval`` and ``export``, which need the extra ``train``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evoca.commands.figures import print_calibration, print_figures, print_per_emotion, print_sets
from evoca.commands.progress import steps
from evoca.errors import needs_extra
from evoca.terminal import console_for, say

if TYPE_CHECKING:
    from evoca.lab.recipe import Recipe
    from evoca.lab.train import Measured

__all__ = ["crossval", "export", "list_recipes", "show_recipe", "train"]


def list_recipes() -> None:
    """Print a line for each recipe."""
    from evoca.lab.recipe import load_recipe, recipe_names

    console = console_for()
    for name in recipe_names():
        console.print(name, style="bold")
        console.print(f"  {load_recipe(name).summary}", soft_wrap=True)


def show_recipe(name: str) -> None:
    """Print a recipe with every setting, as YAML."""
    import yaml

    from evoca.lab.recipe import load_recipe

    content = load_recipe(name).model_dump(mode="json")
    print(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), end="")


def train(
    recipe: str, data: Path, out: Path, settings: Sequence[str], data_name: str | None
) -> None:
    """Train and print the figures."""
    with needs_extra("train"):
        from evoca.data.labelled import load_labelled
        from evoca.lab.recipe import load_recipe
        from evoca.lab.train import train as run
    chosen = load_recipe(recipe, settings)
    with steps() as step:
        measured = run(chosen, load_labelled(data), out, step, data_name=data_name)
    _say_notes(measured)
    _print_figures(chosen, measured)
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
) -> None:
    """Cross-validate and print the figures."""
    with needs_extra("train"):
        from evoca.data.labelled import load_labelled
        from evoca.lab.recipe import load_recipe
        from evoca.lab.train import measure, write_run
        from evoca.runs import new_run
    own = [f"protocol.folds={folds}", f"protocol.repeats={repeats}", f"protocol.seed={seed}"]
    chosen = load_recipe(recipe, [*own, *settings])
    labelled = load_labelled(data)
    with steps() as step:
        if out is None:
            measured = measure(chosen, labelled, step)
        else:
            with new_run(out) as folder:
                measured = measure(chosen, labelled, step)
                write_run(folder, chosen, measured)
    _say_notes(measured)
    if output == "json":
        print(json.dumps(measured.figures(), allow_nan=False))
    else:
        _print_figures(chosen, measured)


def export(run: Path, out: Path) -> None:
    """Export a run and say where the bundle is."""
    with needs_extra("train"):
        from evoca.lab.export import export_bundle
    bundle = export_bundle(run, out)
    size = sum(file.stat().st_size for file in bundle.path.iterdir())
    console_for().print(f"{bundle.path}: {bundle.card.name}, {size / 1e6:.1f} MB", soft_wrap=True)


def _print_figures(recipe: Recipe, measured: Measured) -> None:
    console = console_for()
    figures = measured.figures()
    protocol = recipe.protocol
    console.print(
        f"{recipe.name}: {figures['n']} images, {protocol.repeats} x {protocol.folds}-fold "
        "nested cross-validation",
        style="bold",
        soft_wrap=True,
    )
    print_figures(figures, console)
    print_calibration(measured.calibration, console)
    print_sets(measured.sets, measured.conditional, console)
    print_per_emotion(measured.report, measured.sets.by_emotion, console)


def _say_notes(measured: Measured) -> None:
    for note in measured.prepared.notes:
        say(f"evoca: {note}")
