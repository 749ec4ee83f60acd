"""How many images are worked on at once, for whatever computes many of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from evoca.runtime.engines import CPU_ENGINES, Outputs

if TYPE_CHECKING:
    from evoca.runtime.engines import Engine

__all__ = ["AUTO", "Machine", "best_batch_size", "run_in_batches", "usual_batch_size"]

AUTO = "auto"
"""The engine that is chosen by measurement, see :func:`evoca.runtime.choice.choose_engine`."""
_BATCH_SIZES = (1, 2, 4, 8, 16)
# A larger batch must be faster by this factor to be worth its memory.
_WORTH = 1.03


@dataclass(frozen=True)
class Machine:
    """How many images are worked on at once.

    Attributes:
        decoders: processes that decode.
        runners: batches that the engine computes at once, each on the threads it was opened with.
        batch_size: images per run of the model.
    """

    decoders: int
    runners: int
    batch_size: int


def usual_batch_size(engine: str) -> int:
    """Return the number of images per run of the model where that is not measured.

    On a CPU, where each core computes runs of its own, one image a run is fastest and takes least
    memory; accelerators want several.

    Args:
        engine: its name.
    """
    return 1 if engine in CPU_ENGINES else 8


def run_in_batches(engine: Engine, pixels: NDArray[np.uint8], size: int) -> Outputs:
    """Return all outputs for images, run so many at once.

    Args:
        engine: that runs them.
        pixels: uint8 (N, H, W, 3), at least one image.
        size: images a run; the last has fewer where they do not come out even.

    Raises:
        BundleError: the graph fails, or its outputs contradict the card.
    """
    runs = [engine.run(pixels[i : i + size]) for i in range(0, len(pixels), size)]
    columns = zip(*runs, strict=True)
    logits, *others = (None if one[0] is None else np.concatenate(one) for one in columns)
    assert logits is not None
    return Outputs(logits, *others)


def best_batch_size(engine: Engine, pixels: NDArray[np.uint8], runners: int) -> int:
    """Return the number of images per run that computes most images per second.

    Args:
        engine: to be measured.
        pixels: uint8 (N, H, W, 3), of images like those to come; they are repeated.
        runners: batches that are computed at once.

    Returns:
        1, 2, 4, 8 or 16: doubled as long as that gains more than 3%. On a CPU 1 is often the
        fastest, and then the larger ones cost no time.
    """
    best, rate = 0, 0.0
    with ThreadPoolExecutor(runners) as threads:
        for size in _BATCH_SIZES:
            batch = np.resize(pixels, (size, *pixels.shape[1:]))
            list(threads.map(engine.run, [batch] * runners))  # memory is taken in the first run
            rounds = runners * max(1, max(_BATCH_SIZES) // size)
            began = time.perf_counter()
            list(threads.map(engine.run, [batch] * rounds))
            found = rounds * size / (time.perf_counter() - began)
            if found < _WORTH * rate:
                break
            best, rate = size, found
    return best
