"""``evoca data download``: the images of a link list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evoca.commands.data.common import (
    SHOWN,
    FormatOption,
    NetworksOption,
    note_rejects,
    print_json,
)
from evoca.commands.exits import command, command_app
from evoca.commands.options import FigureFormat
from evoca.commands.progress import advancing
from evoca.commands.terminal import say
from evoca.data.manifest.overwrite import claim_tables, keep_apart
from evoca.errors import needs_extra
from evoca.images import ImageLimits, printable_name
from evoca.words import by_number

if TYPE_CHECKING:
    from evoca.data.download import LinkList, Outcome

__all__ = ["app", "download"]

app = command_app()


@command(
    app,
    long=True,
    examples=("evoca data download links.csv --out pictures/ --per-host 2",),
    after_interrupt="; run it again to go on",
)
def download(
    links: Annotated[
        Path,
        typer.Argument(
            metavar="LINKS",
            help="Read a CSV, TSV or Parquet file with the column url, or text, one link per line.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Fill this folder.")],
    concurrency: Annotated[
        int, typer.Option(min=1, metavar="N", help="Send N requests at once.")
    ] = 16,
    per_host: Annotated[
        int, typer.Option(min=1, metavar="N", help="Send N of them to one host.")
    ] = 4,
    attempts: Annotated[
        int, typer.Option(min=1, metavar="N", help="Try a link N times in one run.")
    ] = 4,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Wait so long for the next bytes.")
    ] = 30.0,
    max_bytes: Annotated[
        int, typer.Option(min=1, metavar="N", help="Accept files of up to N bytes.")
    ] = 32 * 1024 * 1024,
    allow_network: NetworksOption = None,
    retry_dead: Annotated[bool, typer.Option("--retry-dead", help="Try dead links again.")] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Check whether fetched files have changed.")
    ] = False,
    heed_robots: Annotated[
        bool,
        typer.Option(
            "--heed-robots/--ignore-robots",
            help="Leave pictures whose server states that they are not for AI (X-Robots-Tag).",
        ),
    ] = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first bad row of LINKS.")
    ] = False,
    output: FormatOption = FigureFormat.TABLE,
) -> int:
    """Fetch the images of a link list; run it again to go on where it stopped.

    DIR gets the images, manifest.csv (the rows that have an image, all columns kept) and
    manifest.rejects.csv (the others, each with its reason).
    """
    with needs_extra("data"):
        from evoca.data.download import AddressPolicy, DownloadSettings, read_links
        from evoca.data.download import download as run
        from evoca.data.download.state import STATE_FILE
        from evoca.data.download.tables import TABLES, write_tables
    keep_apart(links, [out / name for name in TABLES])
    claim_tables(out / STATE_FILE, TABLES)
    listed = read_links(links)
    note_rejects(listed, strict=strict)
    settings = DownloadSettings(
        concurrency=concurrency,
        per_host=per_host,
        attempts=attempts,
        read_timeout=timeout,
        limits=ImageLimits(max_bytes=max_bytes),
        addresses=AddressPolicy.of(allow_network or []),
        retry_dead=retry_dead,
        refresh=refresh,
        heed_robots=heed_robots,
    )
    with advancing("links", len({link.url for link in listed.links})) as advance:
        outcomes = run(listed.links, out, settings, on_settled=advance)
    write_tables(out, listed, outcomes)
    _print_download(outcomes, listed, out, output)
    missing = sum(not outcome.image for outcome in outcomes)
    return int(missing > 0 or bool(listed.rejects))


def _print_download(
    outcomes: Sequence[Outcome], listed: LinkList, out: Path, output: FigureFormat
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
        print(f"{len(listed.rejects):>9,} bad {by_number(len(listed.rejects), 'row')}")
    for digest, urls in same[:SHOWN]:
        print(f"{len(urls):>9,} links gave the same bytes, {digest[:16]}: a placeholder?")
    say(f"wrote {printable_name(out / 'manifest.csv')}")
