"""``evoca embed``: images in, the model's embedding of each out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import ModelOption, ThreadsOption, require_file_place
from evoca.commands.progress import announcing, is_quiet
from evoca.commands.terminal import say
from evoca.errors import EvocaError, ImageError
from evoca.images.walk import printable_name
from evoca.inputs import RemoteImage, list_sources, predict_sources
from evoca.progress import Advance
from evoca.tagger.table_file import Predicted

__all__ = ["app", "embed"]

app = command_app()


@command(
    app,
    long=True,
    examples=(
        "evoca embed folder/ --out looks.npy",
        "evoca embed folder/ other/ --out looks.parquet --batch-size 32",
    ),
)
def embed(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Read these images, folders and addresses (https://...)."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write this .parquet, or this .npy with the paths in .paths.csv beside it.",
        ),
    ],
    model: ModelOption = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", min=1, metavar="N", help="Compute N images at once."),
    ] = None,
    threads: ThreadsOption = None,
) -> int:
    """Write the model's embedding of each image to a file; unreadable ones are left out."""
    from evoca.collection.embeddings import paths_beside, write_embeddings
    from evoca.runtime.predictor import load

    _check_out(out)
    inputs = list(list_sources(paths, lambda line: say(f"evoca: {line}")))
    predictor = load(model, threads=threads)
    fetch = partial(RemoteImage.fetch, min_size=predictor.card.preprocessing.decode_size)
    stream = partial(predictor.stream, batch_size=batch_size)
    with announcing() as announce:
        advance = announce("embedding", len(inputs))
        found = write_embeddings(_counted(predict_sources(stream, inputs, fetch), advance), out)
    if not is_quiet():
        beside = f", paths in {printable_name(paths_beside(out))}" if _is_array(out) else ""
        lost = f"; {len(found.unread):,} could not be read, and are left out"
        say(
            f"evoca: {printable_name(out)}: {found.images:,} x {found.dimensions:,} float32"
            f"{beside}{lost if found.unread else ''}"
        )
    return int(bool(found.unread))


def _is_array(out: Path) -> bool:
    return out.suffix.lower() == ".npy"


def _check_out(out: Path) -> None:
    """Refuse, before anything is computed, what could not be written in the end."""
    from evoca.collection.embeddings import EMBEDDING_SUFFIXES
    from evoca.data.manifest.duckdb import connect

    if out.suffix.lower() not in EMBEDDING_SUFFIXES:
        endings = " or ".join(EMBEDDING_SUFFIXES)
        raise EvocaError(f"--out {printable_name(out)}: name a file that ends in {endings}")
    require_file_place(out)
    if not _is_array(out):
        connect()  # the extra is missing now, not after the last image


def _counted(predicted: Iterator[Predicted], advance: Advance) -> Iterator[Predicted]:
    """Yield predictions, with a line for each that is an error."""
    for one in predicted:
        if isinstance(one, ImageError):
            say(f"evoca: {one}")
        yield one
        advance(1)
