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
from evoca.errors import did_you_mean
from evoca.words import by_number, counted

__all__ = ["app", "build"]

app = command_app()


def _pairs(values: list[str] | None, option: str) -> dict[str, str]:
    found = {}
    for value in values or []:
        name, equals, other = value.partition("=")
        if not (name and equals and other):
            raise typer.BadParameter(f"{value!r} is not THEIRS=OURS", param_hint=option)
        found[name.strip()] = other.strip()
    return found


def _columns(
    pairs: dict[str, str], reader: str, source: Path, taxonomy: str | None
) -> dict[str, str]:
    """Return our column to theirs; pairs in the order of earlier versions are turned, and said.

    THEIRS is a column of the source. Where it cannot be asked, OURS is known to the manifest.
    """
    from evoca.data.manifest.csv_table import csv_header
    from evoca.data.manifest.schema import is_known
    from evoca.data.taxonomies import DEFAULT_TAXONOMY, labels_of

    header: list[str] = []
    if pairs and reader == "csv" and source.is_file():
        header = csv_header(source, "\t" if source.suffix.lower() == ".tsv" else ",")
    known = labels_of(taxonomy or DEFAULT_TAXONOMY)
    found = {}
    for left, right in pairs.items():
        theirs = [name for name in (left, right) if name in header]
        if len(theirs) != 1:
            ours = [name for name in (left, right) if is_known(name, known)]
            theirs = [right] if ours == [left] else [left]
        turned = theirs == [right]
        if turned:
            say(
                f"evoca: --column {left}={right}: taken as {right}={left}; the order is "
                "THEIRS=OURS, as of --label"
            )
        found[left if turned else right] = theirs[0]
    return found


def readers_named() -> list[str]:
    """Return the readers, for the completion of a shell."""
    from evoca.data.readers import reader_names

    return list(reader_names())


def _reader_name(value: str) -> str:
    from evoca.data.readers import reader_names

    if value not in reader_names():
        raise typer.BadParameter(
            f"no reader {value!r}{did_you_mean(value, reader_names())} (evoca data readers list)"
        )
    return value


@command(
    app,
    examples=(
        "evoca data build fi fi/ --out fi.csv",
        "evoca data build csv mine.csv --column file=image --label joy=amusement --out m.csv",
        "evoca data build oasis oasis/ --map-to polarity --out oasis.parquet",
        "evoca data build label_studio export.json --images photos/ --out voted.csv",
    ),
)
def build(
    reader: Annotated[
        str,
        typer.Argument(
            metavar="READER",
            callback=_reader_name,
            autocompletion=readers_named,
            help="Take the reader of the set: fi, emoset, artphoto, abstract, emotionroi, "
            "emotion6, flickr_ldl, twitter_ldl, oasis, twitter1, twitter2, webemo, folder, csv, "
            "hf, webdataset or label_studio; evoca data readers show READER says which layout it "
            "reads.",
        ),
    ],
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="Read the set as it is distributed.")
    ],
    out: OutOption,
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="THEIRS=OURS",
            help="Read their column as ours (csv, hf, label_studio); repeatable.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="THEIRS=OURS",
            help="Read their label as ours (csv, hf, webdataset, label_studio); repeatable.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write images that lie inside other files here (hf, webdataset); find those of "
            "an export below this folder (label_studio).",
        ),
    ] = None,
    taxonomy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Take the source's labels from this taxonomy (folder, csv, hf, webdataset, "
            "label_studio); mikels8 if omitted.",
        ),
    ] = None,
    max_ratio: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Let SRC unpack to N times its size beyond 64 MiB (hf, webdataset); 20 if "
            "omitted.",
        ),
    ] = None,
    map_to: Annotated[
        str | None, typer.Option(metavar="NAME", help="Bring the labels to this taxonomy.")
    ] = None,
    variant: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Take this mapping where there are several; valence-midpoint is polarity by "
            "ratings.",
        ),
    ] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
) -> int:
    """Build a manifest from a data set as it is distributed.

    Bad rows are listed in FILE.rejects.csv beside the manifest; --strict stops at the first.
    """
    labels = _pairs(label, "--label")
    columns = _columns(_pairs(column, "--column"), reader, source, taxonomy)

    from evoca.data.build import build as run
    from evoca.data.manifest.schema import DISAGREE, is_known
    from evoca.data.readers import ReadOptions
    from evoca.data.taxonomies import DEFAULT_TAXONOMY, labels_of

    for name in columns:
        if not is_known(name, labels_of(taxonomy or DEFAULT_TAXONOMY)):
            say(f"evoca: --column {name}: no column of a manifest; it passes through")
    options = ReadOptions(columns, labels, images, taxonomy or "", max_ratio)
    built = run(reader, source, out, options=options, map_to=map_to, variant=variant, strict=strict)
    print(f"{clean(str(out))}: {counted(len(built.manifest), 'image')}")
    if built.votes_file is not None:
        print(f"{clean(str(built.votes_file))}: the votes by annotator")
    say_left_out(built.manifest)
    unlabelled = built.manifest.label_codes() < 0
    # A set of ratings alone lacks no labels.
    alone = built.manifest.rated() & unlabelled.all()
    if n := int((unlabelled & ~alone).sum()):
        print(f"{n:,} of them {by_number(n, 'has', 'have')} no single label")
    if n := int(alone.sum()):
        print(f"{n:,} of them {by_number(n, 'is', 'are')} rated in valence and arousal alone")
    if built.manifest.counts(DISAGREE) is not None:
        say("evoca: labelled by most agrees; to heed disagrees: evoca data votes --rule agree")
    if built.basis:
        print(f"positive or negative by {built.basis}")
    for name, n in built.dropped.items():
        print(f"{n:,} lost their label: {name} has no counterpart in {map_to}")
    return report_rejects(built.manifest.rejects, str(built.rejects_file or ""))
