"""What the commands of ``evoca data`` print alike."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evoca.errors import visible_json
from evoca.terminal import console_for, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from evoca.data.manifest.rejects import Reject

__all__ = ["SHOWN", "print_json", "progress", "report_rejects"]

SHOWN = 20
"""How many cases of one kind a command prints before it counts the rest."""

_REJECTS_SHOWN = 3


def print_json(content: Mapping[str, object]) -> None:
    """Print one JSON object on standard output."""
    print(visible_json(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)))


def report_rejects(rejects: Sequence[Reject], listed: str = "") -> int:
    """Print the first refused rows on standard error.

    Args:
        rejects: the refused rows.
        listed: where all of them are listed; empty where nowhere.

    Returns:
        The exit status: 1 where there is any.
    """
    for reject in rejects[:_REJECTS_SHOWN]:
        say(f"evoca: {reject}")
    if len(rejects) > _REJECTS_SHOWN:
        say(f"evoca: and {len(rejects) - _REJECTS_SHOWN:,} more")
    if rejects and listed:
        say(f"evoca: {len(rejects):,} rows refused, listed in {listed}")
    return int(bool(rejects))


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error where that is a terminal.

    Args:
        what: the things that are counted.
        total: how many there are.

    Yields:
        What to call with the number of things that are done with.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console_for("stderr"), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)
