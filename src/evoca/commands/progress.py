"""How the steps of long work are shown."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from evoca.commands.terminal import console_for

__all__ = ["Step", "steps"]

Step = Callable[[str, int], Callable[[int], None]]
"""Announces a step by name and size; gives what to call as it advances."""


@contextmanager
def steps() -> Iterator[Step]:
    """Show the steps of the work: bars on a terminal, a line each elsewhere."""
    if not sys.stderr.isatty():

        def announce(name: str, total: int) -> Callable[[int], None]:
            print(f"{name} ({total})", file=sys.stderr, flush=True)
            return lambda _: None

        yield announce
        return
    from rich.progress import Progress

    with Progress(console=console_for("stderr"), transient=True) as progress:

        def begin(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=total)
            return lambda amount: progress.advance(task, amount)

        yield begin
