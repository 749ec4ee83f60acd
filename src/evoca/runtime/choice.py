"""The fastest engine and precision on this machine, of those that give the right outputs."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoca.errors import EngineError, listed
from evoca.runtime.bundle import Bundle
from evoca.runtime.conformance import conformance, opened_engines
from evoca.runtime.engines import DEFAULT_ENGINE, Engine, Precision
from evoca.runtime.fixture import fixture_of
from evoca.runtime.throughput import run_in_batches, usual_batch_size

__all__ = ["Choice", "choose_engine"]

_ROUNDS = 5
_GAIN = 1.05  # what another engine must win over the reference to take its place


@dataclass(frozen=True)
class Choice:
    """An engine and precision, and why it was taken.

    Attributes:
        engine: its name.
        precision: that it computes in.
        why: a sentence with the images per second of every one that was measured, and what was
            left out because its outputs were wrong.
        rates: images per second by engine and precision.
    """

    engine: str
    precision: Precision
    why: str
    rates: dict[tuple[str, Precision], float]


def choose_engine(bundle: Bundle, pixels: NDArray[np.uint8], threads: int | None = None) -> Choice:
    """Return the fastest engine and precision for a bundle on this machine.

    Each that runs here must first come near enough to the bundle's exact outputs, see
    :mod:`evoca.runtime.conformance`. The rest take turns on the same images, so that what else
    the machine does meets all alike, and the median of their times counts. Each runs as many
    images at once as it usually does, see :func:`~evoca.runtime.throughput.usual_batch_size`.
    ONNX Runtime, the reference, is left only for one that is more than 5% faster.

    Args:
        bundle: a validated bundle.
        pixels: uint8 (N, H, W, 3), of images like those to come, such as 8.
        threads: of the CPU for one run; the engine's own choice if omitted.

    Raises:
        BundleError: the graph or its fixture is damaged.
        EngineError: no engine gives the right outputs.
        ValueError: no pixels.
    """
    if not len(pixels):
        raise ValueError("no pixels to measure with")
    fixture = fixture_of(bundle)
    right: dict[tuple[str, Precision], Engine] = {}
    wrong = []
    for name, precision, engine in opened_engines(bundle, threads):
        if isinstance(engine, str):
            continue
        size = usual_batch_size(name)  # a larger one takes memory that the run never needs
        if conformance(engine, name, precision, bundle, fixture, size).failures:
            wrong.append(f"{name} {precision}")
        else:
            right[name, precision] = engine
    if not right:
        raise EngineError(
            f"no engine gives the outputs that the bundle states ({listed(wrong, 'and')} differ): "
            "see evoca models verify"
        )
    rates = _rates(right, pixels)
    engine_name, precision = best = _best(rates)
    return Choice(engine_name, precision, _why(best, rates, wrong), rates)


def _rates(
    engines: dict[tuple[str, Precision], Engine], pixels: NDArray[np.uint8]
) -> dict[tuple[str, Precision], float]:
    """Return the images per second of each engine, measured in turns."""
    times: dict[tuple[str, Precision], list[float]] = {one: [] for one in engines}
    for turn in range(_ROUNDS + 1):
        for one, engine in engines.items():
            began = time.perf_counter()
            run_in_batches(engine, pixels, usual_batch_size(one[0]))
            if turn:  # the first makes what the others use again
                times[one].append(time.perf_counter() - began)
    return {one: len(pixels) / statistics.median(taken) for one, taken in times.items()}


def _best(rates: dict[tuple[str, Precision], float]) -> tuple[str, Precision]:
    fastest = max(rates, key=lambda one: rates[one])
    reference = next((one for one in rates if one[0] == DEFAULT_ENGINE), fastest)
    return fastest if rates[fastest] > _GAIN * rates[reference] else reference


def _why(
    best: tuple[str, Precision], rates: dict[tuple[str, Precision], float], wrong: list[str]
) -> str:
    """Return the reason for a choice in a sentence.

    >>> _why(("openvino", "bf16"), {("onnxruntime", "float32"): 112, ("openvino", "bf16"): 196}, [])
    'openvino bf16: 196 images/s here, against 112 with onnxruntime float32'
    """
    others = sorted((one for one in rates if one != best), key=lambda one: -rates[one])
    said = f"{' '.join(best)}: {rates[best]:.0f} images/s here"
    if others:
        said += ", against " + listed(
            [f"{rates[one]:.0f} with {' '.join(one)}" for one in others], "and"
        )
    else:
        said += ", and no other engine runs here"
    if wrong:
        said += f"; {listed(wrong, 'and')} left out, whose outputs are wrong"
    return said
