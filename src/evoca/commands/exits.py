"""How every command begins and ends: streams that can be written, one line for every failure."""

from __future__ import annotations

import atexit
import inspect
import io
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from typing import Annotated, Any, ParamSpec

import typer

from evoca.commands.help import HelpCommand, HelpGroup, as_epilog
from evoca.drafts import ended_by_exception

__all__ = [
    "INTERRUPTED",
    "command",
    "command_app",
    "finish",
    "leave",
    "open_streams",
]

P = ParamSpec("P")

INTERRUPTED = 130
"""The exit status after Ctrl-C."""


def open_streams() -> None:
    """Make standard input, output and error usable where the caller closed them.

    Services and ``>&-`` do so. Python then has ``None`` in the place of a stream: ``print``
    takes standard output where standard error is meant, and the next file that is opened
    gets the free number, so that messages land in it. Output without a reader is dropped.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, and those below are open by now.
            opened = os.open(os.devnull, os.O_RDONLY if number == 0 else os.O_WRONLY)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr.fileno() == 2:
        sys.stderr = _messages()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name the encoding lacks is no crash
        sys.stdout.reconfigure(errors="replace")


class _Messages(io.FileIO):
    """Standard error that no full disk stops: results matter more than messages."""

    def write(self, data: Any) -> int:
        """Write, or lose, all of the bytes, and return their number."""
        with suppress(OSError):
            super().write(data)
        return len(data)


def _messages() -> io.TextIOWrapper:
    raw = _Messages(2, "w", closefd=False)
    buffered = io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffered, encoding=sys.stderr.encoding, errors="backslashreplace", line_buffering=True
    )


def finish(call: Callable[[], int | None], after_interrupt: str = "") -> None:
    """Run a command and leave with its status: 0 fine, 1 some failed, 130 interrupted.

    A signal that ends the process (SIGTERM) still does, after what Ctrl-C would have done.

    Args:
        call: does the work; returns the status, ``None`` for 0.
        after_interrupt: the message after "interrupted", where the work can go on.

    Raises:
        typer.Exit: always.
    """
    from evoca.errors import EvocaError

    try:
        with ended_by_exception():
            try:
                status = call() or 0
            finally:
                sys.stdout.flush()
    except (EvocaError, OSError) as error:
        status = _failed(error)
    except KeyboardInterrupt:
        _complain(f"interrupted{after_interrupt}")
        status = INTERRUPTED
    raise typer.Exit(status)


def command_app(*, examples: Sequence[str] = (), **options: Any) -> typer.Typer:
    """Return an app for one command or a few; plain help, and errors as they are.

    Args:
        examples: command lines that the help of a group shows.
        options: of ``typer.Typer``.
    """
    given = {"cls": HelpGroup, "add_completion": False, "epilog": as_epilog(examples), **options}
    return typer.Typer(
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        **given,
    )


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    examples: Sequence[str] = (),
    long: bool = False,
    after_interrupt: str | Callable[..., str] = "",
) -> Callable[[Callable[P, int | None]], Callable[P, int | None]]:
    """Return a decorator that makes a function a command, which ends as every command does.

    The function itself stays as it is, to be called from Python.

    Args:
        app: what it becomes a command of.
        name: of the command; the function's own if omitted.
        examples: command lines that its help shows.
        long: whether it shows progress, which ``--quiet`` then turns off.
        after_interrupt: the message after "interrupted", where the work can go on; or a
            function of the command's arguments that returns it.
    """

    def register(function: Callable[P, int | None]) -> Callable[P, int | None]:
        @wraps(function)
        def run(*args: P.args, **given: P.kwargs) -> None:
            from evoca.commands.progress import quietly

            wanted = bool(given.pop("quiet", False)) if long else False
            message = (
                after_interrupt if isinstance(after_interrupt, str) else after_interrupt(**given)
            )
            with quietly(wanted):
                finish(lambda: function(*args, **given), message)

        if long:
            _add_quiet(run, function)
        app.command(name, cls=HelpCommand, epilog=as_epilog(examples))(run)
        return function

    return register


def _add_quiet(run: Callable[..., None], function: Callable[..., object]) -> None:
    """Add the option ``--quiet`` to a command; it is not passed to the function."""
    signature = inspect.signature(function, eval_str=True)
    option = inspect.Parameter(
        "quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_QUIET
    )
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), option]
    )
    hints = {name: one.annotation for name, one in signature.parameters.items()}
    run.__annotations__ = {**hints, "quiet": _QUIET}


_QUIET = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress and no closing line.")
]


def leave(run: Callable[[], object]) -> None:
    """Run the whole command line and end the process, with what it printed written out.

    Help and the version are printed outside of any command, and what is left in the buffer
    of standard output is written last: a full disk is found there too.

    Raises:
        SystemExit: always.
    """
    from evoca.errors import EvocaError

    status: str | int | None = 0
    try:
        run()
    except SystemExit as end:
        status = end.code
    except KeyboardInterrupt:
        status = INTERRUPTED
    except (EvocaError, OSError) as error:  # also of a package whose command is no module
        status = _failed(error)
    try:
        sys.stdout.flush()
    except OSError as error:
        status = status or _failed(error)
        _drop_output()
    if status == INTERRUPTED and any(thread.daemon for thread in threading.enumerate()):
        # Ctrl-C left one inside ONNX Runtime or another engine. The process would crash, should
        # it come back while Python is being taken down.
        atexit._run_exitfuncs()
        os._exit(INTERRUPTED)
    sys.exit(status)


def _failed(error: Exception) -> int:
    """Print what went wrong in one line, and return the status."""
    if isinstance(error, BrokenPipeError):
        # The reader has gone, as in `evoca ... | head`; nothing more can be printed.
        _drop_output()
    else:
        from evoca.errors import OptionError

        _complain(error.typed if isinstance(error, OptionError) else str(error))
    return 1


def _complain(text: str) -> None:
    from evoca.errors import single_line

    with suppress(OSError):  # a full disk behind standard error cannot be reported
        print(f"evoca: {single_line(text)}", file=sys.stderr, flush=True)


def _drop_output() -> None:
    """Drop what is still in the buffer, or the end of the process would write it again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
