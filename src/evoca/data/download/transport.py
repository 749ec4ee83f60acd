"""An HTTP transport that connects to permitted addresses only.

Names are resolved here, once; the connection is made to the address that was checked, so a
name that resolves differently a moment later changes nothing. Every redirect opens its
connection here too. Proxies are not used: a proxy would resolve names unchecked.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import anyio
import httpcore2
import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable

    from evoca.data.download.addresses import AddressPolicy

__all__ = ["AddressRefusedError", "GuardedTransport", "NameNotFoundError"]

_KEEPALIVE_S = 15.0


class AddressRefusedError(Exception):
    """A name leads to no address that may be connected to."""


class NameNotFoundError(Exception):
    """A name cannot be resolved."""


class GuardedTransport(httpx2.AsyncBaseTransport):
    """An HTTP transport that opens connections to allowed addresses alone.

    Args:
        policy: which addresses may be connected to.
        connections: how many idle connections to keep.
    """

    def __init__(self, policy: AddressPolicy, connections: int) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            max_connections=None,
            max_keepalive_connections=connections,
            keepalive_expiry=_KEEPALIVE_S,
            network_backend=_GuardedNetwork(policy),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; errors are those of httpcore2 and of this module."""
        response = await self._pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            status_code=response.status,
            # Cookies would carry data of one response into every later request to its host.
            headers=[
                (name, value)
                for name, value in response.headers
                if name.lower() not in (b"set-cookie", b"set-cookie2")
            ],
            stream=_Body(response.stream),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream: AsyncIterable[bytes] = self._stream
        async for part in stream:
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class _GuardedNetwork(httpcore2.AsyncNetworkBackend):
    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        error: Exception = NameNotFoundError(f"{host}: the name has no address")
        for address in await self._permitted(host, port, timeout):
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as problem:
                error = problem
        raise error

    async def _permitted(self, host: str, port: int, timeout: float | None) -> list[str]:
        addresses = await _resolve(host, port, timeout)
        refusals = {address: self._policy.refusal(address) for address in addresses}
        permitted = [address for address, refusal in refusals.items() if refusal is None]
        if addresses and not permitted:
            refusal = refusals[addresses[0]]
            raise AddressRefusedError(refusal if host in str(refusal) else f"{host}: {refusal}")
        return permitted


async def _resolve(host: str, port: int, timeout: float | None) -> list[str]:
    try:
        with anyio.fail_after(timeout):
            found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(f"{host}: the name service does not answer") from error
    except (OSError, UnicodeError) as error:
        raise NameNotFoundError(f"{host}: the name cannot be resolved") from error
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
