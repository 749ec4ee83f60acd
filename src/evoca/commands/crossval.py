"""``evoca crossval``: a recipe evaluated by cross-validation. Needs the extra ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    RESUME_HINT,
    AcceleratorOption,
    CacheOption,
    DeterministicOption,
    FigureFormat,
    PrecisionOption,
    ProfileOption,
    RecipeArgument,
    ResumeOption,
    SetOption,
    SourcesOption,
    WorkersOption,
)
from evoca.commands.terminal import say
from evoca.commands.training import display, print_result, say_finished
from evoca.errors import OptionError, needs_extra
from evoca.runs import finished_run

__all__ = ["app", "crossval"]

app = command_app()


@command(
    app,
    long=True,
    examples=(
        "evoca crossval default --data set/",
        "evoca crossval default --data set.csv --folds 5 --repeats 5 --out runs/cv",
    ),
    after_interrupt=lambda out=None, **_: "" if out is None else RESUME_HINT,
)
def crossval(
    recipe: RecipeArgument,
    data: SourcesOption,
    folds: Annotated[
        int, typer.Option("--folds", min=2, metavar="N", help="Divide into N outer folds.")
    ] = 5,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, metavar="N", help="Repeat with N divisions.")
    ] = 1,
    seed: Annotated[
        int,
        typer.Option("--seed", min=0, metavar="N", help="Draw the first division by this seed."),
    ] = 0,
    output: Annotated[
        FigureFormat, typer.Option("--format", help="Print it in this form.")
    ] = FigureFormat.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="RUN", help="Write a run directory too.")
    ] = None,
    settings: SetOption = None,
    profile: ProfileOption = None,
    leave_out: Annotated[
        str | None,
        typer.Option(
            "--leave-out",
            metavar="SOURCE",
            help="Predict one of several sources, named as its data set or its file, by a model "
            "that all others taught; in place of folds.",
        ),
    ] = None,
    resume: ResumeOption = False,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "auto",
    workers: WorkersOption = None,
    deterministic: DeterministicOption = False,
    cache: CacheOption = True,
) -> None:
    """Evaluate a recipe by nested, stratified and grouped cross-validation."""
    with needs_extra("train"):
        from evoca import lab
        from evoca.lab.experiments.labelled import labelled_images
    # Before PyTorch is imported: a slip in a name should not cost its seconds.
    own = [f"protocol.folds={folds}", f"protocol.repeats={repeats}", f"protocol.seed={seed}"]
    chosen = lab.load_recipe(recipe, [*own, *(settings or [])], profile)
    if resume and out is None:
        raise OptionError({"resume": ""}, "goes on with a run directory: name it with --out")
    labelled = labelled_images(data, say, chosen)
    finished = resume and out is not None and finished_run(out) is not None
    with display(
        accelerator=accelerator,
        precision=precision,
        workers=workers,
        deterministic=deterministic,
        cache=cache,
    ) as options:
        found = lab.cross_validate(
            chosen, labelled, out, options=options, resume=resume, leave_out=leave_out
        )
    if finished and out is not None:
        say_finished(out, found)
    print_result(chosen, found, output)
