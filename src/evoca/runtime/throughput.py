"""How many images are worked on at once, for whatever computes many of them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evoca.runtime.engines import Engine

__all__ = ["AUTO", "BATCH_SIZE", "Machine", "best_batch_size"]

AUTO = "auto"
"""The engine that is chosen by measurement, see :func:`evoca.runtime.choice.choose_engine`."""
BATCH_SIZE = 4
"""Images per run of the model where that is not measured."""
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


def best_batch_size(engine: Engine, pixels: NDArray[np.uint8], runners: int) -> int:
    """Return the number of images per run that computes most images per second.

    Args:
        engine: to be measured.
        pixels: uint8 (N, H, W, 3), of images like those to come; they are repeated.
        runners: batches that are computed at once.

    Returns:
        The smallest of 1, 2, 4, 8 and 16 that is within 3% of the fastest.
    """
    rates = {}
    with ThreadPoolExecutor(runners) as threads:
        for size in _BATCH_SIZES:
            batch = np.resize(pixels, (size, *pixels.shape[1:]))
            list(threads.map(engine.run, [batch] * runners))  # memory is taken in the first run
            rounds = runners * max(1, max(_BATCH_SIZES) // size)
            began = time.perf_counter()
            list(threads.map(engine.run, [batch] * rounds))
            rates[size] = rounds * size / (time.perf_counter() - began)
    return next(size for size in _BATCH_SIZES if rates[size] * _WORTH >= max(rates.values()))
