"""``evoca recipes``, ``train``, ``crossval`` and ``export``. Needs the extra ``train``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evoca.errors import MissingExtraError, needs_extra
from evoca.terminal import console_for, say

if TYPE_CHECKING:
    from evoca.data.labelled import LabelledImages
    from evoca.lab.recipe import Recipe
    from evoca.lab.train import Measured, Step

__all__ = ["crossval", "export", "list_recipes", "show_recipe", "train"]


def list_recipes() -> None:
    """Print a line for each recipe."""
    with needs_extra("train"):
        from evoca.lab.recipe import load_recipe, recipe_names
    console = console_for()
    for name in recipe_names():
        console.print(name, style="bold")
        console.print(f"  {load_recipe(name).summary}", soft_wrap=True)


def show_recipe(name: str) -> None:
    """Print a recipe with every setting, as YAML."""
    with needs_extra("train"):
        import yaml

        from evoca.lab.recipe import load_recipe
    content = load_recipe(name).model_dump(mode="json")
    print(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), end="")


def train(
    recipe: str, data: Path, out: Path, settings: Sequence[str], data_name: str | None
) -> None:
    """Train and print the figures."""
    with needs_extra("train"):
        from evoca.lab.recipe import load_recipe
        from evoca.lab.train import train as run
    chosen = load_recipe(recipe, settings)
    labelled = _grouped(data)
    with _steps() as step:
        measured = run(chosen, labelled, out, step, data_name=data_name)
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
        from evoca.lab.recipe import load_recipe
        from evoca.lab.train import measure, write_run
        from evoca.runs import new_run
    own = [f"protocol.folds={folds}", f"protocol.repeats={repeats}", f"protocol.seed={seed}"]
    chosen = load_recipe(recipe, [*own, *settings])
    labelled = _grouped(data)
    with _steps() as step:
        if out is None:
            measured = measure(chosen, labelled, step)
        else:
            with new_run(out) as folder:
                measured = measure(chosen, labelled, step)
                write_run(folder, chosen, labelled, measured)
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


def _grouped(data: Path) -> LabelledImages:
    """Read labelled images; where no group is given, near-duplicates become one.

    Raises:
        MissingExtraError: imagehash is not installed, so that copies could cross folds.
    """
    from evoca.data.copies import in_words
    from evoca.data.grouping import with_groups
    from evoca.data.labelled import load_labelled

    labelled = load_labelled(data)
    if labelled.has_groups:
        return labelled
    found = with_groups(labelled)
    if not found.near:
        raise MissingExtraError("keeping near-duplicates in one fold", "train", "imagehash")
    say(f"evoca: {in_words(found.images.groups)}")
    return found.images


@contextmanager
def _steps() -> Iterator[Step]:
    """Show the steps of the work: bars on a terminal, a line each elsewhere."""
    if not sys.stderr.isatty():

        def announce(name: str, total: int) -> Callable[[int], None]:
            print(f"{name} ({total})", file=sys.stderr, flush=True)
            return lambda _: None

        yield announce
        return
    from rich.progress import Progress

    with Progress(console=console_for("stderr")) as progress:

        def begin(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=total)
            return lambda amount: progress.advance(task, amount)

        yield begin


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
    for key, figure in figures.items():
        if isinstance(figure, dict) and "ci95" in figure:
            low, high = figure["ci95"]
            console.print(f"  {key:<20}{figure['value']:.4f}  [{low:.4f}, {high:.4f}]")
