"""Ctrl-C and requests to end, answered between two batches."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupts", "interrupts_noted"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Whether someone asked to stop.

    Attributes:
        asked: a request has come; what runs saves its state and ends.
    """

    def __init__(self) -> None:
        self.asked = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """Note a first request; a second one ends at once.

        Raises:
            KeyboardInterrupt: this is the second request.
        """
        del number, frame
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def interrupts_noted() -> Iterator[Interrupts]:
    """Note Ctrl-C and SIGTERM rather than be ended by them, where signals can be handled."""
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
