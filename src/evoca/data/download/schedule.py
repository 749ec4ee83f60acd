"""In which order links are tried: many at once, few at one host, none before its time."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict, deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evoca.data.download.state import Entry

__all__ = ["Schedule"]


class Schedule:
    """A queue that workers share.

    Args:
        entries: what is to be fetched.
        per_host: how many at once at one host.
    """

    def __init__(self, entries: Iterable[Entry], per_host: int) -> None:
        self._per_host = per_host
        self._waiting: dict[str, deque[Entry]] = defaultdict(deque)
        self._later: list[tuple[float, int, Entry]] = []
        self._active: dict[str, int] = defaultdict(int)
        self._resting: dict[str, float] = {}
        self._unfinished = 0
        for entry in entries:
            self._waiting[host_of(entry)].append(entry)
            self._unfinished += 1
        self._ready = deque(self._waiting)
        self._in_ready = set(self._ready)
        self._ticket = itertools.count()
        self._changed = anyio.Event()

    async def take(self) -> Entry | None:
        """Return the next link to try, waiting for its time; ``None`` when all is done."""
        while self._unfinished:
            self._wake()
            if (entry := self._next()) is not None:
                return entry
            # Another worker's result, or the passing of time, brings the next one.
            with anyio.move_on_after(self._until_something()):
                await self._changed.wait()
        return None

    def finished(self, entry: Entry) -> None:
        """Make room for another link of the host."""
        self._unfinished -= 1
        self._release(host_of(entry))

    def again(self, entry: Entry, delay: float, *, rest_host: bool) -> None:
        """Try a link again later.

        Args:
            entry: the link.
            delay: seconds from now.
            rest_host: leave the whole host alone until then.
        """
        host = host_of(entry)
        due = anyio.current_time() + delay
        heapq.heappush(self._later, (due, next(self._ticket), entry))
        if rest_host:
            self._resting[host] = max(due, self._resting.get(host, 0.0))
        self._release(host)

    def drop_host(self, entry: Entry) -> list[Entry]:
        """Take out and return all that waits for a link's host."""
        host = host_of(entry)
        dropped = list(self._waiting.pop(host, ()))
        dropped += [later for *_, later in self._later if host_of(later) == host]
        self._later = [item for item in self._later if host_of(item[2]) != host]
        heapq.heapify(self._later)
        self._unfinished -= len(dropped)
        return dropped

    def _release(self, host: str) -> None:
        self._active[host] -= 1
        self._offer(host)
        self._changed.set()
        self._changed = anyio.Event()

    def _offer(self, host: str) -> None:
        if self._waiting.get(host) and host not in self._in_ready:
            self._ready.append(host)
            self._in_ready.add(host)

    def _wake(self) -> None:
        """Queue what has become due, and hosts that have rested."""
        now = anyio.current_time()
        while self._later and self._later[0][0] <= now:
            *_, entry = heapq.heappop(self._later)
            self._waiting[host_of(entry)].append(entry)
            self._offer(host_of(entry))
        for host in [host for host, until in self._resting.items() if until <= now]:
            del self._resting[host]
            self._offer(host)

    def _next(self) -> Entry | None:
        for _ in range(len(self._ready)):
            host = self._ready.popleft()
            self._in_ready.discard(host)
            queue = self._waiting.get(host)
            if not queue or host in self._resting or self._active[host] >= self._per_host:
                continue  # offered again when its rest or one of its requests ends
            self._active[host] += 1
            entry = queue.popleft()
            self._offer(host)
            return entry
        return None

    def _until_something(self) -> float:
        times = [self._later[0][0]] if self._later else []
        times += self._resting.values()
        return max(0.0, min(times) - anyio.current_time()) if times else float("inf")


def host_of(entry: Entry) -> str:
    """Return the server a link asks first: host and port."""
    return urlsplit(entry.url).netloc
