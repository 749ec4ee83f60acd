"""How every command ends: one line for every failure, and a status that tells."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

__all__ = ["INTERRUPTED", "finish"]

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


def finish(call: Callable[[], int | None], after_interrupt: str = "") -> None:
    """Run a command and leave with its status: 0 fine, 1 some failed, 130 interrupted.

    Args:
        call: does the work; returns the status, ``None`` for 0.
        after_interrupt: what to say after "interrupted", where the work can go on.

    Raises:
        typer.Exit: always.
    """
    from evoca.errors import EvocaError
    from evoca.terminal import clean

    try:
        status = call() or 0
        sys.stdout.flush()
    except EvocaError as error:
        print(f"evoca: {clean(str(error))}", file=sys.stderr)
        status = 1
    except BrokenPipeError:
        # The reader has gone, as in `evoca ... | head`; nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except OSError as error:  # such as a full disk behind standard output
        print(f"evoca: {clean(str(error))}", file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        print(f"evoca: interrupted{after_interrupt}", file=sys.stderr)
        status = INTERRUPTED
    raise typer.Exit(status)
