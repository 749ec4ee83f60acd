"""The engines of a loaded bundle: one run on all cores, or a run on each core."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from evoca.runtime.bundle import Bundle
from evoca.runtime.engines import Engine, open_engine

__all__ = ["Sessions", "in_order"]

# Destroying a session in a forked child waits for ever for the threads it had in the
# parent, so an inherited session is not destroyed until the child ends.
_orphans: list[Engine] = []
_STOP_SECONDS = 1.0  # for runs to end by themselves after Ctrl-C

T = TypeVar("T")
R = TypeVar("R")


class Sessions:
    """Engines loaded with one bundle. Safe to share between threads, to pickle, to use in a fork.

    Args:
        bundle: a validated bundle.
        engine: name of the engine.
        threads: of the CPU; the engine's own choice, which is all cores, if omitted.
        precision: to compute in; the bundle's own if omitted.

    Raises:
        BundleError: the graph is damaged or contradicts the card.
        EngineError: no such engine or precision, or not here.
        ValueError: fewer than one thread.
    """

    _engines: dict[tuple[int | None, int], Engine]
    _process: int

    def __init__(
        self, bundle: Bundle, engine: str, threads: int | None, precision: str | None
    ) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be 1 or more, not {threads}")
        self._bundle, self._engine = bundle, engine
        self._threads, self._precision = threads, precision
        self._forget()
        self._opened(self._threads, 1)

    @property
    def runs(self) -> int:
        """The runs that :meth:`for_many_runs` computes at once."""
        return self._threads or os.cpu_count() or 1

    def for_one_run(self) -> Engine:
        """Return the engine that computes one run on all threads: the soonest result."""
        self._one_by_one = True
        return self._opened(self._threads, 1)

    def for_few_runs(self) -> Engine:
        """Return an engine that is open already, for too few runs to open another."""
        engines = tuple(self._engines.values()) if self._process == os.getpid() else ()
        return engines[0] if engines else self._opened(self._threads, 1)

    def for_many_runs(self) -> Engine:
        """Return the engine that computes several runs at once, each on one thread.

        The threads of one run wait for each other; those of several do not, so that more images
        are computed in a second.
        """
        engine = self._opened(1, self.runs)
        if not self._one_by_one and self.runs > 1:  # the other was opened to check the graph
            self._engines.pop((self._threads, 1), None)
        return engine

    def stop(self) -> None:
        """End running and later runs of these engines with an error."""
        self.for_few_runs()
        for engine in tuple(self._engines.values()):
            engine.stop()

    def abandon(self) -> None:
        """End the runs that go on; later ones are computed by engines opened anew."""
        engines = tuple(self._engines.values())
        self._forget()
        for engine in engines:
            engine.stop()

    def _opened(self, threads: int | None, runs: int) -> Engine:
        # The threads of an engine do not survive a fork, and an engine is not pickled: in both
        # cases a new one is opened at its first use.
        if self._process != os.getpid():
            with self._lock:
                if self._process != os.getpid():
                    _orphans.extend(self._engines.values())
                    self._engines, self._process = {}, os.getpid()
        key = (threads, runs)
        if key not in self._engines:
            with self._lock:
                if key not in self._engines:
                    self._engines[key] = open_engine(
                        self._engine, self._bundle, threads, self._precision, runs=runs
                    )
        return self._engines[key]

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._engines = {}
        self._one_by_one = False
        self._process = os.getpid()

    def __getstate__(self) -> dict[str, Any]:
        kept = ("_bundle", "_engine", "_threads", "_precision")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


def in_order(
    work: Callable[[int, T], R], items: Iterable[T], threads: int, abandon: Callable[[], None]
) -> Iterator[R]:
    """Yield what ``work`` returns for each item, in order, computed by several threads.

    Few items are taken ahead of the results, so that they may come without end.

    Args:
        work: called with the position of an item, from 0, and the item.
        items: to work on; taken in the caller's thread.
        threads: that work.
        abandon: ends, with an error, work that still goes on a second after Ctrl-C.
    """
    source = enumerate(items)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads, "evoca-stream") as pool:

        def submit(count: int) -> None:
            for _, (i, item) in zip(range(count), source, strict=False):
                waiting.append(pool.submit(work, i, item))

        try:
            submit(4 * threads)
            while waiting:
                found = waiting[0].result()  # left there, to be waited for after Ctrl-C
                waiting.popleft()
                submit(1)
                yield found
        except KeyboardInterrupt:
            for future in waiting:
                future.cancel()
            if wait(waiting, _STOP_SECONDS).not_done:
                abandon()
            raise
        finally:
            for future in waiting:
                future.cancel()
