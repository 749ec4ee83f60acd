"""``evoca data collect``: a data set from candidates, reviewed in the browser."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evoca.commands.data.common import (
    SHOWN,
    NetworksOption,
    note_rejects,
    report_rejects,
)
from evoca.commands.exits import command, command_app
from evoca.commands.progress import advancing
from evoca.commands.terminal import say
from evoca.data.manifest.overwrite import claim_tables, keep_apart
from evoca.data.manifest.schema import TABLE_SUFFIXES
from evoca.errors import DataError, needs_extra
from evoca.images import printable_name
from evoca.words import by_number, counted

if TYPE_CHECKING:
    from evoca.data.collect import Exported, Found, Keyword, ReviewStore
    from evoca.data.manifest.table import Manifest

__all__ = ["app", "collect"]

app = command_app()


@command(
    app,
    long=True,
    examples=(
        "evoca data collect --print-keywords",
        "evoca data collect candidates/ --out mine/",
    ),
    after_interrupt="; run it again to go on",
)
def collect(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="SOURCE",
            help="Take candidates from this folder, manifest or link list; none goes on with DIR.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Keep votes and tables in this folder."),
    ] = None,
    keywords: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Search by these columns emotion and keyword, not by Evoca's."
        ),
    ] = None,
    print_keywords: Annotated[
        bool, typer.Option("--print-keywords", help="Print the keywords to search for, and stop.")
    ] = False,
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="Serve the review page on this port; 0 takes a free one.",
        ),
    ] = 0,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Open the review page.")] = True,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it in a browser.")
    ] = True,
    allow_network: NetworksOption = None,
) -> int:
    """Collect a data set: candidates by keyword, reviewed in the browser, to a manifest.

    Several people review on one page, each under a name. Stop with Ctrl-C: DIR then holds
    manifest.csv, votes.csv (image, annotator, emotion) and verdicts.csv (all answers).
    """
    if out is None and not print_keywords:
        raise typer.BadParameter("name the folder to fill", param_hint="--out")

    if out is None or print_keywords:
        return _list_keywords(keywords)
    with needs_extra("data"):
        from evoca.data.collect import ReviewStore, export_review, load_keywords
        from evoca.data.collect.export import TABLES
        from evoca.data.collect.store import REVIEW_FILE
    if source is not None:
        keep_apart(source, [out / name for name in TABLES])
    elif not (out / REVIEW_FILE).exists():
        raise DataError(f"{printable_name(out)}: no review to go on with: name a SOURCE to begin")
    claim_tables(out / REVIEW_FILE, TABLES)
    table = load_keywords(keywords)
    store = ReviewStore(out)
    try:
        failed = source is not None and _add_candidates(
            store, source, out, table, allow_network or []
        )
        if serve:
            _serve(store, port, browser=browser)
        result = export_review(store.votes(), out)
    finally:
        store.close()
    _print_collected(result, out)
    return int(failed)


def _list_keywords(path: Path | None) -> int:
    """Print the keywords to search for, as a CSV to edit and pass back."""
    with needs_extra("data"):
        from evoca.data.collect import load_keywords
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("emotion", "keyword"))
    writer.writerows((item.emotion, item.keyword) for item in load_keywords(path))
    return 0


def _add_candidates(
    store: ReviewStore, source: Path, out: Path, table: list[Keyword], networks: Sequence[str]
) -> bool:
    """Add candidates, and return whether some inputs failed."""
    found, failed = _candidates(source, out, table, networks)
    new = store.add(found.candidates)
    say(f"{counted(new, 'new question')} about {counted(len(found.candidates), 'image')}")
    if n := len(found.unmatched):
        say(f"{counted(n, 'image')} that no keyword matches {by_number(n, 'is', 'are')} left out")
    for name, cause in found.unreadable[:SHOWN]:
        say(f"{name}: {cause}")
    return failed or bool(found.unreadable)


def _candidates(
    source: Path, out: Path, table: list[Keyword], networks: Sequence[str]
) -> tuple[Found, bool]:
    from evoca.data.collect import candidates_from_folder, candidates_from_manifest

    if source.is_dir():
        return candidates_from_folder(source, table), False
    if (manifest := _manifest_with_images(source)) is not None:
        failed = bool(report_rejects(manifest.rejects))
        return candidates_from_manifest(manifest, table), failed
    return _fetched_candidates(source, out, table, networks)


def _manifest_with_images(source: Path) -> Manifest | None:
    """Return a manifest whose images are there; a list of links is none."""
    from evoca.data.duplicates.search import has_files
    from evoca.data.manifest.table import read_manifest

    if source.suffix.lower() not in TABLE_SUFFIXES:
        return None
    try:
        manifest = read_manifest(source, strict=False)
    except DataError:
        return None
    return manifest if has_files(manifest) else None


def _fetched_candidates(
    source: Path, out: Path, table: list[Keyword], networks: Sequence[str]
) -> tuple[Found, bool]:
    from evoca.data.collect import candidates_from_links
    from evoca.data.download import AddressPolicy, DownloadSettings, read_links
    from evoca.data.download import download as run

    listed = read_links(source)
    note_rejects(listed)
    settings = DownloadSettings(addresses=AddressPolicy.of(networks))
    with advancing("links", len({link.url for link in listed.links})) as advance:
        outcomes = run(listed.links, out, settings, on_settled=advance)
    lost = Counter(str(o.reason) for o in outcomes if o.reason)
    for reason, n in lost.most_common():
        say(f"{counted(n, 'link')} without an image: {reason}")
    found = candidates_from_links(listed.rows, outcomes, out, table)
    return found, bool(lost or listed.rejects)


def _serve(store: ReviewStore, port: int, *, browser: bool) -> None:
    """Serve the review page until Ctrl-C."""
    import webbrowser

    from evoca.data.collect import ReviewServer

    with ReviewServer(store, port) as server:
        say(f"review at {server.url} and stop with Ctrl-C")
        if browser:
            webbrowser.open(server.url)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
        say("")


def _print_collected(result: Exported, out: Path) -> None:
    print(f"{result.annotators:>9,} {by_number(result.annotators, 'reviewer')}")
    for label, n in sorted(result.labels.items()):
        print(f"{n:>9,} {label}")
    print(f"{result.tied:>9,} tied")
    print(f"{result.rejected:>9,} without an accepted emotion")
    say(f"wrote {printable_name(out / 'manifest.csv')}, votes.csv and verdicts.csv")
