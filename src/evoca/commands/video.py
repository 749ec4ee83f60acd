"""``evoca video``: which emotions each moment of a film evokes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from evoca.commands.exits import command, command_app
from evoca.commands.options import (
    CoresOption,
    FilmEngineOption,
    InferencePrecisionOption,
    ModelOption,
    PriorOption,
    require_file_place,
)
from evoca.commands.progress import announcing_lines, is_quiet
from evoca.commands.terminal import clean, console_for, duration, emotion_bar, say
from evoca.images.walk import printable_name
from evoca.video import FilmWatcher, TimelineSettings
from evoca.words import counted

if TYPE_CHECKING:
    from rich.console import Console

    from evoca.progress import Advance, Announce
    from evoca.video import Timeline
    from evoca.video.container import Facts

__all__ = ["app", "video"]

app = command_app()

_PICTURES = 160


@command(
    app,
    long=True,
    examples=(
        "evoca video film.mp4",
        "evoca video film.mp4 --out film.parquet --html film.html",
        "evoca video film.mkv --out film.csv --svg film.svg --scenes",
        "evoca video clip.webm --out clip.jsonl --rate 5 --smooth 0.5",
    ),
)
def video(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Read this video file.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Write a .parquet, .csv or .jsonl with a row per predicted frame, and the shots "
            "beside it (NAME.shots.csv, ...).",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE.html",
            help="Write a page that plays the film with its timeline under it, offline.",
        ),
    ] = None,
    svg: Annotated[
        Path | None,
        typer.Option("--svg", metavar="FILE.svg", help="Write the chart with key frames."),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(
            "--rate", min=0.001, max=1000.0, metavar="N", help="Predict N frames a second."
        ),
    ] = 2.0,
    scenes: Annotated[
        bool,
        typer.Option(
            "--scenes", help="Predict one frame per shot, near its middle, not by --rate."
        ),
    ] = False,
    smooth: Annotated[
        float,
        typer.Option(
            "--smooth",
            min=0.0,
            metavar="SECONDS",
            help="Use a Gaussian kernel of this standard deviation over the time of a shot; "
            "0 for none.",
        ),
    ] = 1.0,
    model: ModelOption = None,
    prior: PriorOption = None,
    engine: FilmEngineOption = None,
    precision: InferencePrecisionOption = None,
    threads: CoresOption = None,
) -> int:
    """Predict which emotions each moment of a film evokes: a timeline with shots."""
    from evoca import video as films

    settings = _settings(
        rate=rate,
        scenes=scenes,
        smooth=smooth,
        model=model,
        prior=prior,
        engine=engine,
        precision=precision,
        threads=threads,
        key_frames=_PICTURES if html or svg else 0,
    )
    _require_places(out, html, svg)
    began = time.monotonic()
    with announcing_lines(briefly=True) as (announce, print_line):
        found = films.timeline(file, settings, _Progress(announce, print_line))
    if out is not None:
        films.write_timeline(found, out)
    if html is not None:
        films.write_timeline_page(found, html, file, smooth=smooth, scenes=scenes)
    if svg is not None:
        films.write_chart(found, svg)
    _print_summary(found)
    _say_end(found, [one for one in (out, html, svg) if one], time.monotonic() - began)
    return int(bool(found.faults))


def _settings(**given: object) -> TimelineSettings:
    try:
        return TimelineSettings(**given)  # type: ignore[arg-type]
    except ValueError as error:
        raise typer.BadParameter(f"--{error}") from error


def _require_places(out: Path | None, html: Path | None, svg: Path | None) -> None:
    """Refuse, before any work, what could not be written in the end."""
    from evoca.video.table import require_table, shots_table

    if out is not None:
        require_table(out)
        require_file_place(out)
        require_file_place(shots_table(out))
    for option, place in (("--html", html), ("--svg", svg)):
        if place is not None:
            require_file_place(place, option)


class _Progress(FilmWatcher):
    """Shows the time in the film that has been reached."""

    def __init__(self, announce: Announce, print_line: Callable[[str], None]) -> None:
        self._announce, self._print_line = announce, print_line
        self._advance: Advance | None = None
        self._shown = 0

    def say(self, line: str) -> None:
        self._print_line(f"evoca: {line}")

    def begin_film(self, facts: Facts) -> None:
        for note in facts.notes:
            self.say(note)
        self._advance = self._announce("seconds of the film", round(facts.seconds or 0))

    def reach(self, seconds: float) -> None:
        more = int(seconds) - self._shown
        if more > 0 and self._advance is not None:
            self._shown += more
            self._advance(more)


def _print_summary(found: Timeline) -> None:
    from evoca.video.chart import clock

    console, facts = console_for(), found.facts
    shots = counted(len(found.shots), "shot")
    rate = "" if facts.rate is None else f", {facts.rate:.4g} frames/s"
    console.print(Text(clean(found.path), style="bold underline"))
    console.print(
        f"{clock(found.seconds)}, {shots}, {counted(len(found), 'frame')} predicted; "
        f"{facts.width} x {facts.height}{rate}, {facts.codec}"
    )
    console.print()
    console.print(Text(f"  {'':13} over the film{'':23} strongest", style="dim"))
    for line in _emotions(found, console):
        console.print(line)


def _emotions(found: Timeline, console: Console) -> list[Text]:
    """Return a line per emotion, the commonest first: its share, a bar, and when it peaks."""
    from evoca.video.chart import clock

    shares = dict(zip(found.labels, found.distribution.tolist(), strict=True))
    lines = []
    for label, at, share in sorted(found.peaks(), key=lambda peak: -shares[peak[0]]):
        line = emotion_bar(label, shares[label], console)
        line.pad_right(max(0, 52 - line.cell_len))
        lines.append(line.append(f"{share:4.0%} at {clock(at)}"))
    return lines


def _say_end(found: Timeline, written: list[Path], seconds: float) -> None:
    for fault in found.faults:
        say(f"evoca: {printable_name(found.path)}: {fault}")
    if is_quiet():
        return
    names = ", ".join(printable_name(one) for one in written)
    wrote = f"{names}: written; " if written else ""
    say(
        f"evoca: {wrote}{duration(seconds)}, {found.seconds / max(seconds, 1e-9):.1f} times as "
        "fast as the film plays"
    )
