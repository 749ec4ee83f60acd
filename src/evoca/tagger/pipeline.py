"""The pipeline of ``evoca tag``: reading, decoding and the model's runs, side by side.

The caller's thread holds all of the state. It hands images to threads that fetch them where that
is needed, and have them decoded and resized by processes; once there are enough for a batch, it
hands the batch to a thread that runs the model. What is under way is bounded, and so is the
memory, whatever the number of images.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evoca.errors import ImageError
from evoca.images.decode import ImageLimits
from evoca.images.isolated import DecodingPool, DecodingStoppedError
from evoca.images.sources import LoadedImage
from evoca.runtime.throughput import Machine
from evoca.tagger.inputs import Listed
from evoca.tagger.journal import Computed
from evoca.tagger.reading import MemberReader, load_listed

if TYPE_CHECKING:
    from evoca.images.preprocess import Preprocessing
    from evoca.runtime.engines import Engine, Outputs

__all__ = ["compute", "run_padded"]

_FETCHERS = 16


def compute(
    images: Iterable[Listed],
    engine: Engine,
    preprocessing: Preprocessing,
    machine: Machine,
    limits: ImageLimits | None = None,
) -> Iterator[Computed]:
    """Yield what a model computes for images, or why it cannot, in no particular order.

    An image that cannot be read, whose file vanishes, or that ends the process that decodes it
    is yielded with an error, and the others go on.

    Args:
        images: to compute; taken one by one, and only as fast as they are computed.
        engine: that runs the model; safe to share between threads.
        preprocessing: of the model.
        machine: how many at once.
        limits: on the images.

    Raises:
        BundleError: the model itself fails.
    """
    with ExitStack() as opened:
        pipeline = _Pipeline(engine, preprocessing, machine, limits or ImageLimits(), opened)
        yield from pipeline.run(iter(images))


class _Pipeline:
    """The images under way. Every method runs in the caller's thread, but ``_load``, ``_run``."""

    def __init__(
        self,
        engine: Engine,
        preprocessing: Preprocessing,
        machine: Machine,
        limits: ImageLimits,
        opened: ExitStack,
    ) -> None:
        self._engine, self._preprocessing = engine, preprocessing
        self._machine, self._limits = machine, limits
        self._members = opened.enter_context(MemberReader(limits))
        # Two for each decoder, so that none waits for the next; as many batches as are computed,
        # and one that is filled meanwhile.
        batches = (machine.runners + 1) * machine.batch_size
        self._most = 2 * machine.decoders + batches + _FETCHERS
        self._begun = self._running = 0
        self._ready: list[tuple[Listed, LoadedImage]] = []
        self._events: queue.SimpleQueue[Callable[[], Iterator[Computed]]] = queue.SimpleQueue()
        self._runs = ThreadPoolExecutor(machine.runners, "evoca-run")
        self._loads = ThreadPoolExecutor(machine.decoders + _FETCHERS, "evoca-load")
        self._pool = opened.enter_context(DecodingPool(machine.decoders))
        # The last is called first, also where the caller stops: nothing may go on behind it.
        opened.callback(self._runs.shutdown, cancel_futures=True)
        opened.callback(self._pool.stop)
        opened.callback(self._loads.shutdown, wait=False, cancel_futures=True)

    def run(self, images: Iterator[Listed]) -> Iterator[Computed]:
        """Yield images as they are done."""
        while True:
            self._begin(images)
            self._fill_batches()
            if not self._begun:
                return
            yield from self._events.get()()

    def _begin(self, images: Iterator[Listed]) -> None:
        while self._begun < self._most and (image := next(images, None)) is not None:
            self._begun += 1
            data = self._members.read(image) if image.member else None
            self._loads.submit(self._load, image, data)

    def _load(self, image: Listed, data: bytes | ImageError | None) -> None:
        """Read and decode an image, in another thread."""
        try:
            loaded = load_listed(image, data, self._pool, self._preprocessing, self._limits)
        except DecodingStoppedError:
            return
        except ImageError as error:
            cause = error.cause
            self._events.put(lambda: self._failed(image, cause))
        except Exception as error:
            self._pass_on(error)
        else:
            self._events.put(lambda: self._loaded(image, loaded))

    def _failed(self, image: Listed, cause: str) -> Iterator[Computed]:
        self._begun -= 1
        yield Computed(image.path, image.version, error=cause)

    def _loaded(self, image: Listed, loaded: LoadedImage) -> Iterator[Computed]:
        self._ready.append((image, loaded))
        return iter(())

    def _fill_batches(self) -> None:
        """Hand batches to the model; a smaller one only where no image under way can fill it."""
        size = self._machine.batch_size
        while self._ready:
            to_come = self._begun - self._running - len(self._ready)
            if len(self._ready) < size and to_come:
                return
            batch, self._ready = self._ready[:size], self._ready[size:]
            self._running += len(batch)
            self._runs.submit(self._run, batch)

    def _run(self, batch: Sequence[tuple[Listed, LoadedImage]]) -> None:
        """Compute a batch, in another thread."""
        pixels = [loaded.pixels for _, loaded in batch]
        try:
            outputs = run_padded(self._engine, pixels, self._machine.batch_size)
        except Exception as error:
            self._pass_on(error)
        else:
            self._events.put(lambda: self._done(batch, outputs.logits, outputs.affect))

    def _done(
        self,
        batch: Sequence[tuple[Listed, LoadedImage]],
        logits: NDArray[np.float32],
        affect: NDArray[np.float32] | None,
    ) -> Iterator[Computed]:
        self._begun -= len(batch)
        self._running -= len(batch)
        for i, (image, loaded) in enumerate(batch):
            yield Computed(
                image.path,
                image.version,
                logits[i],
                None if affect is None else affect[i],
                loaded.sha256 or "",
                loaded.warnings,
            )

    def _pass_on(self, error: Exception) -> None:
        """Raise another thread's error in the caller's."""

        def fail() -> Iterator[Computed]:
            raise error

        self._events.put(fail)


def run_padded(engine: Engine, pixels: Sequence[NDArray[np.uint8]], size: int) -> Outputs:
    """Return what an engine computes for a batch, and for copies of its last picture up to a size.

    A picture's outputs may vary, in their last digits, with the size of the batch it is in.
    """
    padded = [*pixels, *[pixels[-1]] * (size - len(pixels))]
    return engine.run(np.stack(padded))
