"""``evoca data split``: images divided into parts or folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from evoca.commands.data.common import (
    DataArgument,
    OutOption,
    TaxonomyOption,
)
from evoca.commands.exits import command, command_app
from evoca.commands.progress import advancing
from evoca.commands.terminal import say, say_left_out

if TYPE_CHECKING:
    from evoca.data.manifest.table import Manifest

__all__ = ["app", "split"]

app = command_app()


@command(
    app,
    long=True,
    examples=(
        "evoca data split set.csv --out split.csv",
        "evoca data split set.csv --folds 5 --repeats 2 --out folds.csv",
    ),
)
def split(
    data: DataArgument,
    out: OutOption,
    ratio: Annotated[
        str,
        typer.Option(metavar="SHARES", help="Divide so: train/val/test or train/test in percent."),
    ] = "80/10/10",
    folds: Annotated[
        int | None,
        typer.Option(min=2, metavar="N", help="Number N folds in the column fold instead."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="Number folds N times.")] = 1,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Draw the order by this seed.")] = 0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a split that is there.")
    ] = False,
    files: Annotated[
        bool,
        typer.Option("--files/--no-files", help="Compare the images to find near-duplicates."),
    ] = True,
    taxonomy: TaxonomyOption = None,
) -> int:
    """Divide images into train, val and test, or into folds.

    Labels keep their shares, and a duplicate group stays together: the column group, joined
    with the near-duplicates that comparing the images finds. A split that the data set was
    published with is kept.
    """
    from evoca.commands.data.tables import print_counts
    from evoca.data.divide import add_folds, add_splits, is_divided
    from evoca.data.manifest.overwrite import check_table_name
    from evoca.data.manifest.table import read_manifest
    from evoca.data.splits import parse_ratio
    from evoca.data.stats import stats as measure

    # Comparing many images takes minutes: what cannot be used is refused before.
    check_table_name(out)
    parse_ratio(ratio)
    manifest = read_manifest(data, taxonomy=taxonomy)
    say_left_out(manifest)
    if folds is not None or replace or not is_divided(manifest):
        manifest = _grouped(manifest, files=files)
    if folds is not None:
        add_folds(manifest, folds, repeats, seed=seed).write(out)
        print(f"{out}: {folds} folds" + (f", {repeats} times" if repeats > 1 else ""))
        return 0
    divided = add_splits(manifest, ratio, seed=seed, replace=replace)
    if divided.kept:
        say("evoca: the split that is there is kept; --replace makes a new one")
    divided.manifest.write(out)
    found = measure(divided.manifest)
    print_counts(found)
    return 0


def _grouped(manifest: Manifest, *, files: bool) -> Manifest:
    """Return the manifest with groups joined with near-duplicates, and print what was done."""
    from evoca.data.duplicates.search import has_files, has_groups, search_copies

    if not files or not has_files(manifest):
        why = "images are not looked at" if not files else "no image is there"
        groups = "the column group alone" if has_groups(manifest) else "no column group"
        say(f"evoca: {groups}, and {why}: near-duplicates may be divided")
        return manifest
    with advancing("images", len(manifest)) as advance:
        searched = search_copies(manifest, advance=advance)
    say(f"evoca: {searched.summary()}")
    return searched.manifest
