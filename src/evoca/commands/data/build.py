"""``evoca data build``: a manifest from a data set as it is distributed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.data.common import (
    OutOption,
    report_rejects,
)
from evoca.commands.exits import command, command_app
from evoca.commands.terminal import clean, say, say_left_out

__all__ = ["app", "build"]

app = command_app()


def _pairs(values: list[str] | None, option: str) -> dict[str, str]:
    found = {}
    for value in values or []:
        name, equals, other = value.partition("=")
        if not (name and equals and other):
            raise typer.BadParameter(f"{value!r} is not NAME=VALUE", param_hint=option)
        found[name.strip()] = other.strip()
    return found


def _reader_name(value: str) -> str:
    from evoca.data.readers import reader_names

    if value not in reader_names():
        raise typer.BadParameter(f"{value!r} is none of {', '.join(reader_names())}")
    return value


@command(app)
def build(
    reader: Annotated[
        str,
        typer.Argument(
            metavar="READER",
            callback=_reader_name,
            help="fi, emoset, artphoto, abstract, emotionroi, emotion6, flickr_ldl, twitter_ldl, "
            "oasis, twitter1, twitter2, webemo, folder, csv, hf or webdataset.",
        ),
    ],
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The set as it is distributed.")],
    out: OutOption,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="Name a column (csv, hf); repeatable."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="THEIRS=OURS", help="Name a label (csv, hf, webdataset); repeatable."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where images inside other files go (hf, webdataset)."),
    ] = None,
    taxonomy: Annotated[
        str | None,
        typer.Option(help="The source's labels (folder, csv, hf, webdataset); mikels8 if omitted."),
    ] = None,
    max_ratio: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Times its size that SRC may unpack to beyond 64 MiB (hf, webdataset); "
            "20 if omitted.",
        ),
    ] = None,
    map_to: Annotated[str | None, typer.Option(help="Bring the labels to this taxonomy.")] = None,
    variant: Annotated[
        str,
        typer.Option(
            help="Which mapping, where there are several; valence-midpoint: polarity of ratings."
        ),
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
) -> int:
    """Build a manifest from a data set as it is distributed.

    Bad rows are listed in FILE.rejects.csv beside the manifest; --strict stops at the first.
    """
    columns, labels = _pairs(column, "--column"), _pairs(label, "--label")

    from evoca.data.build import build as run
    from evoca.data.manifest.schema import DISAGREE, is_known
    from evoca.data.readers import ReadOptions
    from evoca.data.taxonomies import DEFAULT_TAXONOMY, labels_of

    for name in columns:
        if not is_known(name, labels_of(taxonomy or DEFAULT_TAXONOMY)):
            say(f"evoca: --column {name}: no column of a manifest; it passes through")
    options = ReadOptions(columns, labels, images, taxonomy or "", max_ratio)
    built = run(reader, source, out, options=options, map_to=map_to, variant=variant, strict=strict)
    print(f"{clean(str(out))}: {len(built.manifest):,} images")
    say_left_out(built.manifest)
    unlabelled = built.manifest.label_codes() < 0
    # A set of ratings alone lacks no labels.
    alone = built.manifest.rated() & unlabelled.all()
    if n := int((unlabelled & ~alone).sum()):
        print(f"{n:,} of them have no single label")
    if n := int(alone.sum()):
        print(f"{n:,} of them are rated in valence and arousal alone")
    if built.manifest.counts(DISAGREE) is not None:
        say("evoca: labelled by most agrees; to heed disagrees: evoca data votes --rule agree")
    if built.basis:
        print(f"positive or negative by {built.basis}")
    for name, n in built.dropped.items():
        print(f"{n:,} lost their label: {name} has no counterpart in {map_to}")
    return report_rejects(built.manifest.rejects, str(built.rejects_file or ""))
