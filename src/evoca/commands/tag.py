"""``evoca tag``: images by the million into one table, safe to interrupt."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    RESUME_HINT,
    CoresOption,
    ImagesEngineOption,
    InferencePrecisionOption,
    ModelOption,
    PriorOption,
    require_file_place,
)
from evoca.commands.progress import SECONDS_BETWEEN_LINES, is_quiet, terminal_bar
from evoca.commands.terminal import console_for, duration, label_lines, say
from evoca.images.walk import printable_name
from evoca.tagger import Shard, Summary, TagSettings, Watcher
from evoca.words import counted

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["app", "tag"]

app = command_app()


@command(
    app,
    long=True,
    examples=(
        "evoca tag photos/ --out tags.parquet",
        "evoca tag 'shards/*.tar' --out tags.parquet --resume",
        "evoca tag manifest.csv --out part-2.parquet --shard 2/16",
        "evoca tag /shared/photos --out /shared/tags --ray auto",
    ),
    after_interrupt=RESUME_HINT,
)
def tag(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Read these images, folders, patterns, manifests, lists of links (.txt), tar "
            "archives and addresses (https://..., s3://...).",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write this .parquet, .csv or .jsonl; with --ray, this directory.",
        ),
    ],
    model: ModelOption = None,
    prior: PriorOption = None,
    engine: ImagesEngineOption = None,
    precision: InferencePrecisionOption = None,
    threads: CoresOption = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            min=1,
            metavar="N",
            help="Predict N images at once; measured if omitted.",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with what an earlier run left, and compute what is new or has changed; "
            "on a fresh output, start.",
        ),
    ] = False,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Read again what could not be read; for --resume."),
    ] = False,
    shard: Annotated[
        str,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Compute the I-th of N shares of the images; evoca merge joins them.",
        ),
    ] = "1/1",
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Compute on the Ray cluster at HOST:PORT or ray://HOST:PORT, on that of this "
            "machine (auto), or on one that is started for the run (local).",
        ),
    ] = None,
) -> int:
    """Predict images by the million into one table, safe to interrupt."""
    from evoca import tagger

    if retry_errors and not resume:
        raise typer.BadParameter("--retry-errors is for --resume, which goes on with a run")
    try:
        share = Shard.of(shard)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shard") from error
    if ray is None:
        require_file_place(out)
    else:
        _require_for_cluster(shard=share, threads=threads, retry_errors=retry_errors)
    settings = TagSettings(
        model=model,
        prior=prior,
        engine=engine,
        precision=precision,
        threads=threads,
        batch_size=batch_size,
        resume=resume,
        retry_errors=retry_errors,
        shard=share,
    )
    with _Progress() as progress:
        if ray is None:
            done = tagger.tag(paths, out, settings, progress)
        else:
            done = tagger.tag_on_cluster(paths, out, ray, settings, progress)
    if not is_quiet():
        _print_summary(out, done)
    return int(done.unread > 0)


def _require_for_cluster(*, shard: Shard, threads: int | None, retry_errors: bool) -> None:
    """Refuse options of one machine."""
    if shard != Shard():
        raise typer.BadParameter("--shard and --ray: a cluster divides the images itself")
    if threads is not None:
        raise typer.BadParameter("--threads is for one machine: a cluster has a number of its own")
    if retry_errors:
        raise typer.BadParameter(
            "--retry-errors is for one machine: with --ray, tag what could not be read into "
            "another --out"
        )


def _print_summary(out: Path, done: Summary) -> None:
    console = console_for("stderr")
    for line in label_lines(done.emotions, console):
        console.print(line)
    for cause, count in done.errors.most_common(_CAUSES):
        say(f"{count:,} could not be read: {cause}")
    if len(done.errors) > _CAUSES:
        say(f"{counted(len(done.errors) - _CAUSES, 'other cause')}: see the column error")
    rate = f" ({done.computed / done.seconds:,.0f} images/s)" if done.computed else ""
    say(
        f"evoca: {printable_name(out)}: {counted(done.images, 'image')}, {done.computed:,} "
        f"computed now, {done.unread:,} could not be read, {duration(done.seconds)}{rate}"
    )


_CAUSES = 8


class _Progress(Watcher):
    """Shows the rate, what could not be read and the time left: a bar, or a line in a minute."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._total = self._done = self._unread = 0
        self._began = self._last = 0.0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def say(self, line: str) -> None:
        say(f"evoca: {line}")

    def begin(self, left: int, listed: int) -> None:
        self._total, self._began = left, time.monotonic()
        self._last = self._began
        if is_quiet():
            return
        known = "" if left == listed else f", {listed - left:,} of {listed:,} are there already"
        say(f"evoca: {counted(left, 'image')} to compute{known}")
        if sys.stderr.isatty():
            self._show_bar()

    def _show_bar(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
        self._bar = self._opened.enter_context(terminal_bar(*columns))
        self._task = self._bar.add_task("", total=self._total)

    def advance(self, computed: int, unread: int) -> None:
        self._done += computed
        self._unread += unread
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self._done, description=self._rate())
        elif not is_quiet() and time.monotonic() - self._last >= SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            say(f"{self._done:,} of {counted(self._total, 'image')}, {self._rate()}")

    def _rate(self) -> str:
        """Return the rate, the errors and the time left in words."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        left = (self._total - self._done) * seconds / self._done
        unread = f", {self._unread:,} could not be read" if self._unread else ""
        return f"{self._done / seconds:,.0f} images/s{unread}, {duration(left)} left"
