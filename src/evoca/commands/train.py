"""``evoca train``: train a recipe on labelled images, evaluate it. Needs the extra ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    RESUME_HINT,
    AcceleratorOption,
    CacheOption,
    DeletionTestOption,
    DeterministicOption,
    DevicesOption,
    NodesOption,
    PrecisionOption,
    ProfileOption,
    RecipeArgument,
    ResumeOption,
    SetOption,
    SourcesOption,
    StrategyOption,
    WorkersOption,
)
from evoca.commands.terminal import console_for, say
from evoca.commands.training import display, print_result, say_finished
from evoca.errors import needs_extra
from evoca.runs import finished_run

__all__ = ["app", "train"]

app = command_app()


@command(
    app,
    long=True,
    examples=(
        "evoca train default --data set/ --out runs/first",
        "evoca train najid2018-resnet101-fc --profile lite0 --data fi.csv --out runs/fc --resume",
    ),
    after_interrupt=RESUME_HINT,
)
def train(
    recipe: RecipeArgument,
    data: SourcesOption,
    out: Annotated[Path, typer.Option("--out", metavar="RUN", help="Write this run directory.")],
    settings: SetOption = None,
    profile: ProfileOption = None,
    resume: ResumeOption = False,
    without_copies: Annotated[
        bool,
        typer.Option(
            "--without-copies",
            help="Evaluate on no image that has a copy among training or validation images.",
        ),
    ] = False,
    data_name: Annotated[
        str | None,
        typer.Option("--data-name", metavar="NAME", help="Call the data so in the model card."),
    ] = None,
    accelerator: AcceleratorOption = "auto",
    devices: DevicesOption = 1,
    nodes: NodesOption = 1,
    strategy: StrategyOption = "auto",
    precision: PrecisionOption = "auto",
    workers: WorkersOption = None,
    deterministic: DeterministicOption = False,
    cache: CacheOption = True,
    deletion_test: DeletionTestOption = True,
) -> None:
    """Train a recipe on labelled images, and evaluate it on images it has not learnt from."""
    with needs_extra("train"):
        from evoca import lab
        from evoca.lab.experiments.labelled import labelled_images
    # Before PyTorch is imported: a slip in a name should not cost its seconds.
    chosen = lab.load_recipe(recipe, settings or [], profile)
    labelled = labelled_images(data, say, chosen)
    finished = resume and finished_run(out) is not None
    with display(
        accelerator=accelerator,
        devices=devices,
        nodes=nodes,
        strategy=strategy,
        precision=precision,
        workers=workers,
        deterministic=deterministic,
        cache=cache,
        deletion_test=deletion_test,
    ) as options:
        found = lab.train(
            chosen,
            labelled,
            out,
            options=options,
            resume=resume,
            data_name=data_name,
            without_copies=without_copies,
        )
    if found is None:
        return
    if finished:
        say_finished(out, found)
    print_result(chosen, found, "table")
    if not finished:
        console_for("stderr").print(f"wrote {out}", soft_wrap=True)
