"""The command line of ``sweep``: parse and call."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.options import FigureFormat
from evoca.exits import finish

__all__ = ["app"]

app = typer.Typer()


class Form(StrEnum):
    """What beta does to the vectors."""

    CONVEX = "convex"
    AMPLIFY = "amplify"


@app.command()
def sweep(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A cross-validation of a differential system.")
    ],
    alpha: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS", help="Shares of the first vector; 0,0.25,0.5,0.75,1 without --beta."
        ),
    ] = None,
    beta: Annotated[
        str | None,
        typer.Option(metavar="NUMBERS", help="Factors of the object probabilities; or none."),
    ] = None,
    c: Annotated[
        str, typer.Option("--c", metavar="NUMBERS", help="Of support vector machines; or none.")
    ] = "0.5,1,1.5,2,5,10",
    form: Annotated[Form, typer.Option(help="Whether beta takes from the vectors.")] = Form.CONVEX,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="RUN/sweep.csv if omitted.")
    ] = None,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="What to print.")
    ] = FigureFormat.TABLE,
) -> None:
    """Fit every alpha, beta and C on the vectors that a cross-validation has kept."""

    def call() -> None:
        from evoca.commands.sweep import sweep as run_sweep

        run_sweep(run, alpha=alpha, beta=beta, c=c, form=form.value, out=out, output=output.value)

    finish(call)
