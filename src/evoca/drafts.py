"""Files and folders that appear only when they are complete."""

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
"""Signals that end a process by default, and that it can handle.

SIGHUP is sent when a terminal is closed; Windows does not have it.
"""


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Yield a path to write to, which becomes ``target`` when all of it is written.

    Two processes that write the same target have separate drafts: the later one replaces the
    earlier one as a whole. A process that gets SIGTERM removes its draft before it ends. The
    draft of a killed process is removed by the next process that writes into the same folder.
    The system has then released the draft's lock, so nobody writes to it any more. Where there
    are no such locks, the draft stays.

    Args:
        target: a file, which may exist; or a folder, which must be absent or empty. Its parent
            folder must exist.

    Yields:
        A free path for a file or a folder, in a hidden folder beside the target. After an
        error it is removed.

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
    """Delay Ctrl-C and SIGTERM until something is written whole; only in the main thread."""
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
    """The process must end; handled as Ctrl-C is."""


@contextmanager
def ended_by_exception() -> Iterator[None]:
    """Raise an exception for signals that end the process; after it, the process ends.

    Only in the main thread, and only for signals without another handler.
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
        if came:  # end by this signal, as its sender expects, even if the exception was caught
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
    """Return a new hidden folder beside the target, with its lock."""
    while True:
        folder = target.parent / f".{target.name[:40]}-{secrets.token_hex(6)}.draft"
        folder.mkdir()
        # Another process may have removed it as abandoned before it was locked.
        with suppress(FileNotFoundError, BlockingIOError):
            return folder, _lock(folder)


def _lock(folder: Path) -> int | None:
    """Return a descriptor that locks a folder until it is closed, or this process ends.

    Returns:
        The descriptor; ``None`` where the system has no such locks.

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
    """Remove the drafts of dead processes in a folder; once, since it may have many files."""
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
