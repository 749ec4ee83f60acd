"""Download many links into a folder, so that nothing is lost or fetched twice."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx2

from evoca.data.download.addresses import AddressPolicy
from evoca.data.download.fetch import Fetcher
from evoca.data.download.outcomes import FetchError, Outcome, Reason, Status
from evoca.data.download.schedule import Backoff, Schedule, host_of
from evoca.data.download.state import Ledger
from evoca.data.download.transport import GuardedTransport
from evoca.errors import DataError
from evoca.images import ImageLimits, printable_name
from evoca.images.isolated import DecodingPool
from evoca.progress import Advance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from evoca.data.download.links import Link
    from evoca.data.download.state import Entry

__all__ = ["DownloadSettings", "download", "repeated"]


@dataclass(frozen=True)
class DownloadSettings:
    """How to download.

    Attributes:
        concurrency: requests at once.
        per_host: requests at once at one host.
        attempts: how often to try a link in one run, where trying again may help.
        backoff: how long to wait in between.
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for the next bytes.
        deadline: seconds an attempt may take in all.
        min_rate: bytes per second that a server must send.
        heed_robots: leave pictures whose server states by the header X-Robots-Tag that they
            are not for AI (``noai``, ``noimageai``).
        limits: the largest file (32 MiB) and picture to accept.
        addresses: which addresses may be reached; public ones only by default.
        give_up_host: after this many failures of a host in a row, its other links are
            left for the next run.
        retry_dead: try links again that an earlier run found dead.
        refresh: check whether stored files have changed, and replace those that have.
    """

    concurrency: int = 16
    per_host: int = 4
    attempts: int = 4
    backoff: Backoff = field(default_factory=Backoff)
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    deadline: float = 300.0
    min_rate: float = 500.0
    heed_robots: bool = True
    limits: ImageLimits = field(default_factory=lambda: ImageLimits(max_bytes=32 * 1024 * 1024))
    addresses: AddressPolicy = field(default_factory=AddressPolicy)
    give_up_host: int = 20
    retry_dead: bool = False
    refresh: bool = False


def download(
    links: Sequence[Link],
    folder: Path,
    settings: DownloadSettings | None = None,
    *,
    on_settled: Advance | None = None,
) -> list[Outcome]:
    """Return the outcomes of links, downloaded into ``folder/images``.

    Files appear whole or not at all. The state lies in ``folder/download.sqlite3``: a run
    that was stopped, by a kill too, is continued by the next one, in the middle of a file
    where the server allows it; what is there is not requested again.

    Args:
        links: what to fetch; a link that occurs twice is fetched once.
        folder: where to; made if it does not exist.
        settings: how; the defaults of :class:`DownloadSettings` if omitted.
        on_settled: called with the number of links that no longer need work, whenever
            that number grows by them; for a progress bar.

    Returns:
        The outcome of each link, in order, each once.

    Raises:
        DataError: the folder cannot be used or written to, or another download is using it.
    """
    settings = settings or DownloadSettings()
    urls = [link.url for link in links]
    ledger = Ledger(folder)
    try:
        ledger.add(links)
        todo = ledger.to_fetch(urls, retry_dead=settings.retry_dead, refresh=settings.refresh)
        report = on_settled or (lambda _: None)
        report(len(set(urls)) - len(todo))
        if todo:
            _run(todo, ledger, settings, report)
        return list(ledger.outcomes(urls))
    finally:
        ledger.close()


def repeated(outcomes: Iterable[Outcome], at_least: int = 3) -> list[tuple[str, list[str]]]:
    """Return contents that came for several links, perhaps an unknown placeholder.

    Args:
        outcomes: of a download.
        at_least: how many links must share the same bytes.

    Returns:
        SHA-256 and links, most links first.
    """
    links = defaultdict(list)
    for outcome in outcomes:
        if outcome.status is Status.DONE:
            links[outcome.sha256].append(outcome.url)
    many = [(digest, urls) for digest, urls in links.items() if len(urls) >= at_least]
    return sorted(many, key=lambda item: (-len(item[1]), item[0]))


def _run(todo: list[Entry], ledger: Ledger, settings: DownloadSettings, report: Advance) -> None:
    try:
        with DecodingPool(os.cpu_count() or 1) as decoder:
            anyio.run(partial(_fetch_all, todo, ledger, settings, decoder, report))
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, OSError):
            where = printable_name(ledger.folder)
            raise DataError(f"{where}: cannot be written to: {error}") from error
        raise error from None


async def _fetch_all(
    todo: list[Entry],
    ledger: Ledger,
    settings: DownloadSettings,
    decoder: DecodingPool,
    report: Advance,
) -> None:
    timeout = httpx2.Timeout(settings.read_timeout, connect=settings.connect_timeout, pool=None)
    transport = GuardedTransport(settings.addresses, settings.concurrency)
    async with httpx2.AsyncClient(transport=transport, timeout=timeout) as client:
        fetcher = Fetcher(
            client,
            ledger,
            settings.limits,
            settings.deadline,
            settings.min_rate,
            settings.heed_robots,
            decoder,
        )
        workers = _Workers(fetcher, Schedule(todo, settings.per_host), settings, report)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_stop_with, decoder, workers.over)
            for _ in range(min(settings.concurrency, len(todo))):
                tasks.start_soon(workers.work)


async def _stop_with(decoder: DecodingPool, over: anyio.Event) -> None:
    """Stop decoding once all is cancelled, as by Ctrl-C: a worker waits for its picture."""
    try:
        await over.wait()
    except anyio.get_cancelled_exc_class():
        decoder.stop()
        raise


class _Workers:
    """The loop that all workers run, and their shared state.

    Attributes:
        over: set once none of them has work.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        schedule: Schedule,
        settings: DownloadSettings,
        report: Advance,
    ) -> None:
        self._fetcher = fetcher
        self._schedule = schedule
        self._settings = settings
        self._report = report
        self._attempts: Counter[str] = Counter()
        self._strikes: Counter[str] = Counter()
        self._working = 0
        self.over = anyio.Event()

    async def work(self) -> None:
        """Fetch links until none is left."""
        self._working += 1
        await self._work()
        self._working -= 1
        if not self._working:
            self.over.set()

    async def _work(self) -> None:
        while (entry := await self._schedule.take()) is not None:
            self._attempts[entry.url] += 1
            try:
                await self._fetcher.fetch(entry)
            except FetchError as error:
                self._failed(entry, error)
            except OSError:  # the folder: no other link could be stored either
                raise
            except Exception as error:  # whatever one server sends costs its link alone
                detail = f"what was received cannot be understood: {type(error).__name__}: {error}"
                self._failed(entry, FetchError(Reason.BAD_RESPONSE, " ".join(detail.split())[:300]))
            else:
                self._strikes[host_of(entry)] = 0
                self._settle(entry)

    def _failed(self, entry: Entry, error: FetchError) -> None:
        host = host_of(entry)
        self._strikes[host] = self._strikes[host] + 1 if error.reason.blames_host else 0
        if self._strikes[host] >= self._settings.give_up_host:
            self._give_up(entry, error)
        attempts = self._attempts[entry.url]
        delay = self._settings.backoff.delay(attempts, error.retry_after)
        if error.reason.worth_retrying and attempts < self._settings.attempts and delay is not None:
            asked = error.retry_after is not None
            self._schedule.again(entry, delay, rest_host=asked)
            return
        if delay is None:
            detail = f"{error.detail}; the server asks to wait {error.retry_after:.0f} s"
            error = FetchError(error.reason, detail, http_status=error.http_status)
        self._fetcher.ledger.fail(entry.url, error)
        self._settle(entry)

    def _give_up(self, entry: Entry, error: FetchError) -> None:
        """Leave all that waits for a host for the next run."""
        dropped = self._schedule.drop_host(entry)
        why = f"{host_of(entry)} failed {self._settings.give_up_host} times in a row: {error}"
        for other in dropped:
            self._fetcher.ledger.fail(other.url, FetchError(Reason.HOST_DOWN, why))
        self._report(len(dropped))
        self._attempts[entry.url] = self._settings.attempts

    def _settle(self, entry: Entry) -> None:
        del self._attempts[entry.url]
        self._report(1)
        self._schedule.finished(entry)
