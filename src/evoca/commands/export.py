"""``evoca export``. Needs the extra ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.terminal import console_for
from evoca.errors import needs_extra

__all__ = ["app", "export"]

app = command_app()


@command(app, examples=("evoca export runs/first --out my-model --prior natural",))
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Take this run directory of train.")],
    out: Annotated[Path, typer.Option("--out", metavar="BUNDLE", help="Write this bundle.")],
    prior: Annotated[
        str | None,
        typer.Option(
            metavar="PRIOR",
            help="Predict for these class frequencies: natural, balanced, trained or a JSON file; "
            "trained if omitted.",
        ),
    ] = None,
) -> None:
    """Export a trained run to a model bundle."""
    with needs_extra("train"):
        from evoca.lab.export import export_bundle
    bundle = export_bundle(run, out, prior)
    size = sum(file.stat().st_size for file in bundle.path.iterdir())
    console_for().print(f"{bundle.path}: {bundle.card.name}, {size / 1e6:.1f} MB", soft_wrap=True)
