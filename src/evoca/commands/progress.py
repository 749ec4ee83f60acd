"""The progress of long work, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evoca.commands.terminal import clean, console_for
from evoca.progress import Advance, Announce, advance_silently

__all__ = ["announcing", "announcing_lines"]


@contextmanager
def announcing() -> Iterator[Announce]:
    """Show each part of the work: a bar on a terminal, a line elsewhere."""
    with announcing_lines(transient=True) as (announce, _):
        yield announce


@contextmanager
def announcing_lines(
    *, transient: bool = False
) -> Iterator[tuple[Announce, Callable[[str], None]]]:
    """Show each part of the work as :func:`announcing` does, and lines that stay above the bars.

    Args:
        transient: whether the bars vanish in the end.

    Yields:
        The callback for parts, and the one for lines.
    """
    if not sys.stderr.isatty():
        yield _announce_line, _say
        return
    from rich.progress import Progress

    with Progress(console=console_for("stderr"), transient=transient) as progress:

        def announce(name: str, total: int) -> Advance:
            task = progress.add_task(name, total=total)
            return lambda units: progress.advance(task, units)

        yield announce, lambda line: progress.console.print(clean(line))


def _announce_line(name: str, total: int) -> Advance:
    print(f"{name} ({total})", file=sys.stderr, flush=True)
    return advance_silently


def _say(line: str) -> None:
    print(clean(line), file=sys.stderr, flush=True)
