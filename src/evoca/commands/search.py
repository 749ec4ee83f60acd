"""``evoca search``: a search on validation images. Needs the extra ``train``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    RESUME_HINT,
    AcceleratorOption,
    CacheOption,
    DeterministicOption,
    PrecisionOption,
    ProfileOption,
    RecipeArgument,
    ResumeOption,
    SetOption,
    SourcesOption,
    WorkersOption,
)
from evoca.commands.terminal import console_for, say
from evoca.commands.training import display, print_result
from evoca.documents import Table, print_document
from evoca.errors import needs_extra
from evoca.lab.config.search import short, short_names

if TYPE_CHECKING:
    from evoca.lab.experiments.search import Trial

__all__ = ["app", "search", "trials_table"]

app = command_app()


@command(
    app,
    long=True,
    examples=("evoca search default --data set/ --out runs/search --trials 20",),
    after_interrupt=RESUME_HINT,
)
def search(
    recipe: RecipeArgument,
    data: SourcesOption,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Keep the search in this folder.")
    ],
    space: Annotated[
        Path | None,
        typer.Option(
            "--space",
            metavar="FILE",
            help="Try the settings of this file; the recipe's own space if omitted.",
        ),
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, metavar="N", help="Finish N trials.")
    ] = 20,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=2,
            metavar="N",
            help="Evaluate the search: run one inside each of N outer folds.",
        ),
    ] = None,
    settings: SetOption = None,
    profile: ProfileOption = None,
    resume: ResumeOption = False,
    accelerator: AcceleratorOption = "auto",
    precision: PrecisionOption = "auto",
    workers: WorkersOption = None,
    deterministic: DeterministicOption = False,
    cache: CacheOption = True,
) -> None:
    """Search a recipe's settings on validation images."""
    with needs_extra("train"):
        from evoca import lab
        from evoca.lab.experiments.labelled import labelled_images
    # Before PyTorch is imported: a slip in a name should not cost its seconds.
    own = [*(settings or [])] if folds is None else [f"protocol.folds={folds}", *(settings or [])]
    chosen = lab.load_recipe(recipe, own, profile)
    chosen_space = chosen.search_space(space)
    labelled = labelled_images(data, say, chosen)
    with display(
        accelerator=accelerator,
        precision=precision,
        workers=workers,
        deterministic=deterministic,
        cache=cache,
    ) as options:
        how: dict[str, Any] = {
            "space": chosen_space,
            "trials": trials,
            "settings": own,
            "profile": profile,
            "options": options,
            "resume": resume,
        }
        if folds is not None:
            result = lab.cross_validate_search(recipe, labelled, out, **how)
            print_result(chosen, result, "table")
            return
        found = lab.search(recipe, labelled, out, **how)
    print_document([trials_table(found.trials, chosen_space.metric)], console_for())
    console_for("stderr").print(f"wrote {out / 'best.yaml'}, a recipe", soft_wrap=True)


def trials_table(trials: Sequence[Trial], metric: str) -> Table:
    """Return one row per trial, in their order: its value, then its settings.

    Args:
        trials: at least one, all with the same settings' keys.
        metric: of the value, on validation images.
    """
    keys = list(trials[0].settings)
    rows = tuple(
        (
            "failed" if trial.value is None else f"{trial.value:.4f}",
            *(short(trial.settings[key]) for key in keys),
        )
        for trial in trials
    )
    return Table((f"validation {metric}", *short_names(keys)), rows)
