"""Images of many requests, decoded side by side and computed in batches.

Pictures are decoded by processes, which a fault in a decoder may end, and the model runs in
threads, one batch on each core, as ``evoca tag`` does it. A batch waits for images that are
being decoded, but never long. What nobody waits for any more is dropped at the next step.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evoca.images.decode import ImageLimits
from evoca.images.isolated import DecodingPool, DecodingStoppedError
from evoca.runtime.throughput import Machine

if TYPE_CHECKING:
    from evoca.images.preprocess import Preprocessing
    from evoca.images.sources import LoadedImage
    from evoca.runtime.engines import Engine, Outputs

__all__ = ["Batcher", "Computed", "DroppedError", "Job"]

# A batch that is not full waits so long for images that are being decoded.
_LINGER_SECONDS = 0.02


class DroppedError(Exception):
    """An image that was not computed: nobody waited for it any more."""


@dataclass(frozen=True)
class Computed:
    """What a model computed for an image.

    Attributes:
        logits: float32 (K,).
        affect: float32 (2,), or ``None``.
        evidence: float32 (K, h, w) or (1, h, w), or ``None``.
        size: (width, height) of the picture.
        sha256: of the encoded bytes.
        warnings: on the input.
    """

    logits: NDArray[np.float32]
    affect: NDArray[np.float32] | None
    evidence: NDArray[np.float32] | None
    size: tuple[int, int]
    sha256: str
    warnings: tuple[str, ...]


@dataclass(eq=False)
class Job:
    """An image to compute.

    Attributes:
        data: its encoded bytes; empty once they are decoded.
        deadline: after which it is not computed, in the time of ``time.monotonic``.
        future: its result, an ImageError, or a DroppedError.
        unwanted: set once nobody waits for it.
    """

    data: bytes
    deadline: float
    future: Future[Computed] = field(default_factory=Future)
    unwanted: bool = False
    decoded_at: float = 0.0

    def is_late(self) -> bool:
        """Return whether nobody waits for the result."""
        return self.unwanted or time.monotonic() > self.deadline


class Batcher:
    """Decodes and computes images that come one by one; a context manager.

    Args:
        engine: that runs the model; safe to share between threads.
        preprocessing: of the model.
        machine: how many at once.
        limits: on the images.
        decode_seconds: processor time to decode one image.
        on_batch: called with the number of images of each batch, in any thread.
    """

    def __init__(
        self,
        engine: Engine,
        preprocessing: Preprocessing,
        machine: Machine,
        limits: ImageLimits,
        *,
        decode_seconds: float,
        on_batch: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._engine, self._preprocessing = engine, preprocessing
        self._limits, self._size, self._on_batch = limits, machine.batch_size, on_batch
        self._pool = DecodingPool(machine.decoders, seconds=decode_seconds)
        # Two threads for each decoder, so that none waits for its next picture.
        self._loads = ThreadPoolExecutor(2 * machine.decoders, "evoca-load")
        self._changed = threading.Condition()
        self._ready: deque[tuple[Job, LoadedImage]] = deque()
        self._coming = 0  # handed over and not decoded yet: they may fill a batch
        self._closed = False
        self._runners = [
            threading.Thread(target=self._run_batches, name=f"evoca-run-{i}", daemon=True)
            for i in range(machine.runners)
        ]
        for runner in self._runners:
            runner.start()

    def __enter__(self) -> Batcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, data: bytes, deadline: float) -> Job:
        """Return a job that decodes and computes an image's encoded bytes."""
        job = Job(data, deadline)
        job.future.set_running_or_notify_cancel()  # from here on, only it sets its result
        with self._changed:
            self._coming += 1
        self._loads.submit(self._decode, job)
        return job

    def close(self) -> None:
        """Drop what is left, and end the processes and threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._pool.stop()
        self._loads.shutdown(cancel_futures=True)
        for runner in self._runners:
            runner.join()
        self._pool.close()

    def _decode(self, job: Job) -> None:
        """Decode an image, in a thread of its own."""
        loaded: LoadedImage | Exception
        try:
            if job.is_late():
                raise DroppedError
            loaded = self._pool.load(job.data, self._preprocessing, self._limits)
        except DecodingStoppedError:
            loaded = DroppedError()
        except Exception as error:
            loaded = error
        job.data = b""
        with self._changed:
            self._coming -= 1
            if not isinstance(loaded, Exception):
                job.decoded_at = time.monotonic()
                self._ready.append((job, loaded))
            self._changed.notify_all()
        if isinstance(loaded, Exception):
            job.future.set_exception(loaded)

    def _run_batches(self) -> None:
        """Compute batches until the end, in a thread of its own."""
        while batch := self._next_batch():
            wanted = []
            for job, loaded in batch:
                if job.is_late():
                    job.future.set_exception(DroppedError())
                else:
                    wanted.append((job, loaded))
            if not wanted:
                continue
            try:
                outputs = self._engine.run(np.stack([loaded.pixels for _, loaded in wanted]))
            except Exception as error:
                for job, _ in wanted:
                    job.future.set_exception(error)
                continue
            self._on_batch(len(wanted))
            for i, (job, loaded) in enumerate(wanted):
                job.future.set_result(_computed(outputs, i, loaded))

    def _next_batch(self) -> Sequence[tuple[Job, LoadedImage]]:
        """Wait for a batch and take it; an empty one is the end."""
        with self._changed:
            while not self._closed:
                wait = self._seconds_to_wait()
                if wait == 0.0:
                    count = min(self._size, len(self._ready))
                    return [self._ready.popleft() for _ in range(count)]
                self._changed.wait(wait)
            left, self._ready = list(self._ready), deque()
        for job, _ in left:
            job.future.set_exception(DroppedError())
        return []

    def _seconds_to_wait(self) -> float | None:
        """Return how long a batch has to wait for more images; ``None`` for the first."""
        if not self._ready:
            return None
        if len(self._ready) >= self._size or not self._coming:
            return 0.0
        waited = time.monotonic() - self._ready[0][0].decoded_at
        return max(0.0, _LINGER_SECONDS - waited)


def _computed(outputs: Outputs, i: int, loaded: LoadedImage) -> Computed:
    """Return the outputs of one image, without those of the rest of its batch."""
    return Computed(
        logits=outputs.logits[i].copy(),
        affect=None if outputs.affect is None else outputs.affect[i].copy(),
        evidence=None if outputs.evidence is None else outputs.evidence[i].copy(),
        size=loaded.size,
        sha256=loaded.sha256 or "",
        warnings=loaded.warnings,
    )
