"""``evoca data check``: what is wrong with a manifest."""

from __future__ import annotations

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
from evoca.commands.progress import advancing
from evoca.commands.terminal import say

__all__ = ["app", "check"]

app = command_app()


@command(
    app,
    long=True,
    examples=("evoca data check set.csv", "evoca data check set/ --verify --format json"),
)
def check(
    data: DataArgument,
    output: FormatOption = FigureFormat.TABLE,
    files: Annotated[bool, typer.Option("--files/--no-files", help="Read the images.")] = True,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read every image whole, and compare its SHA-256 with what is recorded.",
        ),
    ] = False,
    taxonomy: TaxonomyOption = None,
) -> int:
    """Report leaks across splits, contradictions, bad rows, missing and unreadable images.

    The images are compared to find near-duplicates, which are joined with the groups that are
    given; where every image has one, only with --verify. The status is 1 where there is a problem.
    """
    if verify and not files:
        raise typer.BadParameter("--verify and --no-files contradict each other")

    from evoca.data.check import check as run
    from evoca.data.duplicates.search import has_groups
    from evoca.data.manifest.table import read_manifest

    manifest = read_manifest(data, taxonomy=taxonomy, strict=False)
    with advancing("images", len(manifest)) as advance:
        report = run(manifest, files=files, verify=verify, advance=advance)
    if report.clusters is not None:
        given = "groups are given" if has_groups(manifest) else "no group is given"
        say(f"evoca: {given}; near-duplicate clusters found: {report.clusters:,}")
    if output is FigureFormat.JSON:
        print_json(report.to_dict())
    else:
        from evoca.commands.data.tables import print_check

        print_check(report)
    return int(not report.ok)
