"""Fetch one image by its address, under the rules of a download."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial

import anyio
import httpx2

from evoca.data.download.addresses import AddressPolicy
from evoca.data.download.fetch import (
    Pace,
    body_of,
    compression,
    content_length,
    forbidden_to_ai,
    opened,
    require_content,
)
from evoca.data.download.links import checked_url
from evoca.data.download.outcomes import FetchError, Reason
from evoca.data.download.transport import GuardedTransport
from evoca.errors import DataError, ImageError
from evoca.images import DecodedImage, ImageLimits
from evoca.images.isolated import DecodingPool

__all__ = ["FetchedImage", "fetch_bytes", "fetch_image", "receive_bytes"]

_READ_SECONDS, _CONNECT_SECONDS, _DEADLINE = 30.0, 10.0, 120.0
_MIN_RATE = 500.0
_LIMITS = partial(ImageLimits, max_bytes=32 * 1024 * 1024)


@dataclass(frozen=True)
class FetchedImage:
    """An image that was fetched.

    Attributes:
        decoded: the upright picture.
        sha256: of the bytes that were received.
    """

    decoded: DecodedImage
    sha256: str


def fetch_image(
    url: str,
    *,
    min_size: tuple[int, int] | None = None,
    addresses: AddressPolicy | None = None,
    heed_robots: bool = True,
) -> FetchedImage:
    """Return one image, fetched, and decoded in a process that can be killed.

    Public addresses alone are connected to, at every redirect. At most 32 MiB, two minutes
    and five redirects are taken, at no less than 500 bytes per second.

    Args:
        url: ``http://`` or ``https://``.
        min_size: (width, height) that a scaled JPEG decode must not fall below.
        addresses: which addresses may be connected to; public ones if omitted.
        heed_robots: refuse a picture whose server states that it is not for AI.

    Raises:
        ImageError: there is no image to be had, with the address as its ``source``.
    """
    data = fetch_bytes(url, addresses=addresses, heed_robots=heed_robots)
    try:
        with DecodingPool() as decoder:
            decoded = decoder.decode(data, min_size=min_size, limits=_LIMITS())
    except ImageError as error:
        raise ImageError(error.cause, url) from error
    return FetchedImage(decoded, hashlib.sha256(data).hexdigest())


def fetch_bytes(
    url: str, *, addresses: AddressPolicy | None = None, heed_robots: bool = True
) -> bytes:
    """Return the bytes at one address, not decoded, under the rules of :func:`fetch_image`.

    Raises:
        ImageError: they cannot be fetched, with the address as its ``source``.
    """
    return anyio.run(partial(receive_bytes, url, addresses=addresses, heed_robots=heed_robots))


async def receive_bytes(
    url: str,
    *,
    limits: ImageLimits | None = None,
    addresses: AddressPolicy | None = None,
    heed_robots: bool = True,
) -> bytes:
    """Return the bytes at one address as :func:`fetch_bytes` does, beside other work.

    Args:
        url: ``http://`` or ``https://``.
        limits: on the bytes; 32 MiB if omitted.
        addresses: which addresses may be connected to; public ones if omitted.
        heed_robots: refuse a picture whose server states that it is not for AI.

    Raises:
        ImageError: they cannot be fetched, with the address as its ``source``.
    """
    policy = addresses or AddressPolicy()
    try:
        return await _received(checked_url(url), limits or _LIMITS(), policy, heed_robots)
    except FetchError as error:
        raise ImageError(f"cannot be fetched: {error.reason}: {error}", url) from error
    except ImageError as error:
        raise ImageError(error.cause, url) from error
    except DataError as error:
        raise ImageError(str(error), url) from error


async def _received(
    url: str, limits: ImageLimits, policy: AddressPolicy, heed_robots: bool
) -> bytes:
    timeout = httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS, pool=None)
    transport = GuardedTransport(policy, 1)
    try:
        async with httpx2.AsyncClient(transport=transport, timeout=timeout) as client:
            with anyio.fail_after(_DEADLINE):
                return await _body(client, url, limits, heed_robots)
    except TimeoutError as error:
        raise FetchError(Reason.TIMEOUT, f"not done after {_DEADLINE:g} s") from error


async def _body(
    client: httpx2.AsyncClient, url: str, limits: ImageLimits, heed_robots: bool
) -> bytes:
    async with opened(client, url, {}) as response:
        require_content(response)
        if heed_robots and (rule := forbidden_to_ai(response.headers)):
            raise FetchError(Reason.NO_AI, f"the server says {rule} (X-Robots-Tag)")
        limits.check_bytes(content_length(response))
        data, pace = bytearray(), Pace(_MIN_RATE)
        async for chunk in body_of(response):
            pace.add(len(chunk))
            data += chunk
            limits.check_bytes(len(data))
        if (coding := compression(response)) and data[:2] == b"\x1f\x8b":
            detail = f"compressed ({coding}) although asked not to"
            raise FetchError(Reason.HTTP_ERROR, detail)
        return bytes(data)
