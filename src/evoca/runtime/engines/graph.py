"""What all engines that run ``model.onnx`` share: checks of the graph, and how Ctrl-C ends it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, ClassVar, NamedTuple, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from evoca.errors import BundleError, first_line
from evoca.images.walk import printable_name
from evoca.runtime.engines.base import OUTPUT_NAMES, Array, Outputs, Precision

if TYPE_CHECKING:
    from evoca.runtime.bundle import Bundle

__all__ = ["GraphEngine", "Port", "stoppable"]

T = TypeVar("T")
_STOP_SECONDS = 5.0  # for the engine to return after Ctrl-C

# How far the maps' means plus the bias may be from the logits, as (relative, absolute): sums of
# float32 numbers, of bfloat16 numbers with 8 bits each, and of integers with steps of their own.
_ADDITIVE = {"float32": (1e-3, 1e-2), "bf16": (2e-2, 1e-1), "int8": (2e-2, 2e-1)}


class Port(NamedTuple):
    """An input or an output of a graph.

    Attributes:
        name: of the tensor.
        kind: of its elements, as NumPy names it, such as ``uint8``.
        shape: a number for every side that the graph fixes, anything else for the others.
    """

    name: str
    kind: str
    shape: Sequence[object]


class GraphEngine(ABC):
    """An engine that runs the graph of a bundle, whose outputs are checked against its card."""

    TITLE: ClassVar[str]
    """The name of the library, for messages."""

    def __init__(self, bundle: Bundle, precision: Precision) -> None:
        self._card = bundle.card
        self._name = printable_name(bundle.path)
        self._precision = precision
        self._outputs: list[str] = []

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """Return all outputs for a batch.

        Args:
            batch: uint8 (N, H, W, 3), RGB, at the input size in the card.

        Raises:
            BundleError: the graph fails, or its outputs contradict the card.
        """
        try:
            found = self._compute(batch)
        except Exception as error:  # every library raises its own family of exceptions
            raise BundleError(f"{self._name}: model.onnx failed: {self._said(error)}") from error
        outputs = Outputs(
            found["logits"], found.get("evidence"), found.get("embedding"), found.get("affect")
        )
        self._check_outputs(outputs, len(batch))
        return outputs

    @abstractmethod
    def _compute(self, batch: NDArray[np.uint8]) -> Mapping[str, Array]:
        """Return the values of ``self._outputs`` by name."""

    @abstractmethod
    def stop(self) -> None:
        """End running and later calls in other threads with an error."""

    def _said(self, error: Exception) -> str:
        """Return what the library's error says in a line."""
        return first_line(error)

    def _loaded(self, load: Callable[[], T], stop: Callable[[], None]) -> T:
        """Return what a library makes of the graph, or raise what it says of it.

        Raises:
            BundleError: it cannot load the graph.
        """
        try:
            return stoppable(load, stop)
        except Exception as error:  # every library raises its own family of exceptions
            raise BundleError(
                f"{self._name}: {self.TITLE} cannot load model.onnx: {self._said(error)}"
            ) from error

    def _check_signature(self, inputs: Sequence[Port], found: Sequence[Port]) -> None:
        """Refuse a graph that is not the one the card describes, and note its outputs."""
        size = self._card.preprocessing
        if len(inputs) != 1 or inputs[0][:2] != ("image", "uint8"):
            known = ", ".join(f"{port.name}: {port.kind}" for port in inputs)
            self._fail(f"model.onnx must have one input, image: uint8; it has {known}")
        wanted = (size.height, size.width, 3)
        shape = inputs[0].shape
        if len(shape) != 4 or any(
            isinstance(side, int) and side != want
            for side, want in zip(shape[1:], wanted, strict=True)
        ):
            self._fail(f"model.json says an input of (N, {wanted}), model.onnx takes {shape}")
        outputs = {port.name: port for port in found}
        if "logits" not in outputs:
            self._fail("model.onnx has no output named logits")
        if self._card.evidence_kind is not None and "evidence" not in outputs:
            self._fail(
                f"model.json says evidence_kind {self._card.evidence_kind}, "
                "but model.onnx has no output named evidence"
            )
        if ("affect" in outputs) != (self._card.affect_range is not None):
            self._fail("an output named affect and affect_range in model.json go together")
        self._outputs = [name for name in OUTPUT_NAMES if name in outputs]
        for name in self._outputs:
            self._check_output(outputs[name])

    def _check_output(self, port: Port) -> None:
        if port.kind != "float32":
            self._fail(f"{port.name} must be float32, model.onnx gives {port.kind}")
        allowed = {"logits": {len(self._card.labels)}, "evidence": {len(self._card.labels), 1}}
        k = port.shape[1:2]
        if port.name in allowed and k and isinstance(k[0], int) and k[0] not in allowed[port.name]:
            self._fail(
                f"model.json has {len(self._card.labels)} labels, "
                f"but the {port.name} of model.onnx have {k[0]}"
            )

    def _check_outputs(self, outputs: Outputs, n: int) -> None:
        k = len(self._card.labels)
        if outputs.logits.shape != (n, k):
            self._fail(
                f"model.json has {k} labels, but logits came out as {outputs.logits.shape} "
                f"for {n} images"
            )
        if outputs.evidence is not None:
            self._check_map(outputs.evidence.shape, n, k)
        for name, values in zip(OUTPUT_NAMES, outputs, strict=True):
            if values is not None and not np.isfinite(values).all():
                self._fail(f"{name} are not finite")
        if outputs.embedding is not None and outputs.embedding.shape[:1] != (n,):
            self._fail(f"embedding came out as {outputs.embedding.shape} for {n} images")
        if outputs.affect is not None and outputs.affect.shape != (n, 2):
            self._fail(f"affect came out as {outputs.affect.shape} for {n} images, not ({n}, 2)")
        if outputs.evidence is not None and self._card.evidence_bias is not None:
            self._check_sum(outputs.evidence, outputs.logits)

    def _check_map(self, shape: tuple[int, ...], n: int, k: int) -> None:
        # A map finer than the model's own input shows nothing and costs the drawing memory.
        finest = (self._card.preprocessing.height, self._card.preprocessing.width)
        if (
            len(shape) != 4
            or shape[:2] not in {(n, k), (n, 1)}
            or not all(1 <= side <= most for side, most in zip(shape[2:], finest, strict=True))
        ):
            self._fail(
                f"evidence came out as {shape} for {n} images; it must be ({n}, {k} or 1, h, w), "
                f"from 1 x 1 to the input's {finest[0]} x {finest[1]}"
            )

    def _check_sum(self, evidence: Array, logits: Array) -> None:
        relative, absolute = _ADDITIVE[self._precision]
        total = evidence.mean(axis=(2, 3)) + np.array(self._card.evidence_bias, dtype=np.float32)
        if total.shape != logits.shape or not np.allclose(
            total, logits, rtol=relative, atol=absolute
        ):
            self._fail("evidence_kind is additive, but the maps do not add up to the logits")

    def _fail(self, reason: str) -> NoReturn:
        raise BundleError(f"{self._name}: the bundle is untrue about itself: {reason}")


def stoppable(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Return the result of ``work``, which Ctrl-C can end even in an endless loop.

    Python handles signals in the main thread, between its own instructions: while that
    thread is inside an engine nothing can interrupt it. So another thread runs ``work``.

    Args:
        work: calls the engine.
        stop: called from another thread to end it.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    worker = threading.Thread(target=run, name="evoca-session", daemon=True)
    try:
        worker.start()
        return result.result()
    except KeyboardInterrupt:
        # Python must not end while a thread of its own is on its way into the engine: where the
        # machine is busy, the interrupt comes before the thread has begun, and it cannot be
        # joined yet. One that stays inside for longer is left there (see ``exits.leave``).
        stop()
        if wait([result], _STOP_SECONDS).done:
            worker.join()
        raise
