"""``evoca sweep``: every alpha, beta and C on the vectors of a cross-validation."""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    FigureFormat,
    require_file_place,
)
from evoca.commands.terminal import console_for, say
from evoca.commands.training import display
from evoca.documents import Paragraph, Table, print_document
from evoca.errors import EvocaError, needs_extra
from evoca.images import printable_name

if TYPE_CHECKING:
    from evoca.lab.experiments.sweep import Accuracy, Cell, Sweep

__all__ = ["app", "sweep"]

app = command_app()


class BetaForm(StrEnum):
    """The effect of beta on the vectors."""

    CONVEX = "convex"
    AMPLIFY = "amplify"


_ALPHAS = "0,0.25,0.5,0.75,1"
_MOST_C = 1e6  # beyond it, the penalty has no effect, and fitting may never end
_LEGEND = (
    "paper: the figure of that alpha, beta and C that rapolu2023 prints (tables 2 and 3; under "
    "logistic, of the layer it trains), on its test part of FI and with its own networks: other "
    "images, unless the run states so."
)


@command(
    app,
    long=True,
    examples=(
        "evoca sweep runs/rapolu2023-differential",
        "evoca sweep runs/rapolu2023-differential --alpha 0.5 --beta none --c 1,10",
    ),
)
def sweep(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Read this cross-validation of a differential system."),
    ],
    alpha: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Try these shares of the first vector; 0,0.25,0.5,0.75,1 without --beta.",
        ),
    ] = None,
    beta: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS", help="Try these factors of the object probabilities; or none."
        ),
    ] = None,
    c: Annotated[
        str,
        typer.Option(
            "--c", metavar="NUMBERS", help="Try these C of support vector machines; or none."
        ),
    ] = "0.5,1,1.5,2,5,10",
    form: Annotated[
        BetaForm, typer.Option(help="Let beta take from the vectors, or not.")
    ] = BetaForm.CONVEX,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write this table; RUN/sweep.csv if omitted."),
    ] = None,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="Print it in this form.")
    ] = FigureFormat.TABLE,
) -> None:
    """Fit every alpha, beta and C on the stored vectors of a cross-validation."""
    with needs_extra("train"):
        from evoca.lab.config.models.differential import MOST_BETA
        from evoca.lab.experiments.sweep import Grid
        from evoca.lab.experiments.sweep import sweep as run_sweep
    if form == "amplify" and beta is None:
        raise EvocaError("--form amplify: how beta is meant; give --beta too")
    if alpha is None:
        alpha = _ALPHAS if beta is None else "none"
    alphas = _numbers("--alpha", alpha, most=1)
    most_beta = 1 if form == "convex" else MOST_BETA
    betas = _numbers("--beta", "none" if beta is None else beta, most_beta)
    costs = tuple(cost for cost in _numbers("--c", c, _MOST_C) if cost is not None)
    if 0 in costs:
        raise EvocaError("--c 0: a cost is above 0; none leaves the machines out")
    if out is not None:
        _require_place(out)
    file = run / "sweep.csv" if out is None else out
    grid = Grid(alphas, betas, form.value, costs)
    with display(accelerator="cpu") as options:
        found = run_sweep(run, grid, options.announce)
    found.write(file)
    if output == "json":
        print(json.dumps(found.to_dict(), indent=2))
    else:
        text = [Paragraph(_chosen_in_words(found))]
        text += [Paragraph(_LEGEND)] if found.published else []
        print_document([_table(found, costs), *text], console_for())
    say(f"wrote {file}")


def _require_place(file: Path) -> None:
    """Refuse, before anything is fitted, a file that could not be written in the end."""
    if file.is_dir():
        raise EvocaError(f"--out {printable_name(file)}: a folder: name a file")
    require_file_place(file)


def _numbers(option: str, text: str, most: float) -> tuple[float | None, ...]:
    """Return numbers from 0, and ``none``, separated by commas."""
    found: list[float | None] = []
    for part in text.split(","):
        word = part.strip()
        try:
            value = None if word == "none" else float(word)
        except ValueError:
            value = float("nan")
        if value is not None and not 0 <= value <= most:
            limits = f"from 0 to {most:g}"
            raise EvocaError(f"{option} {word}: numbers {limits}, or none, separated by commas")
        found.append(value)
    return tuple(dict.fromkeys(found))


def _table(found: Sweep, costs: tuple[float, ...]) -> Table:
    published = found.published
    settings = dict.fromkeys((cell.alpha, cell.beta) for cell in found.cells)
    of = {cell.setting: own for cell, own in found.cells.items()}
    columns = ["alpha", "beta"]
    rows = [[_short(alpha), _short(beta)] for alpha, beta in settings]
    for cost in (None, *costs):
        places = [(*setting, cost) for setting in settings]
        columns.append("logistic" if cost is None else f"C={cost:g}")
        for row, at in zip(rows, places, strict=True):
            row.append(f"{100 * of[at].value:.1f}")
        if any(at in published for at in places):
            columns.append("paper")
            for row, at in zip(rows, places, strict=True):
                row.append(f"{100 * published[at]:.2f}" if at in published else "")
    return Table(tuple(columns), tuple(map(tuple, rows)), numeric=len(columns))


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _chosen_in_words(found: Sweep) -> str:
    counts = Counter(_named(cell) for cell in found.choices)
    chosen = ", ".join(f"{name} in {n}" for name, n in counts.most_common())
    return (
        f"Accuracy of held-out images in percent, pooled over {len(found.choices)} folds. The "
        f"largest of {len(found.cells)} cells flatters. Chosen by each fold's validation images: "
        f"{_percent(found.chosen)} ({chosen}). What stands under logistic is a logistic regression "
        "whose penalty the validation images choose, not the layer that the recipe trains."
    )


def _named(cell: Cell) -> str:
    named = {"alpha": cell.alpha, "beta": cell.beta, "C": cell.c}
    given = [f"{name} {value:g}" for name, value in named.items() if value is not None]
    return " ".join([*given, *([] if cell.c is not None else [cell.head])])


def _percent(own: Accuracy) -> str:
    return f"{100 * own.value:.1f} [{100 * own.low:.1f}, {100 * own.high:.1f}]"
