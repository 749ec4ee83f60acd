"""Whether an engine and precision give what a model's exact outputs are, within tolerances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoca.errors import BundleError, EngineError, MissingExtraError
from evoca.runtime.bundle import Bundle
from evoca.runtime.engines import (
    DEFAULT_ENGINE,
    PRECISIONS,
    Engine,
    Outputs,
    Precision,
    as_precision,
    engine_names,
    open_engine,
    own_precision,
)
from evoca.runtime.fixture import Fixture, moments
from evoca.runtime.operating_point import operating_point
from evoca.runtime.throughput import run_in_batches

__all__ = ["TOLERANCES", "Conformance", "Tolerance", "conformance", "opened_engines"]


@dataclass(frozen=True)
class Tolerance:
    """How far the outputs of a precision may be from the exact ones.

    Attributes:
        outputs: logits, affect and moments of the evidence: this share of their range in the
            fixture, or this number where the range is below 1.
        probabilities: absolute.
    """

    outputs: float
    probabilities: float


TOLERANCES: dict[Precision, Tolerance] = {
    # The order of sums alone differs; the limit that an export holds PyTorch to.
    "float32": Tolerance(1e-3, 1e-3),
    # A number keeps 8 bits: each layer rounds by up to 2**-9, 0.2%, and there are dozens.
    # Where pictures have grain the errors average out in part; see docs/results.md.
    "bf16": Tolerance(0.05, 0.1),
    # A step is 1/255 of a tensor's whole range, in activations and weights alike.
    "int8": Tolerance(0.15, 0.2),
}
"""What each precision is held to."""


@dataclass(frozen=True)
class Conformance:
    """How near an engine came to the exact outputs.

    Attributes:
        engine: its name.
        precision: that it computed in.
        logits: the largest difference of a logit.
        probabilities: the largest difference of a probability.
        same_top: how many pictures keep their likeliest emotion.
        pictures: of how many.
        failures: what is beyond the tolerances, in words.
    """

    engine: str
    precision: Precision
    logits: float
    probabilities: float
    same_top: int
    pictures: int
    failures: tuple[str, ...]


def conformance(
    engine: Engine,
    name: str,
    precision: Precision,
    bundle: Bundle,
    fixture: Fixture,
    batch_size: int | None = None,
) -> Conformance:
    """Return how near an engine comes to a bundle's exact outputs.

    Args:
        engine: opened with the bundle.
        name: of the engine.
        precision: that it was opened with.
        bundle: whose probabilities are compared.
        fixture: of the bundle, see :func:`evoca.runtime.fixture.fixture_of`.
        batch_size: pictures a run; all in one if omitted, which takes the memory for it.

    Returns:
        The differences; infinite ones where the graph fails in this engine.
    """
    try:
        found = run_in_batches(engine, fixture.pictures, batch_size or len(fixture.pictures))
    except BundleError as error:
        return Conformance(name, precision, np.inf, np.inf, 0, len(fixture.logits), (str(error),))
    of_logits = operating_point(bundle.card, None).probabilities
    exact, own = of_logits(fixture.logits), of_logits(found.logits)
    largest = float(np.abs(exact - own).max())
    return Conformance(
        engine=name,
        precision=precision,
        logits=float(np.abs(fixture.logits - found.logits).max()),
        probabilities=largest,
        same_top=int((exact.argmax(1) == own.argmax(1)).sum()),
        pictures=len(exact),
        failures=tuple(_failures(fixture, found, largest, TOLERANCES[precision])),
    )


def _failures(
    fixture: Fixture, found: Outputs, probabilities: float, tolerance: Tolerance
) -> Iterator[str]:
    evidence = None if found.evidence is None else moments(found.evidence)
    outputs = {
        "logits": (fixture.logits, found.logits),
        "affect": (fixture.affect, found.affect),
        "evidence": (fixture.evidence, evidence),
    }
    for name, (exact, own) in outputs.items():
        if reason := _beyond(name, exact, own, tolerance.outputs):
            yield reason
    if not probabilities <= tolerance.probabilities:
        yield f"probabilities differ by {probabilities:.3g}, {tolerance.probabilities:g} is allowed"


def _beyond(
    name: str, exact: NDArray[np.float32] | None, own: NDArray[np.float32] | None, share: float
) -> str:
    """Return what is wrong with an output, or nothing."""
    if exact is None or own is None:
        return "" if exact is own else f"{name} are there in one of the two alone"
    if exact.shape != own.shape:
        return f"{name} have the shape {own.shape}, not {exact.shape}"
    allowed = share * max(1.0, float(np.ptp(exact)))
    largest = float(np.abs(exact - own).max())
    return "" if largest <= allowed else f"{name} differ by {largest:.3g}, {allowed:.3g} is allowed"


def opened_engines(
    bundle: Bundle,
    threads: int | None = None,
    *,
    engine: str | None = None,
    precision: str | None = None,
) -> Iterator[tuple[str, Precision, Engine | str]]:
    """Yield every engine and precision that a bundle may be run in, opened, one at a time.

    Args:
        bundle: a validated bundle; a quantised one is run in int8 alone, any other in the rest.
        threads: of the CPU for one run.
        engine: this one alone.
        precision: this one alone.

    Yields:
        Name, precision, and the engine; or the reason in a line why it does not run here.

    Raises:
        BundleError: the reference refuses the bundle.
        EngineError: no such precision.
    """
    quantised = own_precision(bundle) == "int8"
    fit = [one for one in PRECISIONS if (one == "int8") == quantised]
    wanted = fit if precision is None else [as_precision(precision)]
    for name in engine_names() if engine is None else (engine,):
        for one in wanted:
            try:
                yield name, one, open_engine(name, bundle, threads, one)
            except BundleError as reason:
                if name == DEFAULT_ENGINE:  # what the reference refuses is wrong everywhere
                    raise
                yield name, one, str(reason)
            except (EngineError, MissingExtraError) as reason:
                yield name, one, str(reason)
