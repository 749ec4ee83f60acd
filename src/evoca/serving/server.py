"""The server of ``evoca serve``: uvicorn, with time limits on connections and a graceful end."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from evoca.errors import EvocaError
from evoca.serving.app import create_app
from evoca.serving.logs import log, log_to_stderr
from evoca.serving.service import Service
from evoca.serving.settings import ServeSettings

__all__ = ["serve"]

_HEADER_BYTES = 64 * 1024
# Longer than proxies keep a connection that nothing comes from, so that they close it.
_KEEP_ALIVE_SECONDS = 75
_LAST_SECONDS = 5
_BACKLOG = 1024


def serve(settings: ServeSettings, announce: Callable[[str], object] = lambda _: None) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the requests under way and return.

    A second signal ends it at once.

    Args:
        settings: of the server.
        announce: called with the address once it listens.

    Raises:
        EvocaError: model, engine, prior or keys cannot be had, or the port cannot be used.
    """
    with _listen(settings) as listening:
        app = create_app(settings)
        app.state.service.open()  # before uvicorn, so that what fails is said in one line
        log_to_stderr()
        config = uvicorn.Config(
            app,
            http=_protocol(settings),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.proxies),
            forwarded_allow_ips=list(settings.proxies),
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_LAST_SECONDS,
            backlog=_BACKLOG,
        )
        server = _Server(config, app.state.service, _address_of(listening), announce)
        server.run(sockets=[listening])


def _listen(settings: ServeSettings) -> socket.socket:
    """Return a socket that is bound, so that a port that is taken is found before all else.

    Raises:
        EvocaError: it cannot be.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind(address)
        except BaseException:
            found.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EvocaError(
            f"--host {settings.host} --port {settings.port}: cannot be used: {reason}"
        ) from error
    return found


def _address_of(listening: socket.socket) -> str:
    """Return the address of a server for a browser."""
    host, port, *_ = listening.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class _Server(uvicorn.Server):
    """Ends once what is under way is answered: until then it listens, and says it is full."""

    def __init__(
        self,
        config: uvicorn.Config,
        service: Service,
        address: str,
        announce: Callable[[str], object],
    ) -> None:
        super().__init__(config)
        self._service, self._address, self._announce = service, address, announce
        self._draining_since: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        service = self._service
        self._announce(self._address)
        log("listening", url=self._address, model=service.card.name, keys=service.keys is not None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Take a signal: the first begins the end, a second ends at once."""
        if self._service.draining:
            self.should_exit = self.force_exit = True
        self._service.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop listening; called ten times a second."""
        service = self._service
        if service.draining and not self.should_exit:
            now = time.monotonic()
            if self._draining_since is None:
                self._draining_since = now
                log("draining", requests=service.requests)
            late = now - self._draining_since > service.settings.drain_seconds
            self.should_exit = late or not service.requests
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        log("stopped")


def _protocol(settings: ServeSettings) -> type[asyncio.Protocol]:
    """Return the protocol of connections with the limits of a server."""

    class Limited(_TimedProtocol):
        MOST = settings.max_connections
        PATIENCE = settings.patience_seconds

    return Limited


class _TimedProtocol(HttpToolsProtocol):
    """HTTP/1.1, whose headers must come in time and may not be too long.

    uvicorn limits neither: a client that sends a byte now and then would hold a connection for
    ever, and one that never ends its headers would fill the memory.
    """

    MOST = 1
    PATIENCE = 1.0
    _late: asyncio.TimerHandle | None = None
    _header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.MOST:
            transport.close()
            return
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_headers()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_headers()

    def on_headers_complete(self) -> None:
        self._forget_headers()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._late is not None:
            self._header_bytes += len(data)
            if self._header_bytes > _HEADER_BYTES:
                self.send_400_response("the headers are too long")

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is no HTTP, as every error is answered."""
        body = json.dumps({"error": msg}).encode()
        lines = (
            b"HTTP/1.1 400 Bad Request",
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"connection: close",
        )
        self.transport.write(b"\r\n".join((*lines, b"", body)))
        self.transport.close()

    def _expect_headers(self) -> None:
        self._forget_headers()
        self._late = self.loop.call_later(self.PATIENCE, self.timeout_keep_alive_handler)

    def _forget_headers(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late, self._header_bytes = None, 0
