"""``evoca data download``, ``duplicates`` and ``collect``: parse and call."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evoca.exits import finish

__all__ = ["app", "collect", "download", "duplicates"]

app = typer.Typer(help="Fetch images, find copies, collect a set.", no_args_is_help=True)


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"


_Format = Annotated[Output, typer.Option("--format", help="What to print.")]
_Networks = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-network",
        metavar="NETWORK",
        help="A network that is not public but may be reached, such as 10.0.0.0/8; repeatable.",
    ),
]


@app.command()
def download(
    links: Annotated[
        Path,
        typer.Argument(
            metavar="LINKS",
            help="A CSV, TSV or Parquet file with the column url, or text, one link a line.",
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
    allow_network: _Networks = None,
    retry_dead: Annotated[bool, typer.Option("--retry-dead", help="Try dead links again.")] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask whether fetched files have changed.")
    ] = False,
    heed_robots: Annotated[
        bool,
        typer.Option(
            "--heed-robots/--ignore-robots",
            help="Leave pictures whose server says that they are not for AI (X-Robots-Tag).",
        ),
    ] = True,
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
        from evoca.data.fetch_commands import download as run

        return run(
            links,
            out,
            concurrency=concurrency,
            per_host=per_host,
            attempts=attempts,
            timeout=timeout,
            max_bytes=max_bytes,
            networks=allow_network or [],
            retry_dead=retry_dead,
            refresh=refresh,
            heed_robots=heed_robots,
            strict=strict,
            output=output.value,
        )

    finish(call, "; run it again to go on")


@app.command()
def duplicates(
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="Manifests and folders of images."),
    ],
    threshold: Annotated[
        int | None,
        typer.Option(min=0, max=128, help="How many of 128 bits may differ; 20 by default."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write all images with their group: .parquet or .csv."
        ),
    ] = None,
    output: _Format = Output.TABLE,
) -> None:
    """Find exact and near copies, labels that contradict each other, and damaged files."""

    def call() -> int:
        from evoca.data.duplicates_command import duplicates as run

        return run(data, threshold=threshold, out=out, output=output.value)

    finish(call, "; run it again to go on")


@app.command()
def collect(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="A folder or manifest of candidates, or a link list; none to go on with DIR.",
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
    allow_network: _Networks = None,
) -> None:
    """Collect a data set: candidates by keyword, reviewed in the browser, to a manifest.

    Several people review on one page, each under a name. Stop with Ctrl-C: DIR then holds
    manifest.csv, votes.csv (image, annotator, emotion) and verdicts.csv (all answers).
    """
    if out is None and not print_keywords:
        raise typer.BadParameter("name the folder to fill", param_hint="--out")

    def call() -> int:
        from evoca.data.fetch_commands import collect as run
        from evoca.data.fetch_commands import list_keywords

        if out is None or print_keywords:
            return list_keywords(keywords)
        return run(
            source,
            out,
            keywords=keywords,
            port=port if serve else None,
            browser=browser,
            networks=allow_network or [],
        )

    finish(call, "; run it again to go on")
