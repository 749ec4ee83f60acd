"""The order in which links are tried: many at once, few per host, none before its time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evoca.data.download.state import Entry

__all__ = ["Backoff", "Schedule", "parse_date", "parse_retry_after"]


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
    """Return the first server of a link: host and port."""
    return urlsplit(entry.url).netloc


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with jitter, so that many clients do not return at once.

    Attributes:
        first: seconds before the first repetition; doubled for each further one.
        longest: seconds, the most to wait without such a request.
        patience: seconds, the most to wait at a server's request (Retry-After).
    """

    first: float = 1.0
    longest: float = 60.0
    patience: float = 300.0

    def delay(self, attempts: int, asked: float | None = None) -> float | None:
        """Return the seconds to wait, or ``None`` where the server states too many.

        Args:
            attempts: how many attempts were made, at least 1.
            asked: seconds to wait that the server states, if any.
        """
        own = min(self.first * 2.0 ** (attempts - 1), self.longest)
        own *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        if asked is None:
            return own
        return None if asked > self.patience else max(own, asked)


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds of the header Retry-After (RFC 9110, 10.2.3): seconds, or a date.

    Args:
        value: the header; ``None`` where there is none.
        now: the present, for tests.

    Returns:
        Seconds from now, at least 0; ``None`` where the header is absent or unreadable.

    >>> parse_retry_after("120")
    120.0
    >>> parse_retry_after("soon")
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    then = parse_date(text)
    if then is None:
        return None
    return max(0.0, (then - (now or datetime.now(UTC))).total_seconds())


def parse_date(text: str) -> datetime | None:
    """Return the date of a header (RFC 9110, 5.6.7), in UTC where it names no zone.

    Returns:
        ``None`` where it is unreadable, or no clock has such a time or zone.

    >>> parse_date("Sun, 06 Nov 1994 08:49:37 GMT").isoformat()
    '1994-11-06T08:49:37+00:00'
    >>> parse_date("Sun, 06 Nov 1994 08:49:37 +999999")
    """
    try:
        then = parsedate_to_datetime(text)
        return then.replace(tzinfo=UTC) if then.tzinfo is None else then.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
