"""``evoca data build``, ``stats``, ``check``, ``split`` and ``votes``: parse, call, print.

Each command imports what it needs itself, so that help stays quick.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evoca.data.cli_fetch import app as fetch_app
from evoca.exits import finish

if TYPE_CHECKING:
    from evoca.data.manifest.table import Manifest

__all__ = ["app"]

app = typer.Typer(
    help="Labelled images: build, look at, check and divide manifests.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# Without a name, its commands stand beside those of this file.
app.add_typer(fetch_app)


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


_Data = Annotated[
    Path, typer.Argument(metavar="MANIFEST", help="A manifest, or a folder of class folders.")
]
_Format = Annotated[Output, typer.Option("--format", help="What to print.")]
_Taxonomy = Annotated[
    str | None,
    typer.Option(help="The labels, where the data do not say; mikels8 if omitted."),
]
_Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="A .parquet or .csv to write.")]


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


@app.command()
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
    out: _Out,
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
            help="Times its weight that SRC may unpack to beyond 64 MiB (hf, webdataset); "
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
) -> None:
    """Build a manifest from a data set as it is distributed.

    Bad rows are listed in FILE.rejects.csv beside the manifest; --strict stops at the first.
    """
    columns, labels = _pairs(column, "--column"), _pairs(label, "--label")

    def call() -> int:
        from evoca.data.build import build as run
        from evoca.data.console import report_rejects
        from evoca.data.manifest.schema import DISAGREE, is_known
        from evoca.data.readers import ReadOptions
        from evoca.data.taxonomies import DEFAULT_TAXONOMY, labels_of
        from evoca.terminal import say

        for name in columns:
            if not is_known(name, labels_of(taxonomy or DEFAULT_TAXONOMY)):
                say(f"evoca: --column {name}: no column of a manifest; it passes through")
        options = ReadOptions(columns, labels, images, taxonomy or "", max_ratio)
        built = run(
            reader, source, out, options=options, map_to=map_to, variant=variant, strict=strict
        )
        print(f"{out}: {len(built.manifest):,} images")
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

    finish(call)


def _say_left_out(manifest: Manifest) -> None:
    """Say in a line what of a folder is no row, and why."""
    if manifest.left_out:
        from evoca.terminal import say

        say(f"evoca: {manifest.source}: {manifest.left_out}")


@app.command()
def stats(
    data: _Data,
    output: _Format = Output.TABLE,
    contact_sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw example images: a .html or a .png to write."),
    ] = None,
    per_label: Annotated[int, typer.Option(min=1, help="Images a label on it.")] = 12,
    show_negative: Annotated[
        bool, typer.Option("--show-negative", help="Do not blur negative emotions on it.")
    ] = False,
    sizes: Annotated[
        bool, typer.Option("--sizes", help="Read the sizes from the images where not given.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the choice of examples.")] = 0,
    taxonomy: _Taxonomy = None,
) -> None:
    """Print counts, imbalance, agreement of viewers, entropy and sizes."""

    def call() -> int:
        from evoca.data.console import print_json, report_rejects
        from evoca.data.contact_sheet import contact_sheet as draw
        from evoca.data.manifest.table import read_manifest
        from evoca.data.stats import measure_sizes
        from evoca.data.stats import stats as measure
        from evoca.terminal import say

        manifest = read_manifest(data, taxonomy=taxonomy, strict=False)
        _say_left_out(manifest)
        found = measure(measure_sizes(manifest) if sizes else manifest)
        if output is Output.JSON:
            print_json(found.to_dict())
        else:
            from evoca.data.printing import print_stats

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

    finish(call)


@app.command()
def check(
    data: _Data,
    output: _Format = Output.TABLE,
    files: Annotated[bool, typer.Option("--files/--no-files", help="Look at the images.")] = True,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Read every image: is it whole, and its SHA-256 as recorded?"
        ),
    ] = False,
    taxonomy: _Taxonomy = None,
) -> None:
    """Report leaks across splits, contradictions, bad rows, missing and unreadable images.

    The images are compared to find near-duplicates, which are joined with the groups that are
    given; where every image has one, only with --verify. The status is 1 where there is a problem.
    """
    if verify and not files:
        raise typer.BadParameter("--verify and --no-files contradict each other")

    def call() -> int:
        from evoca.data.check import check as run
        from evoca.data.console import print_json, progress
        from evoca.data.duplicates.search import has_groups
        from evoca.data.manifest.table import read_manifest
        from evoca.terminal import say

        manifest = read_manifest(data, taxonomy=taxonomy, strict=False)
        with progress("images", len(manifest)) as advance:
            report = run(manifest, files=files, verify=verify, advance=advance)
        if report.clusters is not None:
            given = "groups are given" if has_groups(manifest) else "no group is given"
            say(f"evoca: {given}; near-duplicate clusters found: {report.clusters:,}")
        if output is Output.JSON:
            print_json(report.to_dict())
        else:
            from evoca.data.printing import print_check

            print_check(report)
        return int(not report.ok)

    finish(call)


@app.command()
def split(
    data: _Data,
    out: _Out,
    ratio: Annotated[
        str, typer.Option(help="train/val/test or train/test in percent.")
    ] = "80/10/10",
    folds: Annotated[
        int | None, typer.Option(min=2, help="Number folds in the column fold instead.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Number folds so often.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the random order.")] = 0,
    replace: Annotated[
        bool, typer.Option("--replace", help="Do not keep a split that is there.")
    ] = False,
    files: Annotated[
        bool,
        typer.Option("--files/--no-files", help="Compare the images to find near-duplicates."),
    ] = True,
    taxonomy: _Taxonomy = None,
) -> None:
    """Divide images into train, val and test, or into folds.

    Labels keep their shares, and a duplicate group stays together: the column group, joined
    with the near-duplicates that comparing the images finds. A split that the data set was
    published with is kept.
    """

    def call() -> int:
        from evoca.data.divide import add_folds, add_splits, is_divided
        from evoca.data.manifest.overwrite import check_table_name
        from evoca.data.manifest.table import read_manifest
        from evoca.data.printing import print_counts
        from evoca.data.splits import parse_ratio
        from evoca.data.stats import stats as measure
        from evoca.terminal import say

        # Comparing many images takes minutes: what cannot be used is refused before.
        check_table_name(out)
        parse_ratio(ratio)
        manifest = read_manifest(data, taxonomy=taxonomy)
        _say_left_out(manifest)
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

    finish(call)


def _grouped(manifest: Manifest, *, files: bool) -> Manifest:
    """Join the groups that are given with the near-duplicates, and say what was done."""
    from evoca.data.console import progress
    from evoca.data.duplicates.search import has_files, has_groups, search_copies
    from evoca.terminal import say

    if not files or not has_files(manifest):
        why = "images are not looked at" if not files else "no image is there"
        groups = "the column group alone" if has_groups(manifest) else "no column group"
        say(f"evoca: {groups}, and {why}: near-duplicates may be divided")
        return manifest
    with progress("images", len(manifest)) as advance:
        searched = search_copies(manifest, advance=advance)
    say(f"evoca: {searched.summary()}")
    return searched.manifest


@app.command()
def votes(
    data: _Data,
    rule: Annotated[
        str | None, typer.Option(help="Label by this rule: a name from the table, or see --votes.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write the labels.")
    ] = None,
    keep_all: Annotated[
        bool, typer.Option("--keep-all", help="Also write images that the rule leaves out.")
    ] = False,
    annotations: Annotated[
        Path | None,
        typer.Option(
            "--votes",
            metavar="TABLE",
            help="Votes by annotator, for dawid-skene, crowdlab; others count them.",
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="TABLE", help="Out-of-sample predictions p_<emotion>, for crowdlab."),
    ] = None,
    output: _Format = Output.TABLE,
    taxonomy: _Taxonomy = None,
) -> None:
    """Print what each vote rule keeps, by emotion; label by one with --rule and --out.

    Ties are reported and never broken; raw votes are always kept.
    """
    if (rule is None) != (out is None):
        raise typer.BadParameter("--rule and --out go together")

    def call() -> int:
        from evoca.data.console import print_json
        from evoca.data.manifest.overwrite import keep_apart
        from evoca.data.manifest.table import read_manifest
        from evoca.data.relabel import label_by, rule_table
        from evoca.terminal import say

        manifest = read_manifest(data, taxonomy=taxonomy)
        _say_left_out(manifest)
        if rule is None or out is None:
            table = rule_table(manifest)
            if output is Output.JSON:
                print_json({name: counts.to_dict() for name, counts in table.items()})
            else:
                from evoca.data.printing import print_rules

                print_rules(table)
            return 0
        if not keep_all:
            # The rows that the rule leaves out, and their votes, would be gone.
            keep_apart(data, [out])
        made = label_by(
            manifest, rule, annotations=annotations, predictions=predictions, keep_all=keep_all
        )
        made.manifest.write(out)
        print(f"{out}: {len(made.manifest):,} images, {made.counts.labelled:,} labelled by {rule}")
        if made.counts.tied:
            print(f"{made.counts.tied:,} tied: no label")
        if made.unseen:
            print(f"images of {data} that no annotator has seen: {made.unseen:,} (no label)")
        if made.unmatched:
            print(f"images of {annotations} that are not in {data}: {made.unmatched:,} (left out)")
        for caution in made.cautions:
            say(f"evoca: {caution}")
        return 0

    finish(call)
