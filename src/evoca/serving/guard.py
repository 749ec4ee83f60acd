"""What stands before every route: who may ask, how much, how slowly; and what is noted of it."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evoca.serving.logs import log
from evoca.serving.refusals import Refusal, error_response, too_late
from evoca.serving.service import Service

__all__ = ["Exchange", "Guard", "exchange_of"]

T = TypeVar("T")

API = "/v1/"
"""Routes below it need a key where the server has keys, and are not taken while it ends."""
_METRICS = "/metrics"
_HEALTH = ("/healthz", "/readyz")
_GONE = 499  # nginx' number for a client that did not wait
_REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
# A body must come at this rate, counted from its beginning, after the seconds of patience.
_SLOWEST_BYTES_PER_SECOND = 16 * 1024
_SEND_SECONDS = 30.0
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Headers of every response that does not set its own."""


class GoneError(Exception):
    """The client has gone: there is nobody to answer."""


@dataclass
class Exchange:
    """A request, as far as it has come.

    Attributes:
        service: that it goes to.
        client: name of its key, or its address.
        request_id: that its log line and its answer have.
        began: when, in the time of ``time.monotonic``.
        images: in it.
        received: bytes of its body that have come.
        held: of them, those in memory.
        is_read: whether all of it has come.
        status: of the answer; 0 before it begins.
    """

    service: Service
    scope: Scope
    receive: Receive
    client: str
    request_id: str
    began: float = field(default_factory=time.monotonic)
    images: int = 0
    received: int = 0
    held: int = 0
    is_read: bool = False
    status: int = 0

    @property
    def deadline(self) -> float:
        """When its answer is due, in the time of ``time.monotonic``."""
        return self.began + self.service.settings.request_seconds

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes, counted, within the limits on size and slowness.

        Raises:
            GoneError: the client has gone.
            Refusal: 413 for too much, 408 for too slow, 503 where the server holds too much.
        """
        self._require_size(_stated_length(self.scope))
        while not self.is_read:
            part = await self._next()
            self._require_size(self.received)
            self.service.admission.hold(len(part))
            self.held += len(part)
            if part:
                yield part

    async def skip_body(self) -> None:
        """Read the body of a request that is refused, so that its client reads the answer.

        A connection that is closed with bytes unread is reset, and the answer lost. What comes
        too slowly, or is more than another whole request, is left unread; so is what a client
        sends only when it is told to.
        """
        if "expect" in Headers(scope=self.scope):
            return
        most = self.received + self.service.settings.max_request_bytes
        try:
            while not self.is_read and self.received <= most:
                await self._next()
        except (Refusal, GoneError):
            return

    async def while_waited(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of work, which is cancelled once nobody waits for it.

        To be called after the body.

        Raises:
            GoneError: the client has gone.
            Refusal: 503, the time of the request is over.
        """
        task = asyncio.ensure_future(work)
        leaving = asyncio.ensure_future(self._gone())
        try:
            left = max(0.0, self.deadline - time.monotonic())
            await asyncio.wait({task, leaving}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if leaving.done():
                raise GoneError
            raise too_late()
        finally:
            task.cancel()
            leaving.cancel()
            await asyncio.gather(task, leaving, return_exceptions=True)

    async def _gone(self) -> None:
        """Return once the client has gone."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> bytes:
        """Return the next part of the body."""
        patience = self.service.settings.patience_seconds
        slowest = self.began + patience + self.received / _SLOWEST_BYTES_PER_SECOND
        try:
            async with asyncio.timeout(max(0.0, slowest - time.monotonic())):
                message = await self.receive()
        except TimeoutError as error:
            raise Refusal(408, "the body came too slowly") from error
        if message["type"] == "http.disconnect":
            raise GoneError
        part: bytes = message.get("body", b"")
        self.received += len(part)
        self.is_read = not message.get("more_body", False)
        return part

    def _require_size(self, count: int) -> None:
        most = self.service.settings.max_request_bytes
        if count > most:
            raise Refusal(413, f"more than {most:,} bytes: send fewer images at a time")


def exchange_of(scope: Scope) -> Exchange:
    """Return what the guard knows of a request."""
    found: Exchange = scope["evoca"]
    return found


class Guard:
    """An ASGI middleware that refuses what must not reach a route, and notes every request.

    Args:
        app: behind it.
        service: of the server.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = Exchange(
            self._service, scope, receive, _address(scope), _request_id(headers), time.monotonic()
        )
        scope["evoca"] = exchange
        counted = scope["path"].startswith(API)
        self._service.requests += counted
        try:
            await self._guarded(exchange, headers, _Sending(send, exchange))
        finally:
            self._service.requests -= counted
            self._service.admission.release(exchange.held)
            self._note(exchange)

    async def _guarded(self, exchange: Exchange, headers: Headers, send: _Sending) -> None:
        try:
            self._require_allowed(exchange, headers)
            await self._app(exchange.scope, exchange.receive, send)
        except Refusal as refusal:
            await self._refuse(exchange, refusal, send)
        except GoneError:
            exchange.status = _GONE
        except TimeoutError:  # the client reads its answer too slowly, or not at all
            exchange.status = _GONE
            raise
        except Exception:
            log("error", logging.ERROR, request=exchange.request_id, exc_info=True)
            if send.began:
                raise
            response = error_response(500, "an error of the server: see its log")
            await response(exchange.scope, exchange.receive, send)

    async def _refuse(self, exchange: Exchange, refusal: Refusal, send: _Sending) -> None:
        if refusal.status != 408:
            await exchange.skip_body()
        response = refusal.response()
        if not exchange.is_read and _has_body(exchange.scope):
            response.headers["Connection"] = "close"
        await response(exchange.scope, exchange.receive, send)

    def _require_allowed(self, exchange: Exchange, headers: Headers) -> None:
        """Refuse requests by their headers alone.

        Raises:
            Refusal: 400 for a foreign Host, 403 for a page of another site, 401 without a key, 503
                where the server ends.
        """
        settings, path = self._service.settings, exchange.scope["path"]
        health = path in _HEALTH  # asked by address, and says nothing about anyone
        if (
            settings.hosts
            and not health
            and _name_of(headers.get("host", "")) not in settings.hosts
        ):
            raise Refusal(400, "this Host is not served here: see --allowed-host")
        if exchange.scope["method"] == "POST" and _is_foreign(headers):
            raise Refusal(403, "a page of another site may not send images here")
        keys = self._service.keys
        if keys is not None and (path.startswith(API) or path == _METRICS):
            exchange.client = keys.name_of(headers)
        if path.startswith(API) and self._service.draining:
            raise Refusal(
                503, "the server is being stopped", retry_after=1, headers={"Connection": "close"}
            )

    def _note(self, exchange: Exchange) -> None:
        scope, metrics = exchange.scope, self._service.metrics
        route = getattr(scope.get("route"), "path", "other")
        seconds = time.monotonic() - exchange.began
        method = scope["method"] if scope["method"] in _METHODS else "other"
        metrics.requests.labels(route, method, str(exchange.status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        metrics.received.inc(exchange.received)
        log(
            "request",
            request=exchange.request_id,
            client=exchange.client,
            method=method,
            route=route,
            status=exchange.status,
            images=exchange.images,
            bytes=exchange.received,
            ms=round(seconds * 1000, 1),
        )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"})


class _Sending:
    """Sends a response with the headers that all have, to a client that takes it in time."""

    def __init__(self, send: Send, exchange: Exchange) -> None:
        self._send, self._exchange = send, exchange
        self.began = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.began = True
            self._exchange.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-ID"] = self._exchange.request_id
        async with asyncio.timeout(_SEND_SECONDS):
            await self._send(message)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _request_id(headers: Headers) -> str:
    """Return the id that a proxy gave a request, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)


def _name_of(host: str) -> str:
    """Return a Host header without its port, in lower case.

    >>> _name_of("Localhost:8000"), _name_of("[::1]:8000"), _name_of("127.0.0.1")
    ('localhost', '[::1]', '127.0.0.1')
    """
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdecimal() else host.lower()


def _is_foreign(headers: Headers) -> bool:
    """Return whether a page of another site sends a request, as its browser states."""
    if headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _stated_length(scope: Scope) -> int:
    stated = Headers(scope=scope).get("content-length", "")
    return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 20 else 0


def _has_body(scope: Scope) -> bool:
    headers: Any = Headers(scope=scope)
    return _stated_length(scope) > 0 or "transfer-encoding" in headers
