"""``evoca serve``: the model over HTTP."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.data.common import NetworksOption
from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    AutoEngineOption,
    CoresOption,
    InferencePrecisionOption,
    ModelOption,
)
from evoca.commands.terminal import say
from evoca.errors import needs_extra
from evoca.images.decode import ImageLimits
from evoca.runtime.engines import DEFAULT_ENGINE
from evoca.serving import ServeSettings
from evoca.serving.settings import MIB

__all__ = ["app", "serve"]

app = command_app()


@command(
    app,
    examples=(
        "evoca serve",
        "evoca serve --collection tags.parquet --images photos",
        "evoca serve --host 0.0.0.0 --api-keys keys.txt --allowed-host emotions.example.org",
        "evoca serve --threads 2 --queue 64 --per-client 32 --max-files 32",
    ),
)
def serve(
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Accept requests here; 0.0.0.0: of other machines too.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, metavar="N", help="Serve at this port; 0: any."),
    ] = 8000,
    model: ModelOption = None,
    prior: Annotated[
        str | None,
        typer.Option(
            "--prior",
            metavar="PRIOR",
            help="Predict for these class frequencies where a request names none: natural, "
            "balanced, trained or a JSON file; the model's own if omitted.",
        ),
    ] = None,
    engine: AutoEngineOption = DEFAULT_ENGINE,
    precision: InferencePrecisionOption = None,
    threads: CoresOption = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            min=1,
            max=64,
            metavar="N",
            help="Predict up to N at once; what suits the engine if omitted.",
        ),
    ] = None,
    queue: Annotated[
        int,
        typer.Option(
            "--queue",
            min=1,
            metavar="N",
            help="Hold N images that wait or are computed; more are refused (503).",
        ),
    ] = 128,
    per_client: Annotated[
        int,
        typer.Option(
            "--per-client", min=1, metavar="N", help="Hold N of one client; more are refused (429)."
        ),
    ] = 64,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            min=0.1,
            metavar="SECONDS",
            help="Finish a request in this time, or answer 503.",
        ),
    ] = 30.0,
    patience: Annotated[
        float,
        typer.Option(
            "--patience",
            min=0.1,
            metavar="SECONDS",
            help="Wait so long for headers, and for a body that comes slower than 16 KiB a second.",
        ),
    ] = 10.0,
    drain: Annotated[
        float,
        typer.Option(
            "--drain", min=0, metavar="SECONDS", help="Finish what is under way after SIGTERM."
        ),
    ] = 30.0,
    max_request: Annotated[
        int, typer.Option("--max-request", min=1, metavar="MIB", help="Take requests up to this.")
    ] = 64,
    max_files: Annotated[
        int, typer.Option("--max-files", min=1, metavar="N", help="Take N images in one request.")
    ] = 64,
    max_image: Annotated[
        int, typer.Option("--max-image", min=1, metavar="MIB", help="Read images up to this.")
    ] = 32,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            "--max-pixels",
            min=1,
            metavar="N",
            help="Decode up to N pixels of an image; EVOCA_MAX_PIXELS or 100 million if omitted.",
        ),
    ] = None,
    decode_seconds: Annotated[
        float,
        typer.Option(
            "--decode-seconds",
            min=1,
            metavar="SECONDS",
            help="Decode an image in this much processor time, or not at all.",
        ),
    ] = 10.0,
    max_connections: Annotated[
        int, typer.Option("--max-connections", min=1, metavar="N", help="Keep N open at once.")
    ] = 512,
    api_keys: Annotated[
        Path | None,
        typer.Option(
            "--api-keys",
            metavar="FILE",
            help="Accept only requests with a key of this file: a name and a key on each line.",
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allowed-host",
            metavar="NAME",
            help="Accept requests for this Host alone, and others so named; repeatable. If "
            "omitted: this machine's names on a loopback address, else any.",
        ),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy",
            metavar="ADDRESS",
            help="Accept the client's address that this proxy states; repeatable.",
        ),
    ] = None,
    allow_urls: Annotated[
        bool,
        typer.Option("--allow-urls", help="Fetch images from addresses that requests name."),
    ] = False,
    allow_network: NetworksOption = None,
    collection: Annotated[
        list[Path] | None,
        typer.Option(
            "--collection",
            metavar="TAGS",
            help="Show the images of these tables of predictions on the page; repeatable.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            metavar="DIR",
            help="Read the collection's files in this folder alone; where its tables say if "
            "omitted.",
        ),
    ] = None,
) -> int | None:
    """Serve predictions over HTTP, to programs and pages."""
    limits = ImageLimits(max_bytes=max_image * MIB)
    if max_pixels is not None:
        limits = ImageLimits(max_bytes=max_image * MIB, max_pixels=max_pixels)
    settings = ServeSettings(
        host=host,
        port=port,
        model=model,
        prior=prior,
        engine=engine,
        precision=precision,
        threads=threads,
        batch_size=batch_size,
        queue=queue,
        per_client=per_client,
        request_seconds=timeout,
        patience_seconds=patience,
        drain_seconds=drain,
        max_request_bytes=max_request * MIB,
        max_files=max_files,
        image_limits=limits,
        decode_seconds=decode_seconds,
        max_connections=max_connections,
        api_keys=api_keys,
        allowed_hosts=tuple(allowed_host or ()),
        proxies=tuple(proxy or ()),
        allow_urls=allow_urls,
        networks=tuple(allow_network or ()),
        collection=tuple(collection or ()),
        images=images,
    )
    with needs_extra("serve"):
        from evoca import serving

        run = serving.serve
    if allow_urls:
        with needs_extra("data", "--allow-urls"):
            import httpx2  # noqa: F401
    # Programs read the same of the log, as JSON.
    run(settings, _say_where if sys.stderr.isatty() else lambda _: None)
    return None


def _say_where(address: str) -> None:
    say(f"evoca: serving at {address}; stop with Ctrl-C")
