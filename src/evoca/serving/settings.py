"""What a server runs with: the model, who may use it, and its limits."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

from evoca.errors import EvocaError
from evoca.images.decode import ImageLimits
from evoca.runtime.engines import DEFAULT_ENGINE
from evoca.runtime.operating_point import PriorLike

__all__ = ["MIB", "ServeSettings"]

MIB = 1024 * 1024
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class ServeSettings:
    """What a server runs with.

    Attributes:
        host: the address to listen on; other machines reach it only if that is not a loopback
            address.
        port: to listen on; 0 for any free one.
        model: a bundle; the bundled default if ``None``.
        prior: as :func:`evoca.load` takes it: what predictions are given for where a request
            names none; the model's own if ``None``.
        engine: that runs the model; ``auto`` takes the fastest here whose outputs are right.
        precision: to compute in; the model's own if ``None``.
        threads: cores to compute on; all of them if ``None``.
        batch_size: images per run of the model, at most; what suits the engine if ``None``.
        queue: images that wait or are computed, at most; more are refused with status 503.
        per_client: of them, the images of one client; more are refused with status 429.
        request_seconds: from the first byte of a request to its answer.
        patience_seconds: for the headers of a request; its body has as long, and more by how much
            of it has come: a second for each 16 KiB.
        drain_seconds: that requests under way have after SIGTERM.
        max_request_bytes: of one request's body.
        max_files: images of one request.
        image_limits: of one image.
        decode_seconds: processor time to decode one image.
        max_connections: open at once; more are closed.
        api_keys: a file of keys, see :class:`evoca.serving.clients.ApiKeys`; anyone may ask if
            ``None``.
        allowed_hosts: names that a request may have in its Host header; if empty, those of this
            machine on a loopback address, and any on others.
        proxies: addresses of proxies whose X-Forwarded-For is believed.
        allow_urls: whether images are fetched from addresses that requests name.
        networks: that may be reached for them although they are not public.
        collection: tables of predictions that the page shows in a second tab; none if empty.
        images: the folder in which the files of the collection lie; where its tables say if
            ``None``.

    Raises:
        EvocaError: the limits contradict each other.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    model: str | os.PathLike[str] | None = None
    prior: PriorLike | None = None
    engine: str = DEFAULT_ENGINE
    precision: str | None = None
    threads: int | None = None
    batch_size: int | None = None
    queue: int = 128
    per_client: int = 64
    request_seconds: float = 30.0
    patience_seconds: float = 10.0
    drain_seconds: float = 30.0
    max_request_bytes: int = 64 * MIB
    max_files: int = 64
    image_limits: ImageLimits = field(default_factory=lambda: ImageLimits(max_bytes=32 * MIB))
    decode_seconds: float = 10.0
    max_connections: int = 512
    api_keys: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    allow_urls: bool = False
    networks: tuple[str, ...] = ()
    collection: tuple[Path, ...] = ()
    images: Path | None = None

    def __post_init__(self) -> None:
        if self.per_client > self.queue:
            raise EvocaError(
                f"--per-client {self.per_client}: more than --queue {self.queue} ever holds"
            )
        if self.max_files > self.per_client:
            raise EvocaError(
                f"--max-files {self.max_files}: more than the {self.per_client} images that one "
                "client may have under way (--per-client)"
            )

    @cached_property
    def cores(self) -> int:
        """The cores to compute on."""
        return self.threads or os.cpu_count() or 1

    @property
    def max_held_bytes(self) -> int:
        """The bytes of all requests' bodies that are held at once."""
        return 8 * self.max_request_bytes

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server.

        >>> ServeSettings().is_local, ServeSettings(host="0.0.0.0").is_local
        (True, False)
        """
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:  # a name
            return False

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that a Host header may have, in lower case; any if empty."""
        if self.allowed_hosts:
            return tuple(name.lower() for name in self.allowed_hosts)
        return (*_LOOPBACK_NAMES, self.host.lower()) if self.is_local else ()
