"""Files and folders that are there only when they are complete."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

__all__ = ["ENDING_SIGNALS", "drafted", "ended_by_exception", "uninterrupted"]

_NAME = re.compile(r"\..*-[0-9a-f]{12}\.draft")

ENDING_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What ends a process by default, and leaves it time to tidy up.

SIGHUP comes where a terminal is closed, and is unknown to Windows.
"""


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Give a path to write to that becomes ``target`` once all of it is written.

    Two processes that write the same target have drafts of their own: the later one wins whole.
    A process that is told to end (SIGTERM) removes its draft before. What a process left that
    was killed, the next one removes that writes anything into the same folder; it knows by a
    lock, which the system lets go, that nobody writes there any more. Systems and file systems
    without such locks keep it.

    Args:
        target: a file, also where it exists; or a folder, where there is none or an empty one.
            The folder that it is in must exist.

    Yields:
        A path where nothing is yet, for a file or a folder, in a hidden folder beside the
        target. Nothing stays of it after an error.

    Raises:
        OSError: the folder cannot be written to, or the target cannot be replaced.
    """
    _remove_left(target.parent.absolute())
    with ended_by_exception(), _locked_folder(target) as folder:
        draft = folder / "draft"
        yield draft
        draft.replace(target)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until something is written whole; only in the main thread."""
    if threading.current_thread() is not threading.main_thread():  # which no signal reaches
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, *ENDING_SIGNALS)
        if callable(signal.getsignal(number))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in came:
        signal.raise_signal(number)


class _EndedError(KeyboardInterrupt):
    """The process is to end. What Ctrl-C interrupts, this does."""


@contextmanager
def ended_by_exception() -> Iterator[None]:
    """Turn signals that would end the process at once into an exception, then let them end it.

    Only in the main thread, and only signals that nobody else handles.
    """
    if threading.current_thread() is not threading.main_thread():  # which no signal reaches
        yield
        return
    mine = [number for number in ENDING_SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    came: list[int] = []
    leaving, process = False, os.getpid()

    def end(number: int, _: object) -> None:
        if os.getpid() != process:  # a fork of it, which has no draft to remove
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        came.append(number)
        if len(came) == 1 and not leaving:
            raise _EndedError

    for number in mine:
        signal.signal(number, end)
    try:
        yield
    finally:
        leaving = True
        for number in mine:
            signal.signal(number, signal.SIG_DFL)
        if came:  # as whoever sent it expects, whatever became of the exception
            os.kill(os.getpid(), came[0])


@contextmanager
def _locked_folder(target: Path) -> Iterator[Path]:
    made: list[tuple[Path, int | None]] = []
    try:
        with uninterrupted():
            made.append(_new_folder(target))
        yield made[0][0]
    finally:
        with uninterrupted():
            for folder, lock in made:
                shutil.rmtree(folder, ignore_errors=True)
                if lock is not None:
                    os.close(lock)


def _new_folder(target: Path) -> tuple[Path, int | None]:
    """Make a hidden folder beside the target; return it with its lock."""
    while True:
        folder = target.parent / f".{target.name[:40]}-{secrets.token_hex(6)}.draft"
        folder.mkdir()
        # Another process may have found it before it was locked, and taken it for left.
        with suppress(FileNotFoundError, BlockingIOError):
            return folder, _lock(folder)


def _lock(folder: Path) -> int | None:
    """Lock a folder until the descriptor that is returned is closed, or this process ends.

    Returns:
        ``None`` where the system has no such locks.

    Raises:
        OSError: it cannot be opened; FileNotFoundError: it is gone; BlockingIOError: somebody
            else holds its lock.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.stat(folder)  # noqa: PTH116 - who held it before may have removed it
    except (BlockingIOError, FileNotFoundError):
        os.close(lock)
        raise
    except OSError:  # a file system without locks
        os.close(lock)
        return None
    return lock


@cache
def _remove_left(parent: Path) -> None:
    """Remove the drafts of dead processes in a folder; once, since it may hold many files."""
    with suppress(OSError):
        for name in os.listdir(parent):  # noqa: PTH208 - names alone, of many files
            if _NAME.fullmatch(name):
                with suppress(OSError):
                    _remove_if_left(parent / name)


def _remove_if_left(folder: Path) -> None:
    lock = _lock(folder)
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
