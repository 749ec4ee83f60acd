"""Ctrl-C and requests to end, handled between two batches."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from evoca.progress import Advance, Announce

__all__ = ["Interrupts", "interrupts_noted", "leave_interrupts"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Whether someone asked to stop.

    Attributes:
        asked: a request has come; what runs saves its state and ends.
    """

    def __init__(self) -> None:
        self.asked = False

    def heeded(self, announce: Announce) -> Announce:
        """Return progress for work that can be left at any time, since finished parts are saved.

        Its advance raises KeyboardInterrupt where a request has come.
        """

        def begin(name: str, total: int) -> Advance:
            shown = announce(name, total)

            def advance(amount: int) -> None:
                shown(amount)
                if self.asked:
                    raise KeyboardInterrupt

            return advance

        return begin

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note a first request; a second one ends at once.

        Raises:
            KeyboardInterrupt: this is the second request.
        """
        del number, frame
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def leave_interrupts(worker: int) -> None:
    """Ignore Ctrl-C in a process that decodes; it reaches the whole group.

    The process that trains handles it, and ends the others when it has saved.
    """
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def interrupts_noted() -> Iterator[Interrupts]:
    """Note Ctrl-C and SIGTERM instead of ending, where signals can be handled."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {number: signal.signal(number, interrupts.note) for number in _SIGNALS}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
