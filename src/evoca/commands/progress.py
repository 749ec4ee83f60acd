"""The progress of long work, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from evoca.commands.terminal import clean, console_for
from evoca.progress import Advance, Announce, advance_silently

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = [
    "SECONDS_BETWEEN_LINES",
    "advancing",
    "announcing",
    "announcing_lines",
    "is_quiet",
    "quietly",
    "terminal_bar",
]

SECONDS_BETWEEN_LINES = 60.0
"""Off a terminal, progress takes at most a line in so long."""

_quiet = False


@contextmanager
def quietly(wanted: bool) -> Iterator[None]:
    """Show no progress inside, where that is wanted."""
    global _quiet
    before, _quiet = _quiet, wanted
    try:
        yield
    finally:
        _quiet = before


def is_quiet() -> bool:
    """Return whether the user asked for no progress."""
    return _quiet


@contextmanager
def announcing() -> Iterator[Announce]:
    """Show each part of the work: a bar on a terminal, elsewhere a line in a minute."""
    with announcing_lines() as (announce, _):
        yield announce


@contextmanager
def advancing(what: str, total: int) -> Iterator[Advance]:
    """Show work of one part; elsewhere than on a terminal, nothing in its first minute.

    Args:
        what: is done, or the things that are counted.
        total: how many there are.

    Yields:
        A callback that takes the number of finished things.
    """
    with announcing_lines(briefly=True) as (announce, _):
        yield announce(what, total)


@contextmanager
def announcing_lines(*, briefly: bool = False) -> Iterator[tuple[Announce, Callable[[str], None]]]:
    """Show each part of the work as :func:`announcing` does, and lines that stay above the bar.

    Args:
        briefly: whether work that takes less than a minute leaves no line.

    Yields:
        The callback for parts, and the one for lines.
    """
    if _quiet:
        yield _announce_nothing, _say_what_matters
        return
    if not sys.stderr.isatty():
        lines = _Lines(time.monotonic() if briefly else float("-inf"))
        yield lines.announce, lines.say
        lines.catch_up()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with terminal_bar(*columns) as progress:
        bar = _Bar(progress)
        yield bar.announce, lambda line: progress.console.print(clean(line))
        bar.end()


def terminal_bar(*columns: Any) -> Progress:
    """Return a bar on standard error that is gone when it ends.

    Rich would print above the bar, and so on standard error, what is meant for standard
    output: on the same terminal that is right, in a file the results would be missing.

    Args:
        columns: of the bar, as ``rich.progress.Progress`` takes them.
    """
    from rich.progress import Progress

    return Progress(
        *columns,
        console=console_for("stderr"),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    )


class _Bar:
    """One bar at a time; each ends at 100%, also where the work ended before its time."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._total = 0

    def announce(self, name: str, total: int) -> Advance:
        self.end()
        self._total = max(1, total)
        task = self._task = self._progress.add_task(clean(name), total=self._total)
        return lambda units: self._progress.advance(task, units)

    def end(self) -> None:
        """Fill the bar and take it away; a line in its place would be one more of many."""
        if self._task is not None:
            self._progress.update(self._task, completed=self._total, refresh=True)
            self._progress.remove_task(self._task)
            self._task = None


class _Lines:
    """At most a line a minute, for logs; what is said of an epoch counts as one."""

    def __init__(self, last: float) -> None:
        self._last = last
        self._unsaid = ""

    def announce(self, name: str, total: int) -> Advance:
        done = 0

        def advance(units: int) -> None:
            nonlocal done
            done += units
            self._show(f"{name} ({min(done, total):,} of {total:,})")

        self._show(f"{name} ({total:,})")
        return advance

    def say(self, line: str) -> None:
        if line.startswith("evoca: "):  # a remark on the data, the machine or the result
            self.catch_up()
            _say(line)
        elif not self._show(line):
            self._unsaid = line

    def catch_up(self) -> None:
        """Show the last line that came too soon, such as that of the last epoch."""
        if self._unsaid:
            _say(self._unsaid)
        self._unsaid = ""

    def _show(self, line: str) -> bool:
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return False
        self._last, self._unsaid = now, ""
        _say(line)
        return True


def _announce_nothing(name: str, total: int) -> Advance:
    del name, total
    return advance_silently


def _say_what_matters(line: str) -> None:
    if line.startswith("evoca: "):
        _say(line)


def _say(line: str) -> None:
    print(clean(line), file=sys.stderr, flush=True)
