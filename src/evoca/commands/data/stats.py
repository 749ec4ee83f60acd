"""``evoca data stats``: counts, agreement and sizes of labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.data.common import (
    DataArgument,
    FormatOption,
    TaxonomyOption,
    print_json,
    report_rejects,
)
from evoca.commands.exits import command, command_app
from evoca.commands.options import FigureFormat
from evoca.commands.terminal import say, say_left_out

__all__ = ["app", "stats"]

app = command_app()


@command(
    app, examples=("evoca data stats set.csv", "evoca data stats set/ --contact-sheet sheet.html")
)
def stats(
    data: DataArgument,
    output: FormatOption = FigureFormat.TABLE,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw example images on this .html or .png."),
    ] = None,
    per_label: Annotated[
        int, typer.Option(min=1, metavar="N", help="Draw N images per label.")
    ] = 12,
    show_negative: Annotated[
        bool, typer.Option("--show-negative", help="Show negative images on it without a blur.")
    ] = False,
    sizes: Annotated[
        bool,
        typer.Option("--sizes", help="Read the sizes from the images where they are not given."),
    ] = False,
    seed: Annotated[int, typer.Option(metavar="N", help="Choose the examples by this seed.")] = 0,
    taxonomy: TaxonomyOption = None,
) -> int:
    """Print counts, imbalance, agreement of viewers, entropy and sizes."""
    from evoca.data.contact_sheet import contact_sheet as draw
    from evoca.data.manifest.table import read_manifest
    from evoca.data.stats import measure_sizes
    from evoca.data.stats import stats as measure

    manifest = read_manifest(data, taxonomy=taxonomy, strict=False)
    say_left_out(manifest)
    found = measure(measure_sizes(manifest) if sizes else manifest)
    if output is FigureFormat.JSON:
        print_json(found.to_dict())
    else:
        from evoca.commands.data.tables import print_stats

        print_stats(found)
    if contact_sheet is not None:
        draw(
            manifest,
            contact_sheet,
            per_label=per_label,
            seed=seed,
            show_negative=show_negative,
        )
        say(f"wrote {contact_sheet}")
    return report_rejects(manifest.rejects)
