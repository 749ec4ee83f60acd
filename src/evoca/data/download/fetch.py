"""One attempt at one link: request, follow, receive, check, store."""

from __future__ import annotations

import hashlib
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpcore2
import httpx2

from evoca import __version__
from evoca.data.download.links import IMAGE_FOLDER, checked_url, file_name
from evoca.data.download.outcomes import FetchError, Reason
from evoca.data.download.placeholders import known_placeholders
from evoca.data.download.schedule import parse_date, parse_retry_after
from evoca.data.download.state import Stored
from evoca.data.download.transport import AddressRefusedError, NameNotFoundError
from evoca.errors import DataError, ImageError
from evoca.images import ImageLimits
from evoca.images.isolated import DecodingStoppedError
from evoca.images.sources import read_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from evoca.data.download.state import Entry, Ledger
    from evoca.images.isolated import DecodingPool

__all__ = [
    "RATE_WINDOW",
    "Fetcher",
    "Pace",
    "body_of",
    "compression",
    "content_length",
    "forbidden_to_ai",
    "opened",
    "require_content",
]

_MAX_REDIRECTS = 5
_HEADERS = {
    "User-Agent": f"evoca/{__version__} (image data sets for research)",
    "Accept": "image/*, */*;q=0.1",
    # The bytes as stored: a compressed response could neither be resumed nor limited.
    "Accept-Encoding": "identity",
}
# For the name, the connection and the headers; each read of them has its own time too.
_HEADER_SECONDS = 60.0
RATE_WINDOW = 10.0
"""Seconds over which a server's rate is counted."""
_COMPRESSIONS = frozenset({"gzip", "x-gzip", "compress", "x-compress", "deflate", "br", "zstd"})
_RULES_WITH_VALUES = {
    "unavailable_after", "max-snippet", "max-image-preview", "max-video-preview",
}  # fmt: skip
_NOT_FOR_AI = frozenset({"noai", "noimageai"})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
# To check a file, a JPEG is read to its end but decoded at a reduced scale.
_JUDGE_SIZE = (64, 64)


@dataclass(frozen=True)
class Fetcher:
    """The shared parts of all attempts.

    Attributes:
        client: follows no redirects by itself.
        ledger: the state of the download folder.
        limits: the largest file and picture to accept.
        deadline: seconds an attempt may take in all.
        min_rate: bytes per second that a server must send, over each window of
            :data:`RATE_WINDOW` seconds.
        heed_robots: whether a picture is left whose server states that it is not for AI.
        decoder: decodes untrusted pictures.
    """

    client: httpx2.AsyncClient
    ledger: Ledger
    limits: ImageLimits
    deadline: float
    min_rate: float
    heed_robots: bool
    decoder: DecodingPool

    async def fetch(self, entry: Entry) -> None:
        """Fetch one link into its place.

        Raises:
            FetchError: there is no image this time, with the reason.
            OSError: the file cannot be written.
        """
        try:
            with anyio.fail_after(self.deadline):
                await self._fetch(entry)
        except TimeoutError as error:
            raise FetchError(Reason.TIMEOUT, f"not done after {self.deadline:g} s") from error

    async def _fetch(self, entry: Entry) -> None:
        partial = self.ledger.partial(entry.url)
        start = partial.stat().st_size if partial.exists() else 0
        validator = self.ledger.partial_validator(entry.url) if start else None
        headers = _range_headers(start, validator) or _condition_headers(entry)
        async with opened(self.client, entry.url, headers) as response:
            if response.status_code == 304 and entry.is_stored:
                return
            require_content(response)
            if self.heed_robots and (rule := forbidden_to_ai(response.headers)):
                raise FetchError(
                    Reason.NO_AI,
                    f"the server says {rule} (X-Robots-Tag)",
                    http_status=response.status_code,
                )
            if not _is_complete(response, start):
                kept = self._keep(response, partial, start if validator else 0)
                await self._receive(entry, response, partial, kept)
        await self._check_and_store(entry, partial, response)

    def _keep(self, response: httpx2.Response, partial: Path, start: int) -> int:
        """Keep the bytes that the response continues, drop any others; return how many."""
        if start and _continues(response, start):
            return start
        partial.unlink(missing_ok=True)
        if response.status_code != 200:
            raise FetchError(Reason.CONNECTION, "the server sent no part that fits")
        return 0

    async def _receive(
        self, entry: Entry, response: httpx2.Response, partial: Path, kept: int
    ) -> None:
        """Write the body behind the first ``kept`` bytes of the partial file."""
        self._require_size(kept + content_length(response), partial)
        if not kept:
            self.ledger.set_partial_validator(entry.url, _strong_validator(response))
        with partial.open("ab", buffering=0) as file:
            pace = Pace(self.min_rate)
            async for chunk in body_of(response):
                pace.add(len(chunk))
                kept += len(chunk)
                self._require_size(kept, partial)
                file.write(chunk)
        if response.status_code == 206 and kept != _whole_size(response):
            raise FetchError(Reason.CONNECTION, "the server sent a part of the rest")

    def _require_size(self, size: int, partial: Path) -> None:
        if size > self.limits.max_bytes:
            partial.unlink(missing_ok=True)
            raise FetchError(
                Reason.TOO_LARGE, f"more than the limit of {self.limits.max_bytes:,} bytes"
            )

    async def _check_and_store(
        self, entry: Entry, partial: Path, response: httpx2.Response
    ) -> None:
        try:
            stored = await anyio.to_thread.run_sync(self._check, entry, partial, response)
            self.ledger.store(entry.url, stored)
        except FetchError:
            partial.unlink(missing_ok=True)
            raise
        except DecodingStoppedError as error:  # by Ctrl-C: the next run checks the file again
            raise anyio.get_cancelled_exc_class()() from error

    def _check(self, entry: Entry, partial: Path, response: httpx2.Response) -> Stored:
        """Return the facts of a whole file, by its content; the server's headers do not count."""
        try:
            data = read_file(partial, self.limits)
            if what := known_placeholders().by_content(data):
                raise FetchError(Reason.PLACEHOLDER, what, http_status=response.status_code)
            decoded = self.decoder.decode(data, min_size=_JUDGE_SIZE, limits=self.limits)
        except ImageError as error:
            reason, detail = _reason(error.cause, response), error.cause
            if reason is Reason.NOT_AN_IMAGE and (coding := compression(response)):
                reason, detail = Reason.HTTP_ERROR, f"compressed ({coding}) although asked not to"
            raise FetchError(reason, detail, http_status=response.status_code) from error
        return Stored(
            image=f"{IMAGE_FOLDER}/{entry.name or file_name(entry.url, data)}",
            sha256=hashlib.sha256(data).hexdigest(),
            width=decoded.size[0],
            height=decoded.size[1],
            size=len(data),
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
        )


@asynccontextmanager
async def opened(
    client: httpx2.AsyncClient, url: str, headers: dict[str, str]
) -> AsyncIterator[httpx2.Response]:
    """Request a link and follow its redirects, each checked like the link itself."""
    for _ in range(_MAX_REDIRECTS + 1):
        if what := known_placeholders().by_url(url):
            raise FetchError(Reason.PLACEHOLDER, what)
        with _network_errors():
            request = client.build_request("GET", url, headers={**_HEADERS, **headers})
            with anyio.fail_after(_HEADER_SECONDS):
                response = await client.send(request, stream=True)
        try:
            if not response.has_redirect_location:
                yield response
                return
            url = _target(response)
        finally:
            await response.aclose()
    raise FetchError(Reason.BAD_REDIRECT, f"more than {_MAX_REDIRECTS} redirects")


def _target(response: httpx2.Response) -> str:
    location = response.headers["Location"]
    try:
        return checked_url(str(response.url.join(location)))
    # Beside InvalidURL: what names of other scripts that are none raise.
    except (DataError, httpx2.InvalidURL, ValueError, IndexError) as error:
        raise FetchError(
            Reason.BAD_REDIRECT,
            f"redirected to {location[:200]!r}: {error}",
            http_status=response.status_code,
        ) from error


async def body_of(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Yield the bytes as they were stored.

    Raises:
        FetchError: the connection breaks off.
    """
    with _network_errors():
        async for chunk in response.aiter_raw():
            yield chunk


class _network_errors:  # noqa: N801 - a context manager, used like a function
    """Turn network errors into reasons."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        detail = " ".join(str(error).split())[:300]
        match error:
            case AddressRefusedError():
                raise FetchError(Reason.ADDRESS_REFUSED, detail) from error
            case NameNotFoundError():
                raise FetchError(Reason.NAME_NOT_FOUND, detail) from error
            case httpcore2.TimeoutException() | TimeoutError():
                raise FetchError(Reason.TIMEOUT, detail or "the server does not answer") from error
            case httpcore2.NetworkError() | httpcore2.ProtocolError():
                detail = detail or "the connection broke off"
                raise FetchError(Reason.CONNECTION, detail) from error


def require_content(response: httpx2.Response) -> None:
    """Refuse a response that does not hold the content.

    Raises:
        FetchError: by the status, with the wait that the server states.
    """
    status = response.status_code
    if status in {200, 206, 416}:
        return
    if status in {404, 410}:
        reason = Reason.GONE
    elif status in {401, 402, 403, 451}:
        reason = Reason.FORBIDDEN
    elif status in {408, 425, 429} or status >= 500:
        reason = Reason.SERVER_ERROR
    else:
        reason = Reason.HTTP_ERROR
    raise FetchError(
        reason,
        f"HTTP {status} {response.reason_phrase}".strip(),
        http_status=status,
        retry_after=parse_retry_after(response.headers.get("Retry-After")),
    )


def content_length(response: httpx2.Response) -> int:
    """Return the bytes that a response announces; 0 where it states no number."""
    stated = response.headers.get("Content-Length", "")
    return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 20 else 0


def compression(response: httpx2.Response) -> str | None:
    """Return the coding that a header claims, such as ``gzip``; what is none does not count.

    Object stores keep whatever an uploader wrote there: nothing, ``none``, ``UTF-8``,
    ``aws-chunked``.
    """
    stated = response.headers.get("Content-Encoding", "").lower().replace(",", " ").split()
    return next((coding for coding in stated if coding in _COMPRESSIONS), None)


def forbidden_to_ai(headers: httpx2.Headers) -> str | None:
    """Return the rule of X-Robots-Tag by which a picture is not for AI; ``None`` without one.

    The rules are ``noai`` and ``noimageai``, of all robots or of Evoca by name.

    >>> forbidden_to_ai(httpx2.Headers([("X-Robots-Tag", "nofollow, noai")]))
    'noai'
    >>> forbidden_to_ai(httpx2.Headers([("X-Robots-Tag", "otherbot: noai, noimageai")]))
    """
    for header in headers.get_list("X-Robots-Tag"):
        robot = ""
        for part in header.lower().split(","):
            name, colon, rule = part.rpartition(":")
            if colon and name.split(":")[0].strip() not in _RULES_WITH_VALUES:
                robot = name.strip()
            if robot in {"", "evoca"} and rule.strip() in _NOT_FOR_AI:
                return rule.strip()
    return None


class Pace:
    """The rate of bytes, window by window."""

    def __init__(self, min_rate: float) -> None:
        self._min_rate = min_rate
        self._start, self._bytes = anyio.current_time(), 0

    def add(self, count: int) -> None:
        """Count bytes.

        Raises:
            FetchError: fewer came in the last window than must.
        """
        self._bytes += count
        passed = anyio.current_time() - self._start
        if passed < RATE_WINDOW:
            return
        if self._bytes < self._min_rate * passed:
            rate = self._bytes / passed
            raise FetchError(
                Reason.TIMEOUT,
                f"{rate:.0f} bytes a second; the least is {self._min_rate:.0f}",
            )
        self._start, self._bytes = anyio.current_time(), 0


def _range_headers(start: int, validator: str | None) -> dict[str, str]:
    """Return headers that request the rest, if it is the rest of the same content."""
    if not start or validator is None:
        return {}
    return {"Range": f"bytes={start}-", "If-Range": validator}


def _condition_headers(entry: Entry) -> dict[str, str]:
    """Return headers that request the file only if it has changed."""
    headers = {}
    if entry.etag:
        headers["If-None-Match"] = entry.etag
    if entry.last_modified:
        headers["If-Modified-Since"] = entry.last_modified
    return headers


def _continues(response: httpx2.Response, start: int) -> bool:
    """Return whether the response continues after the first ``start`` bytes."""
    given = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return response.status_code == 206 and given is not None and given[1] == str(start)


def _is_complete(response: httpx2.Response, start: int) -> bool:
    """Return whether the first ``start`` bytes are all that the server has."""
    nothing_more = response.headers.get("Content-Range", "") == f"bytes */{start}"
    return response.status_code == 416 and start > 0 and nothing_more


def _whole_size(response: httpx2.Response) -> int | None:
    given = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return None if given is None else int(given[2])


def _strong_validator(response: httpx2.Response) -> str | None:
    """Return what If-Range may carry (RFC 9110, 13.1.5), where the server sends it.

    A weak ETag names no exact bytes. A date does only where it lies at least a second
    before the response: the file could have changed twice within one.
    """
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return str(etag)
    modified = parse_date(response.headers.get("Last-Modified", ""))
    responded = parse_date(response.headers.get("Date", ""))
    if modified is None or responded is None or (responded - modified).total_seconds() < 1:
        return None
    return str(response.headers["Last-Modified"])


def _reason(cause: str, response: httpx2.Response) -> Reason:
    if cause.startswith("not an image"):
        return Reason.NOT_AN_IMAGE
    if "decompression bomb" in cause:
        return Reason.TOO_LARGE
    # Without a length, a response that breaks off cannot be distinguished from a whole one.
    framed = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    return Reason.DAMAGED if framed else Reason.CONNECTION
