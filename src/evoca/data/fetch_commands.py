"""What ``evoca data download`` and ``collect`` do; they return a status."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evoca.data.console import SHOWN, print_json, progress, report_rejects
from evoca.data.manifest.overwrite import claim_tables, keep_apart
from evoca.data.manifest.schema import TABLE_SUFFIXES
from evoca.errors import DataError, needs_extra
from evoca.images import ImageLimits, printable_name
from evoca.terminal import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evoca.data.collect import Exported, Found, Keyword, ReviewStore
    from evoca.data.download import LinkList, Outcome
    from evoca.data.manifest.table import Manifest

__all__ = ["collect", "download", "list_keywords"]

Output = Literal["table", "json"]


def download(
    links: Path,
    out: Path,
    *,
    concurrency: int,
    per_host: int,
    attempts: int,
    timeout: float,
    max_bytes: int,
    networks: Sequence[str],
    retry_dead: bool,
    refresh: bool,
    heed_robots: bool,
    strict: bool,
    output: Output,
) -> int:
    """Fetch a link list and write its tables."""
    with needs_extra("data"):
        from evoca.data.download import AddressPolicy, DownloadSettings, read_links
        from evoca.data.download import download as run
        from evoca.data.download.state import STATE_FILE
        from evoca.data.download.tables import TABLES, write_tables
    keep_apart(links, [out / name for name in TABLES])
    claim_tables(out / STATE_FILE, TABLES)
    listed = read_links(links)
    _note_rejects(listed, strict=strict)
    settings = DownloadSettings(
        concurrency=concurrency,
        per_host=per_host,
        attempts=attempts,
        read_timeout=timeout,
        limits=ImageLimits(max_bytes=max_bytes),
        addresses=AddressPolicy.of(networks),
        retry_dead=retry_dead,
        refresh=refresh,
        heed_robots=heed_robots,
    )
    with progress("links", len({link.url for link in listed.links})) as advance:
        outcomes = run(listed.links, out, settings, on_settled=advance)
    write_tables(out, listed, outcomes)
    _print_download(outcomes, listed, out, output)
    missing = sum(not outcome.image for outcome in outcomes)
    return int(missing > 0 or bool(listed.rejects))


def list_keywords(path: Path | None) -> int:
    """Print the keywords to search for, as a CSV to edit and hand back."""
    with needs_extra("data"):
        from evoca.data.collect import load_keywords
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("emotion", "keyword"))
    writer.writerows((item.emotion, item.keyword) for item in load_keywords(path))
    return 0


def collect(
    source: Path | None,
    out: Path,
    *,
    keywords: Path | None,
    port: int | None,
    browser: bool,
    networks: Sequence[str],
) -> int:
    """Take candidates in, serve the review page unless ``port`` is ``None``, write tables."""
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
        failed = source is not None and _add_candidates(store, source, out, table, networks)
        if port is not None:
            _serve(store, port, browser=browser)
        result = export_review(store.votes(), out)
    finally:
        store.close()
    _print_collected(result, out)
    return int(failed)


def _note_rejects(listed: LinkList, *, strict: bool = False) -> None:
    for item in listed.rejects[:SHOWN]:
        line = f"{listed.source}: row {item.row}: {item.cause}: {item.text[:100]!r}"
        if strict:
            raise DataError(line)
        say(line)
    if len(listed.rejects) > SHOWN:
        say(f"{listed.source}: and {len(listed.rejects) - SHOWN:,} more bad rows")


def _print_download(
    outcomes: Sequence[Outcome], listed: LinkList, out: Path, output: Output
) -> None:
    from evoca.data.download import repeated

    statuses = Counter(str(outcome.status) for outcome in outcomes)
    reasons = Counter((str(o.status), str(o.reason)) for o in outcomes if o.reason)
    same = repeated(outcomes)
    if output == "json":
        content = {
            "links": len(outcomes),
            "done": statuses["done"],
            "dead": statuses["dead"],
            "failed": statuses["failed"],
            "bad_rows": len(listed.rejects),
            "reasons": {reason: n for (_, reason), n in reasons.most_common()},
            "repeated": [{"sha256": digest, "urls": urls} for digest, urls in same],
            "manifest": printable_name(out / "manifest.csv"),
        }
        print_json(content)
        return
    print(f"{statuses['done']:>9,} done")
    for (status, reason), n in reasons.most_common():
        print(f"{n:>9,} {status}: {reason}")
    if listed.rejects:
        print(f"{len(listed.rejects):>9,} bad rows")
    for digest, urls in same[:SHOWN]:
        print(f"{len(urls):>9,} links gave the same bytes, {digest[:16]}: a placeholder?")
    say(f"wrote {printable_name(out / 'manifest.csv')}")


def _add_candidates(
    store: ReviewStore, source: Path, out: Path, table: list[Keyword], networks: Sequence[str]
) -> bool:
    """Take candidates in; say whether some inputs failed."""
    found, failed = _candidates(source, out, table, networks)
    new = store.add(found.candidates)
    say(f"{new:,} new questions about {len(found.candidates):,} images")
    if found.unmatched:
        say(f"{len(found.unmatched):,} images that no keyword speaks of are left out")
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
    """Read a manifest whose images are there; a list of links is none."""
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
    _note_rejects(listed)
    settings = DownloadSettings(addresses=AddressPolicy.of(networks))
    with progress("links", len({link.url for link in listed.links})) as advance:
        outcomes = run(listed.links, out, settings, on_settled=advance)
    lost = Counter(str(o.reason) for o in outcomes if o.reason)
    for reason, n in lost.most_common():
        say(f"{n:,} links without an image: {reason}")
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
    print(f"{result.annotators:>9,} reviewers")
    for label, n in sorted(result.labels.items()):
        print(f"{n:>9,} {label}")
    print(f"{result.tied:>9,} tied")
    print(f"{result.rejected:>9,} without an accepted emotion")
    say(f"wrote {printable_name(out / 'manifest.csv')}, votes.csv and verdicts.csv")
