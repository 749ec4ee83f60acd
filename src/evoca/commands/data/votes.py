"""``evoca data votes``: what vote rules keep, and labels by one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.data.common import (
    DataArgument,
    FormatOption,
    TaxonomyOption,
    print_json,
)
from evoca.commands.exits import command, command_app
from evoca.commands.options import FigureFormat
from evoca.commands.terminal import say, say_left_out
from evoca.words import counted

__all__ = ["app", "votes"]

app = command_app()


@command(
    app,
    examples=(
        "evoca data votes flickr_ldl.csv",
        "evoca data votes flickr_ldl.csv --rule majority --out labelled.csv",
    ),
)
def votes(
    data: DataArgument,
    rule: Annotated[
        str | None,
        typer.Option(
            metavar="RULE", help="Label by this rule: a name from the table, or see --votes."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the labels here.")
    ] = None,
    keep_all: Annotated[
        bool, typer.Option("--keep-all", help="Write the images too that the rule leaves out.")
    ] = False,
    annotations: Annotated[
        Path | None,
        typer.Option(
            "--votes",
            metavar="TABLE",
            help="Take votes by annotator, for dawid-skene, crowdlab; others count them.",
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE", help="Take out-of-sample predictions p_EMOTION, for crowdlab."
        ),
    ] = None,
    output: FormatOption = FigureFormat.TABLE,
    taxonomy: TaxonomyOption = None,
) -> int:
    """Print what each vote rule keeps, by emotion; label by one with --rule and --out.

    Ties are reported and never broken; raw votes are always kept.
    """
    if (rule is None) != (out is None):
        raise typer.BadParameter("--rule and --out go together")

    from evoca.data.manifest.overwrite import keep_apart
    from evoca.data.manifest.table import read_manifest
    from evoca.data.relabel import label_by, rule_table

    manifest = read_manifest(data, taxonomy=taxonomy)
    say_left_out(manifest)
    if rule is None or out is None:
        table = rule_table(manifest)
        if output is FigureFormat.JSON:
            print_json({name: counts.to_dict() for name, counts in table.items()})
        else:
            from evoca.commands.data.tables import print_rules

            print_rules(table)
        return 0
    if not keep_all:
        # The rows that the rule leaves out, and their votes, would be gone.
        keep_apart(data, [out])
    made = label_by(
        manifest, rule, annotations=annotations, predictions=predictions, keep_all=keep_all
    )
    made.manifest.write(out)
    print(
        f"{out}: {counted(len(made.manifest), 'image')}, {made.counts.labelled:,} labelled by "
        f"{rule}"
    )
    if made.counts.tied:
        print(f"{made.counts.tied:,} tied: no label")
    if made.unseen:
        print(f"images of {data} that no annotator has seen: {made.unseen:,} (no label)")
    if made.unmatched:
        print(f"images of {annotations} that are not in {data}: {made.unmatched:,} (left out)")
    for caution in made.cautions:
        say(f"evoca: {caution}")
    return 0
