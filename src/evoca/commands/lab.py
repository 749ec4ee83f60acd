"""``evoca recipes``, ``train``, ``crossval`` and ``export``. Needs the extra ``train``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evoca.errors import MissingExtraError
from evoca.terminal import console_for

if TYPE_CHECKING:
    from evoca.lab.recipe import Recipe
    from evoca.lab.train import Measured, Step

__all__ = ["crossval", "export", "list_recipes", "show_recipe", "train"]


@contextmanager
def _lab() -> Iterator[None]:
    """Turn a missing package of the lab into one line that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("evoca"):
            raise
        raise MissingExtraError("this command", "train", _package(error.name)) from error


def _package(module: str | None) -> str:
    """Return what to call a missing module: its distribution's name where that differs."""
    return {"yaml": "pyyaml", "sklearn": "scikit-learn"}.get(module or "", module or "torch")


def list_recipes() -> None:
    """Print a line for each recipe."""
    with _lab():
        from evoca.lab.recipe import load_recipe, recipe_names
    console = console_for()
    for name in recipe_names():
        console.print(name, style="bold")
        console.print(f"  {load_recipe(name).summary}", soft_wrap=True)


def show_recipe(name: str) -> None:
    """Print a recipe with every setting, as YAML."""
    with _lab():
        import yaml

        from evoca.lab.recipe import load_recipe
    content = load_recipe(name).model_dump(mode="json")
    print(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), end="")


def train(
    recipe: str, data: Path, out: Path, settings: Sequence[str], data_name: str | None
) -> None:
    """Train and print the figures."""
    with _lab():
        from evoca.data.labelled import load_labelled
        from evoca.lab.recipe import load_recipe
        from evoca.lab.train import train as run
    chosen = load_recipe(recipe, settings)
    with _steps() as step:
        measured = run(chosen, load_labelled(data), out, step, data_name=data_name)
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
    with _lab():
        from evoca.data.labelled import load_labelled
        from evoca.lab.recipe import load_recipe
        from evoca.lab.train import measure, write_run
        from evoca.runs import new_run
    own = [f"protocol.folds={folds}", f"protocol.repeats={repeats}", f"protocol.seed={seed}"]
    chosen = load_recipe(recipe, [*own, *settings])
    labelled = load_labelled(data)
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
    with _lab():
        from evoca.lab.export import export_bundle
    bundle = export_bundle(run, out)
    size = sum(file.stat().st_size for file in bundle.path.iterdir())
    console_for().print(f"{bundle.path}: {bundle.card.name}, {size / 1e6:.1f} MB", soft_wrap=True)


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
