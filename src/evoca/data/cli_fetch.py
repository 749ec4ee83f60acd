"""``evoca data download``, ``duplicates`` and ``collect``: parse, call, print."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evoca.errors import DataError, EvocaError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evoca.data.collect import Exported, Keyword, ReviewStore
    from evoca.data.download import LinkList, Outcome
    from evoca.data.duplicates import DuplicateReport, Listed

__all__ = ["app", "collect", "download", "duplicates"]

app = typer.Typer(help="Fetch images, find copies, collect a set.", no_args_is_help=True)

_INTERRUPTED = 130
_SHOWN = 20


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


_Format = Annotated[Output, typer.Option("--format", help="What to print.")]


@app.command()
def download(
    links: Annotated[
        Path,
        typer.Argument(
            metavar="LINKS", help="A CSV or TSV with the column url, or text, one link a line."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to fill.")],
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at once.")] = 16,
    per_host: Annotated[int, typer.Option(min=1, help="Requests at once at one host.")] = 4,
    attempts: Annotated[int, typer.Option(min=1, help="Tries of a link in one run.")] = 4,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for the next bytes.")
    ] = 30.0,
    max_bytes: Annotated[
        int, typer.Option(min=1, metavar="N", help="The largest file to accept.")
    ] = 32 * 1024 * 1024,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK", help="A network that is not public but may be reached; repeatable."
        ),
    ] = None,
    retry_dead: Annotated[bool, typer.Option("--retry-dead", help="Try dead links again.")] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask whether fetched files have changed.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad row of LINKS.")
    ] = False,
    output: _Format = Output.TABLE,
) -> None:
    """Fetch the images of a link list; run it again to go on where it stopped.

    DIR gets the images, manifest.csv (the rows that have an image, all columns kept) and
    manifest.rejects.csv (the others, each with its reason).
    """

    def call() -> int:
        with _extra():
            from evoca.data.download import AddressPolicy, DownloadSettings, read_links
            from evoca.data.download import download as run
            from evoca.data.download.tables import write_tables
            from evoca.images import ImageLimits
        listed = read_links(links)
        _note_rejects(listed, strict=strict)
        settings = DownloadSettings(
            concurrency=concurrency,
            per_host=per_host,
            attempts=attempts,
            read_timeout=timeout,
            limits=ImageLimits(max_bytes=max_bytes),
            addresses=AddressPolicy.of(allow_network or []),
            retry_dead=retry_dead,
            refresh=refresh,
        )
        with _progress("links", len({link.url for link in listed.links})) as advance:
            outcomes = run(listed.links, out, settings, on_settled=advance)
        write_tables(out, listed, outcomes)
        return _print_download(outcomes, listed, out, output)

    _finish(call)


@app.command()
def duplicates(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="Manifests (CSV) and folders of images."),
    ],
    threshold: Annotated[
        int | None,
        typer.Option(min=0, max=128, help="How many of 128 bits may differ; 20 by default."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE.csv", help="Write every image with its group."),
    ] = None,
    output: _Format = Output.TABLE,
) -> None:
    """Find exact and near copies, labels that contradict each other, and damaged files."""

    def call() -> int:
        with _extra():
            from evoca.data.duplicates import DEFAULT_THRESHOLD, find_duplicates
            from evoca.data.fingerprints import fingerprint_all
        images = [image for path in data for image in _listed(path)]
        with _progress("images", len(images)) as advance:
            prints = []
            for print_ in fingerprint_all([image.path for image in images]):
                prints.append(print_)
                advance(1)
        report = find_duplicates(
            images,
            threshold=DEFAULT_THRESHOLD if threshold is None else threshold,
            fingerprints=prints,
        )
        if out is not None:
            _write_groups(out, report)
        _print_duplicates(report, output)
        return int(bool(report.unreadable))

    _finish(call)


@app.command()
def collect(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="A folder of candidates, or a link list; none to go on with DIR as it is.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where votes and tables are kept.")
    ] = None,
    keywords: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="Columns emotion and keyword; Evoca's by default."),
    ] = None,
    print_keywords: Annotated[
        bool, typer.Option("--print-keywords", help="Print the keywords to search for, and stop.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the review page.")] = 0,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Open the review page.")] = True,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it in a browser.")
    ] = True,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NETWORK", help="A network that is not public but may be reached; repeatable."
        ),
    ] = None,
) -> None:
    """Collect a data set: candidates by keyword, reviewed in the browser, to a manifest.

    Several people review on one page, each under a name. Stop with Ctrl-C: DIR then holds
    manifest.csv, votes.csv (image, annotator, emotion) and verdicts.csv (all answers).
    """

    def call() -> int:
        with _extra():
            from evoca.data.collect import ReviewStore, export_review, load_keywords
        table = load_keywords(keywords)
        if print_keywords:
            print("emotion,keyword")
            for item in table:
                print(f"{item.emotion},{item.keyword}")
            return 0
        if out is None:
            raise typer.BadParameter("name the folder to fill with --out DIR")
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

    _finish(call)


def _finish(call: Callable[[], int]) -> None:
    """Run a command; every failure becomes one line on standard error and a status."""
    try:
        status = call()
        sys.stdout.flush()
    except EvocaError as error:
        _say(f"evoca: {error}")
        status = 1
    except KeyboardInterrupt:
        _say("evoca: interrupted; run it again to go on")
        status = _INTERRUPTED
    raise typer.Exit(status)


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


def _say(text: str) -> None:
    print(_clean(text), file=sys.stderr)


def _clean(text: str) -> str:
    """Make control characters visible: names and servers must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _note_rejects(listed: LinkList, *, strict: bool) -> None:
    for item in listed.rejects[: 1 if strict else _SHOWN]:
        line = f"{listed.source}: line {item.line}: {item.cause}: {item.text[:100]!r}"
        if strict:
            raise DataError(line)
        _say(line)
    if len(listed.rejects) > _SHOWN:
        _say(f"{listed.source}: and {len(listed.rejects) - _SHOWN:,} more bad rows")


def _print_download(
    outcomes: Sequence[Outcome], listed: LinkList, out: Path, output: Output
) -> int:
    from evoca.data.download import repeated

    statuses = Counter(str(outcome.status) for outcome in outcomes)
    reasons = Counter((str(o.status), str(o.reason)) for o in outcomes if o.reason)
    same = repeated(outcomes)
    failed = len(listed.rejects) + len(outcomes) - statuses["done"]
    if output is Output.JSON:
        content = {
            "links": len(outcomes),
            "done": statuses["done"],
            "dead": statuses["dead"],
            "failed": statuses["failed"],
            "bad_rows": len(listed.rejects),
            "reasons": {reason: n for (_, reason), n in reasons.most_common()},
            "repeated": [{"sha256": digest, "urls": urls} for digest, urls in same],
            "manifest": str(out / "manifest.csv"),
        }
        print(json.dumps(content, indent=2))
        return int(failed > 0)
    print(f"{statuses['done']:>9,} done")
    for (status, reason), n in reasons.most_common():
        print(f"{n:>9,} {status}: {reason}")
    if listed.rejects:
        print(f"{len(listed.rejects):>9,} bad rows")
    for digest, urls in same[:_SHOWN]:
        print(f"{len(urls):>9,} links gave the same bytes, {digest[:16]}: a placeholder?")
    _say(f"wrote {out / 'manifest.csv'}")
    return int(failed > 0)


def _listed(path: Path) -> list[Listed]:
    """Read what a folder of images or a manifest names."""
    from evoca.data.duplicates import Listed
    from evoca.images import find_images, printable_name

    source = printable_name(path)
    if path.is_dir():
        found = list(find_images(path))
        if not found:
            raise DataError(f"{source}: no images in this folder")
        return [
            Listed(
                image, printable_name(image.relative_to(path)), _label_of(image, path), path.name
            )
            for image in found
        ]
    return _listed_in_table(path, source)


def _label_of(image: Path, folder: Path) -> str:
    from evoca.emotions import MIKELS8

    parts = image.relative_to(folder).parts[:-1]
    return next((part.lower() for part in reversed(parts) if part.lower() in MIKELS8), "")


def _listed_in_table(path: Path, source: str) -> list[Listed]:
    import csv

    from evoca.data.duplicates import Listed

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if "image" not in (reader.fieldnames or []):
                raise DataError(f"{source}: no column image: give a manifest or a folder")
            return [
                Listed(
                    path.parent / row["image"],
                    row["image"],
                    row.get("emotion") or "",
                    row.get("source") or path.stem,
                )
                for row in reader
                if row["image"]
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{source}: cannot be read: {cause}") from error


def _add_candidates(
    store: ReviewStore, source: Path, out: Path, table: list[Keyword], networks: list[str]
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
        _note_rejects(listed, strict=False)
        settings = DownloadSettings(addresses=AddressPolicy.of(networks))
        with _progress("links", len({link.url for link in listed.links})) as advance:
            outcomes = run(listed.links, out, settings, on_settled=advance)
        found = candidates_from_links(listed.rows, outcomes, out, table)
        lost = Counter(str(o.reason) for o in outcomes if o.reason)
        for reason, n in lost.most_common():
            _say(f"{n:,} links without an image: {reason}")
        failed = bool(lost or listed.rejects)
    new = store.add(found.candidates)
    _say(f"{new:,} new questions about {len(found.candidates):,} images")
    if found.unmatched:
        _say(f"{len(found.unmatched):,} images that no keyword speaks of are left out")
    for name, cause in found.unreadable[:_SHOWN]:
        _say(f"{name}: {cause}")
    return failed or bool(found.unreadable)


def _serve(store: ReviewStore, port: int, *, browser: bool) -> None:
    """Serve the review page until Ctrl-C."""
    import webbrowser

    from evoca.data.collect import ReviewServer

    with ReviewServer(store, port) as server:
        _say(f"review at {server.url} and stop with Ctrl-C")
        if browser:
            webbrowser.open(server.url)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
        _say("")


def _print_collected(result: Exported, out: Path) -> None:
    print(f"{result.annotators:>9,} reviewers")
    for label, n in sorted(result.labels.items()):
        print(f"{n:>9,} {label}")
    print(f"{result.tied:>9,} tied")
    print(f"{result.rejected:>9,} without an accepted emotion")
    _say(f"wrote {out / 'manifest.csv'}, votes.csv and verdicts.csv")


def _write_groups(out: Path, report: DuplicateReport) -> None:
    from evoca.data.download.tables import write_table

    columns = ("image", "source", "emotion", "group", "sha256", "width", "height", "error")
    rows: list[dict[str, str]] = []
    for image, print_, group in zip(report.images, report.fingerprints, report.groups, strict=True):
        width, height = print_.size
        values: tuple[Any, ...] = (
            image.image,
            image.source,
            image.emotion,
            group,
            print_.sha256,
            width or "",
            height or "",
            print_.error,
        )
        rows.append({c: str(v) for c, v in zip(columns, values, strict=True)})
    write_table(out, columns, rows)


def _print_duplicates(report: DuplicateReport, output: Output) -> None:
    if output is Output.JSON:
        print(json.dumps(_duplicates_as_json(report), indent=2))
        return
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
            print(_clean(f"    {member.emotion or '-':<12} {member.source}: {member.image}"))
    for image, cause in report.unreadable[:_SHOWN]:
        print(_clean(f"unreadable {image.source}: {image.image}: {cause}"))


def _duplicates_as_json(report: DuplicateReport) -> dict[str, Any]:
    return {
        "images": len(report.images),
        "clusters": [
            {
                "group": cluster.group,
                "exact": cluster.exact,
                "labels": cluster.labels,
                "images": [
                    {"image": m.image, "source": m.source, "emotion": m.emotion}
                    for m in cluster.members
                ],
            }
            for cluster in report.clusters
        ],
        "conflicts": [cluster.group for cluster in report.conflicts],
        "unreadable": [
            {"image": image.image, "source": image.source, "error": cause}
            for image, cause in report.unreadable
        ],
    }
