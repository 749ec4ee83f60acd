"""What ``evoca data download``, ``duplicates`` and ``collect`` do; they return a status."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evoca.emotions import MIKELS8
from evoca.errors import DataError, MissingExtraError
from evoca.images import ImageLimits, find_images, printable_name
from evoca.terminal import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evoca.data.collect import Exported, Keyword, ReviewStore
    from evoca.data.download import LinkList, Outcome
    from evoca.data.duplicates import Cluster, DuplicateReport, Listed

__all__ = ["collect", "download", "duplicates", "list_keywords", "say"]

Output = Literal["table", "json"]

_SHOWN = 20


def say(text: str) -> None:
    """Print a line on standard error; names and servers cannot steer the terminal."""
    print(clean(text), file=sys.stderr)


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
    strict: bool,
    output: Output,
) -> int:
    """Fetch a link list and write its tables."""
    with _extra():
        from evoca.data.download import AddressPolicy, DownloadSettings, read_links
        from evoca.data.download import download as run
        from evoca.data.download.tables import write_tables
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
    )
    with _progress("links", len({link.url for link in listed.links})) as advance:
        outcomes = run(listed.links, out, settings, on_settled=advance)
    write_tables(out, listed, outcomes)
    _print_download(outcomes, listed, out, output)
    missing = sum(not outcome.image for outcome in outcomes)
    return int(missing > 0 or bool(listed.rejects))


def duplicates(
    data: Sequence[Path], *, threshold: int | None, out: Path | None, output: Output
) -> int:
    """Search folders and manifests for copies, and print what was found."""
    with _extra():
        from evoca.data.duplicates import DEFAULT_THRESHOLD, find_duplicates
        from evoca.data.fingerprints import fingerprint_all
    images = [image for path in data for image in _listed(path)]
    with _progress("images", len(images)) as advance:
        prints = []
        for print_ in fingerprint_all([image.path for image in images]):
            prints.append(print_)
            advance(1)
    bits = DEFAULT_THRESHOLD if threshold is None else threshold
    report = find_duplicates(images, threshold=bits, fingerprints=prints)
    if out is not None:
        _write_groups(out, report)
    if output == "json":
        print(json.dumps(_duplicates_as_json(report), indent=2))
    else:
        _print_duplicates(report)
    return int(bool(report.unreadable))


def list_keywords(path: Path | None) -> int:
    """Print the keywords to search for, as a CSV to edit and hand back."""
    with _extra():
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
    with _extra():
        from evoca.data.collect import ReviewStore, export_review, load_keywords
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


@contextmanager
def _extra() -> Iterator[None]:
    """Turn a missing package into one line that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("evoca"):
            raise
        raise MissingExtraError("this command", "data", error.name or "httpx2") from error


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda steps: progress.advance(task, steps)


def _note_rejects(listed: LinkList, *, strict: bool = False) -> None:
    for item in listed.rejects[:_SHOWN]:
        line = f"{listed.source}: row {item.row}: {item.cause}: {item.text[:100]!r}"
        if strict:
            raise DataError(line)
        say(line)
    if len(listed.rejects) > _SHOWN:
        say(f"{listed.source}: and {len(listed.rejects) - _SHOWN:,} more bad rows")


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
        print(json.dumps(content, indent=2))
        return
    print(f"{statuses['done']:>9,} done")
    for (status, reason), n in reasons.most_common():
        print(f"{n:>9,} {status}: {reason}")
    if listed.rejects:
        print(f"{len(listed.rejects):>9,} bad rows")
    for digest, urls in same[:_SHOWN]:
        print(f"{len(urls):>9,} links gave the same bytes, {digest[:16]}: a placeholder?")
    say(f"wrote {printable_name(out / 'manifest.csv')}")


def _listed(path: Path) -> list[Listed]:
    """Read what a folder of images or a manifest names."""
    return _listed_in_folder(path) if path.is_dir() else _listed_in_table(path)


def _listed_in_folder(folder: Path) -> list[Listed]:
    from evoca.data.duplicates import Listed

    found = [image.relative_to(folder) for image in find_images(folder)]
    if not found:
        raise DataError(f"{printable_name(folder)}: no images in this folder")
    source = printable_name(folder.resolve().name)
    return [Listed(folder / p, printable_name(p), _label_of(p), source) for p in found]


def _label_of(path: Path) -> str:
    parents = (part.lower() for part in reversed(path.parts[:-1]))
    return next((part for part in parents if part in MIKELS8), "")


def _listed_in_table(path: Path) -> list[Listed]:
    from evoca.data.duplicates import Listed

    where, root = printable_name(path), path.parent
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "image" not in (reader.fieldnames or []):
                raise DataError(f"{where}: no column image: give a manifest or a folder")
            rows = [row for row in reader if row["image"]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{where}: cannot be read: {cause}") from error
    return [
        Listed(
            root / row["image"],
            row["image"],
            row.get("emotion") or "",
            row.get("source") or printable_name(path.stem),
        )
        for row in rows
    ]


def _write_groups(out: Path, report: DuplicateReport) -> None:
    from evoca.data.download.tables import write_table

    rows = [
        {
            "image": image.image,
            "source": image.source,
            "emotion": image.emotion,
            "group": group,
            "sha256": print_.sha256,
            "width": str(print_.size[0] or ""),
            "height": str(print_.size[1] or ""),
            "error": print_.error,
        }
        for image, print_, group in zip(
            report.images, report.fingerprints, report.groups, strict=True
        )
    ]
    columns = ("image", "source", "emotion", "group", "sha256", "width", "height", "error")
    write_table(out, columns, rows)


def _print_duplicates(report: DuplicateReport) -> None:
    copies = sum(len(cluster.members) - 1 for cluster in report.clusters)
    across = sum(len(cluster.sources) > 1 for cluster in report.clusters)
    print(f"{len(report.images):>9,} images")
    print(f"{len(report.clusters):>9,} clusters of copies, {across:,} across data sets")
    print(f"{copies:>9,} images more than there are pictures")
    print(f"{len(report.conflicts):>9,} clusters with labels that contradict each other")
    print(f"{len(report.unreadable):>9,} unreadable images")
    for cluster in report.conflicts[:_SHOWN]:
        print(f"conflict {cluster.group}: {' / '.join(cluster.labels)}")
        for member in cluster.members[:_SHOWN]:
            print(clean(f"    {member.emotion or '-':<12} {member.source}: {member.image}"))
    for image, cause in report.unreadable[:_SHOWN]:
        print(clean(f"unreadable {image.source}: {image.image}: {cause}"))


def _duplicates_as_json(report: DuplicateReport) -> dict[str, Any]:
    return {
        "images": len(report.images),
        "clusters": [_cluster_as_json(cluster) for cluster in report.clusters],
        "conflicts": [cluster.group for cluster in report.conflicts],
        "unreadable": [
            {"image": image.image, "source": image.source, "error": cause}
            for image, cause in report.unreadable
        ],
    }


def _cluster_as_json(cluster: Cluster) -> dict[str, Any]:
    members = [
        {"image": m.image, "source": m.source, "emotion": m.emotion} for m in cluster.members
    ]
    return {
        "group": cluster.group,
        "exact": cluster.exact,
        "labels": cluster.labels,
        "images": members,
    }


def _add_candidates(
    store: ReviewStore, source: Path, out: Path, table: list[Keyword], networks: Sequence[str]
) -> bool:
    """Take candidates in; say whether some inputs failed."""
    from evoca.data.collect import candidates_from_folder, candidates_from_links
    from evoca.data.download import AddressPolicy, DownloadSettings, read_links
    from evoca.data.download import download as run

    failed = False
    if source.is_dir():
        found = candidates_from_folder(source, table)
    else:
        listed = read_links(source)
        _note_rejects(listed)
        settings = DownloadSettings(addresses=AddressPolicy.of(networks))
        with _progress("links", len({link.url for link in listed.links})) as advance:
            outcomes = run(listed.links, out, settings, on_settled=advance)
        found = candidates_from_links(listed.rows, outcomes, out, table)
        lost = Counter(str(o.reason) for o in outcomes if o.reason)
        for reason, n in lost.most_common():
            say(f"{n:,} links without an image: {reason}")
        failed = bool(lost or listed.rejects)
    new = store.add(found.candidates)
    say(f"{new:,} new questions about {len(found.candidates):,} images")
    if found.unmatched:
        say(f"{len(found.unmatched):,} images that no keyword speaks of are left out")
    for name, cause in found.unreadable[:_SHOWN]:
        say(f"{name}: {cause}")
    return failed or bool(found.unreadable)


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
