"""The engine ONNX Runtime, with checks that a graph fits its card."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from evoca.errors import BundleError, first_line
from evoca.images.walk import printable_name
from evoca.privacy import onnxruntime
from evoca.runtime.engines.base import OUTPUT_NAMES, Outputs

if TYPE_CHECKING:
    import onnxruntime as ort

    from evoca.runtime.bundle import Bundle

__all__ = ["OrtSession"]

T = TypeVar("T")
_STOP_SECONDS = 5.0  # for the engine to return after Ctrl-C


class OrtSession:
    """An ONNX Runtime session over a verified bundle. Safe to share between threads."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Load the graph.

        Args:
            bundle: a validated bundle.
            threads: CPU threads for one run; all cores if omitted.

        Raises:
            BundleError: the graph is damaged, or not the one the card describes.
        """
        self._ort = ort = onnxruntime()
        self._card = bundle.card
        self._name = printable_name(bundle.path)
        self._stopped = False
        self._running: set[Any] = set()
        options = ort.SessionOptions()
        options.log_severity_level = 4
        if threads is not None:
            options.intra_op_num_threads = threads
        # Idle threads sleep instead of spinning, so that decoding keeps its cores.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A graph must not read weights from files beside it: they are searched in a folder
        # that cannot exist, whatever the working directory is.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", "/dev/null/no-external-data"
        )
        data = bundle.onnx_bytes()

        def load() -> Any:
            return ort.InferenceSession(
                data, sess_options=options, providers=["CPUExecutionProvider"]
            )

        try:
            # The constants of a graph are computed here; the flag is checked only after that.
            self._session = _stoppable(load, lambda: options.set_load_cancellation_flag(True))
        except Exception as error:  # ONNX Runtime raises its own family of exceptions
            raise BundleError(
                f"{self._name}: ONNX Runtime cannot load model.onnx: {first_line(error)}"
            ) from error
        self._check_signature(self._session)
        present = {output.name for output in self._session.get_outputs()}
        self._outputs = [name for name in OUTPUT_NAMES if name in present]

    def _check_signature(self, session: ort.InferenceSession) -> None:
        size = self._card.preprocessing
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].name != "image" or inputs[0].type != "tensor(uint8)":
            found = ", ".join(f"{i.name}: {i.type}" for i in inputs)
            self._fail(f"model.onnx must have one input, image: tensor(uint8); it has {found}")
        wanted = (size.height, size.width, 3)
        shape = inputs[0].shape
        if len(shape) != 4 or any(
            isinstance(side, int) and side != want
            for side, want in zip(shape[1:], wanted, strict=True)
        ):
            self._fail(f"model.json says an input of (N, {wanted}), model.onnx takes {shape}")
        outputs = {output.name: output for output in session.get_outputs()}
        if "logits" not in outputs:
            self._fail("model.onnx has no output named logits")
        if self._card.evidence_kind is not None and "evidence" not in outputs:
            self._fail(
                f"model.json says evidence_kind {self._card.evidence_kind}, "
                "but model.onnx has no output named evidence"
            )
        if ("affect" in outputs) != (self._card.affect_range is not None):
            self._fail("an output named affect and affect_range in model.json go together")
        for name, output in outputs.items():
            if name in OUTPUT_NAMES and output.type != "tensor(float)":
                self._fail(f"{name} must be tensor(float), model.onnx gives {output.type}")
        for name in ("logits", "evidence"):
            k = outputs[name].shape[1:2] if name in outputs else []
            allowed = {len(self._card.labels)} | ({1} if name == "evidence" else set())
            if k and isinstance(k[0], int) and k[0] not in allowed:
                self._fail(
                    f"model.json has {len(self._card.labels)} labels, "
                    f"but the {name} of model.onnx have {k[0]}"
                )

    def _fail(self, reason: str) -> None:
        raise BundleError(f"{self._name}: the bundle is untrue about itself: {reason}")

    def run(self, batch: NDArray[np.uint8]) -> Outputs:
        """Return all outputs for a batch.

        Args:
            batch: uint8 (N, H, W, 3), RGB, at the input size in the card.

        Raises:
            BundleError: the graph fails, or its outputs contradict the card.
        """
        try:
            values = self._run_stoppable({"image": batch})
        except Exception as error:
            raise BundleError(f"{self._name}: model.onnx failed: {first_line(error)}") from error
        found = dict(zip(self._outputs, values, strict=True))
        outputs = Outputs(
            found["logits"], found.get("evidence"), found.get("embedding"), found.get("affect")
        )
        self._check_outputs(outputs, len(batch))
        return outputs

    def _run_stoppable(self, inputs: dict[str, NDArray[np.uint8]]) -> list[Any]:
        options = self._ort.RunOptions()
        options.terminate = self._stopped
        self._running.add(options)

        def run() -> list[Any]:
            try:
                return list(self._session.run(self._outputs, inputs, options))
            finally:
                self._running.discard(options)

        def stop() -> None:
            options.terminate = True  # seen before the next operator

        return _stoppable(run, stop)

    def stop(self) -> None:
        """End running and later calls in other threads with an error."""
        self._stopped = True
        for options in tuple(self._running):
            options.terminate = True  # seen before the next operator

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
        if outputs.evidence is None:
            return
        if self._card.evidence_bias is not None:
            bias = np.array(self._card.evidence_bias, dtype=np.float32)
            total = outputs.evidence.mean(axis=(2, 3)) + bias
            if total.shape != outputs.logits.shape or not np.allclose(
                total, outputs.logits, rtol=1e-3, atol=1e-2
            ):
                self._fail("evidence_kind is additive, but the maps do not add up to the logits")

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


def _stoppable(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """Return the result of ``work``, which Ctrl-C can end even in an endless loop.

    Python handles signals in the main thread, between its own instructions: while that
    thread is inside ONNX Runtime nothing can interrupt it. So another thread runs ``work``.

    Args:
        work: calls ONNX Runtime.
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
