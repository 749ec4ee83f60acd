"""The engine OpenVINO: float32, bfloat16 where the CPU has it, and quantised graphs."""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evoca.errors import EngineError, first_line, needs_extra
from evoca.privacy import openvino
from evoca.runtime.engines.base import Array, Precision
from evoca.runtime.engines.graph import GraphEngine, Port, stoppable
from evoca.runtime.engines.onnxruntime import OrtSession

if TYPE_CHECKING:
    from evoca.runtime.bundle import Bundle

__all__ = ["OpenVinoModel"]

_KINDS = {"u8": "uint8", "f32": "float32"}
_CAPABILITIES = {"float32": "FP32", "bf16": "BF16", "int8": "INT8"}


class OpenVinoModel(GraphEngine):
    """A model that OpenVINO compiled for the CPU. Safe to share between threads."""

    TITLE: ClassVar[str] = "OpenVINO"

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        precision: Precision = "float32",
        runs: int = 1,
    ) -> None:
        """Load the graph.

        Args:
            bundle: a validated bundle.
            threads: CPU threads for one run; all cores if omitted.
            precision: to compute in.
            runs: that are to go on at once, each with threads of its own.

        Raises:
            BundleError: the graph is damaged, or not the one the card describes.
            EngineError: the CPU lacks the precision.
            MissingExtraError: OpenVINO is not installed.
        """
        super().__init__(bundle, precision)
        with needs_extra("openvino", "the engine openvino"):
            openvino()
        # OpenVINO reads weights from other files that a graph names, whichever they are. What
        # the reference refuses, for this or for another reason, must not come this far.
        OrtSession(bundle, threads)
        self._stopped = False
        self._running: set[Any] = set()
        self._own = threading.local()
        core = _core(os.getpid())
        if _CAPABILITIES[precision] not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise EngineError(f"engine openvino: this CPU has no {precision}")
        data = bundle.onnx_bytes()

        def load() -> Any:
            graph = core.read_model(model=data, weights=b"")
            return core.compile_model(graph, "CPU", _settings(threads, precision, runs))

        self._model = self._loaded(load, lambda: None)
        self._check_signature(_ports(self._model.inputs), _ports(self._model.outputs))

    def _compute(self, batch: NDArray[np.uint8]) -> dict[str, Array]:
        if self._stopped:
            raise RuntimeError("stopped")
        request = self._request()
        self._running.add(request)

        def run() -> dict[str, Array]:
            try:
                # A batch in one piece is read where it lies; the outputs are copies.
                found = request.infer({"image": np.ascontiguousarray(batch)}, share_inputs=True)
                return {name: found[name] for name in self._outputs}
            finally:
                self._running.discard(request)

        return stoppable(run, request.cancel)

    def _said(self, error: Exception) -> str:
        """Return the first line that is no place in OpenVINO's own sources."""
        places = ("Exception from ", "Check '")
        lines = [line for line in str(error).splitlines() if not line.startswith(places)]
        return first_line(RuntimeError("\n".join(lines)) if any(lines) else error)

    def _request(self) -> Any:
        """Return this thread's own request: one runs one batch at a time."""
        if not hasattr(self._own, "request"):
            self._own.request = self._model.create_infer_request()
        return self._own.request

    def stop(self) -> None:
        """End running and later calls in other threads with an error."""
        self._stopped = True
        for request in tuple(self._running):
            request.cancel()


@cache
def _core(process: int) -> Any:
    """Return OpenVINO's core of a process, which stays as long as the process does.

    The plugin for CPUs gives the thread that loads it a stack for signals, and puts back the one
    before when it ends. Of several cores the last to end puts back one that is gone: the next
    Ctrl-C would crash. A process that was forked needs threads, and so a core, of its own.
    """
    del process
    return openvino().Core()


def _settings(threads: int | None, precision: Precision, runs: int) -> dict[str, Any]:
    # A quantised graph computes in integers wherever it says so; the rest stays float32.
    hint = "bf16" if precision == "bf16" else "f32"
    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": runs}
    if threads is not None:
        settings["INFERENCE_NUM_THREADS"] = threads * runs
    return settings


def _ports(nodes: Any) -> list[Port]:
    return [
        Port(name, _kind(node), [_side(side) for side in node.partial_shape])
        for node in nodes
        for name in sorted(node.names)
    ]


def _kind(node: Any) -> str:
    name: str = node.element_type.get_type_name()
    return _KINDS.get(name, name)


def _side(side: Any) -> object:
    return side.get_length() if side.is_static else None
