"""The figures of a server, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.responses import Response

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters, gauges and histograms of one server.

    Attributes:
        requests: by route, method and status.
        seconds: of requests, by route.
        images: by outcome: ``predicted``, ``unreadable``, ``dropped`` (nobody waited for it any
            more), ``refused`` (an address that could not be fetched).
        batches: images per run of the model.
        received: bytes of bodies.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks for
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self.requests = Counter(
            "evoca_requests", "Requests.", ("route", "method", "status"), registry=registry
        )
        self.seconds = Histogram(
            "evoca_request_seconds",
            "From the headers of a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.images = Counter("evoca_images", "Images.", ("outcome",), registry=registry)
        self.batches = Histogram(
            "evoca_batch_images",
            "Images per run of the model.",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=registry,
        )
        self.received = Counter("evoca_received_bytes", "Bytes of bodies.", registry=registry)

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Add a gauge that is read when it is asked for."""
        Gauge(name, what, registry=self._registry).set_function(value)

    def response(self) -> Response:
        """Return all figures in Prometheus' text format."""
        return Response(
            generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
