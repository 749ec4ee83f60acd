"""The model of a server, and the answers it gives."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.errors import EvocaError, ImageError, first_line
from evoca.evidence import EvidenceMap
from evoca.prediction import Prediction
from evoca.priors import BALANCED, NATURAL, TRAINED
from evoca.runtime.bundle import read_bundle
from evoca.runtime.choice import choose_engine
from evoca.runtime.engines import as_precision, open_engine, own_precision
from evoca.runtime.fixture import drawn_pictures
from evoca.runtime.operating_point import OperatingPoint, operating_point, points_beside
from evoca.runtime.predictor import prediction_of
from evoca.runtime.throughput import AUTO, Machine, usual_batch_size
from evoca.serving.batching import Batcher, Computed, DroppedError
from evoca.serving.clients import Admission, ApiKeys
from evoca.serving.metrics import Metrics
from evoca.serving.refusals import too_late
from evoca.serving.schemas import EvidenceWanted, model_answer
from evoca.serving.settings import ServeSettings

__all__ = ["Service", "Upload"]

_DIGITS = 6
_ATTEMPTS = 3
# A grey picture to try a server with.
_TINY = b"P6 32 32 255\n" + bytes([90]) * (3 * 32 * 32)


@dataclass(frozen=True)
class Upload:
    """An image that a client sent, or why it could not be fetched.

    Attributes:
        name: of its file, its address, or ``body``.
        data: its encoded bytes.
    """

    name: str
    data: bytes | ImageError


class Service:
    """A loaded model, and what a server knows while it runs.

    Args:
        settings: of the server.

    Attributes:
        card: of the model.
        points: name of a prior to the operating point under it; the default is first.
        admission: what is under way.
        keys: that are accepted; ``None`` where anyone may ask.
        metrics: of the server.
        draining: whether nothing new is taken.
        requests: under way, of those that ask for predictions.

    Raises:
        EvocaError: model, engine, prior or keys cannot be had.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self._bundle = read_bundle(settings.model)
        self.card = self._bundle.card
        self.points = _points(self._bundle.card, settings)
        self.keys = None if settings.api_keys is None else ApiKeys.read(settings.api_keys)
        self.metrics = Metrics()
        self.admission = Admission(settings.queue, settings.per_client, settings.max_held_bytes)
        self.draining = False
        self.requests = 0
        self._name, self._precision = self._engine_and_precision()
        # Each run of the model has one thread, and there are as many runs as cores: they wait
        # for each other less than the threads of one run do.
        self._engine = open_engine(
            self._name, self._bundle, 1, self._precision, runs=settings.cores
        )
        self._batcher: Batcher | None = None
        self.models = [self._model_answer()]
        self.metrics.watch(
            "evoca_images_under_way", "Images waiting or computed.", lambda: self.admission.images
        )
        self.metrics.watch(
            "evoca_held_bytes", "Bytes of bodies in memory.", lambda: self.admission.held_bytes
        )
        self.metrics.watch("evoca_requests_under_way", "Requests.", lambda: self.requests)

    def _engine_and_precision(self) -> tuple[str, str]:
        wanted, precision = self.settings.engine, self.settings.precision
        if wanted != AUTO:
            own = own_precision(self._bundle)
            return wanted, own if precision is None else as_precision(precision)
        shape = self.card.preprocessing
        found = choose_engine(
            self._bundle, drawn_pictures(shape.height, shape.width), self.settings.cores
        )
        return found.engine, found.precision

    @property
    def is_ready(self) -> bool:
        """Whether requests are taken."""
        return self._batcher is not None and not self.draining

    def open(self) -> None:
        """Start the processes that decode and the threads that compute, and try them.

        Raises:
            EvocaError: an image that is whole cannot be computed.
        """
        if self._batcher is not None:
            return
        settings = self.settings
        size = settings.batch_size or usual_batch_size(self._name)
        batcher = Batcher(
            self._engine,
            self.card.preprocessing,
            Machine(settings.cores, settings.cores, size),
            settings.image_limits,
            decode_seconds=settings.decode_seconds,
            on_batch=self.metrics.batches.observe,
        )
        try:
            _try_out(batcher, settings.cores)
        except BaseException:
            batcher.close()
            raise
        self._batcher = batcher

    def close(self) -> None:
        """Drop what is under way, and end processes and threads."""
        if self._batcher is not None:
            self._batcher.close()
            self._batcher = None
        self._engine.stop()

    async def compute(
        self, uploads: Sequence[Upload], deadline: float
    ) -> list[Computed | ImageError]:
        """Return what the model computes for images, or why it cannot, in their order.

        Where this is cancelled, images that were not begun are not computed.

        Args:
            uploads: the images.
            deadline: in the time of ``time.monotonic``.

        Raises:
            Refusal: 503, time is over or the server ends.
        """
        assert self._batcher is not None
        jobs = {
            i: self._batcher.submit(upload.data, deadline)
            for i, upload in enumerate(uploads)
            if isinstance(upload.data, bytes)
        }
        for job in jobs.values():
            job.future.add_done_callback(self._count_dropped)
        try:
            results = await asyncio.gather(
                *(asyncio.wrap_future(job.future) for job in jobs.values()), return_exceptions=True
            )
        finally:
            for job in jobs.values():
                job.unwanted = True
        found = dict(zip(jobs, results, strict=True))
        return [_outcome(upload, found.get(i)) for i, upload in enumerate(uploads)]

    def _count_dropped(self, done: Future[Computed]) -> None:
        if isinstance(done.exception(), DroppedError):
            self.metrics.images.labels("dropped").inc()

    def answers(
        self,
        uploads: Sequence[Upload],
        outcomes: Iterable[Computed | ImageError],
        prior: str | None,
        evidence: EvidenceWanted,
    ) -> list[dict[str, Any]]:
        """Return the answer for each image as plain data, and count them."""
        found = []
        for upload, outcome in zip(uploads, outcomes, strict=True):
            if isinstance(outcome, ImageError):
                kind = "unreadable" if isinstance(upload.data, bytes) else "refused"
                self.metrics.images.labels(kind).inc()
                found.append({"path": upload.name, "error": outcome.cause})
            else:
                self.metrics.images.labels("predicted").inc()
                found.append(self._answer(upload.name, outcome, prior, evidence))
        return found

    def _answer(
        self, name: str, computed: Computed, prior: str | None, wanted: EvidenceWanted
    ) -> dict[str, Any]:
        point = self.points[prior or next(iter(self.points))]
        prediction = prediction_of(
            self.card,
            point,
            point.probabilities(computed.logits),
            computed.affect,
            path=name,
            size=computed.size,
            sha256=computed.sha256,
            warnings=computed.warnings,
        )
        answer = prediction.to_dict()
        if wanted != "none":
            answer["evidence"] = self._evidence(computed, prediction, wanted)
        return answer

    def _evidence(
        self, computed: Computed, prediction: Prediction, wanted: EvidenceWanted
    ) -> dict[str, Any] | None:
        card = self.card
        if computed.evidence is None or card.evidence_kind is None:
            return None
        region = card.preprocessing.seen_region(computed.size)
        found = EvidenceMap(computed.evidence, card.evidence_kind, card.labels, region)
        labels = card.labels if wanted == "all" else (prediction.emotion,)
        return {
            "kind": found.kind,
            "shape": list(found.values.shape[1:]),
            "values": {label: _cells(found.of(label)) for label in labels},
            "region": list(region),
        }

    def _model_answer(self) -> dict[str, Any]:
        priors = [(name, point.prior) for name, point in self.points.items() if point.prior]
        return model_answer(self.card, priors, engine=self._name, precision=self._precision)


def _points(card: Any, settings: ServeSettings) -> dict[str, OperatingPoint]:
    """Return the operating points that can be asked for, the default first."""
    own = operating_point(card, settings.prior)
    named = own.prior is None or own.prior.name in (NATURAL, BALANCED, TRAINED)
    if settings.prior is not None and own.prior is not None and not named:
        # Of a file, the name alone: its path is nobody's business.
        name = Path(own.prior.name).stem
        own = replace(own, prior=replace(own.prior, name=name, source=""))
    return points_beside(card, own, (NATURAL, BALANCED, TRAINED))


def _try_out(batcher: Batcher, processes: int) -> None:
    """Compute an image in each of the processes that decode, so that the first request is quick.

    A machine that is busy may take longer to start them than an image may take: they get more
    than one attempt, and none of the limits of a request.

    Raises:
        EvocaError: it cannot be computed.
    """
    for attempt in range(_ATTEMPTS):
        jobs = [batcher.submit(_TINY, math.inf) for _ in range(processes)]
        errors = [job.future.exception() for job in jobs]
        failed = next((error for error in errors if error is not None), None)
        if failed is None:
            return
        if attempt + 1 == _ATTEMPTS or not isinstance(failed, ImageError):
            raise EvocaError(f"the server cannot start: {first_line(failed)}") from failed


def _outcome(upload: Upload, found: Computed | BaseException | None) -> Computed | ImageError:
    """Return the result of one image; what is no fault of the image ends the request."""
    if isinstance(upload.data, ImageError):
        return upload.data
    if isinstance(found, DroppedError):
        raise too_late()
    if isinstance(found, BaseException) and not isinstance(found, ImageError):
        raise found
    assert found is not None
    return found


def _cells(values: NDArray[np.float32]) -> list[float]:
    """Return a map row by row, in as many digits as it has."""
    return [float(f"{value:.{_DIGITS}g}") for value in values.ravel().tolist()]
