"""The engine ONNX Runtime, on the CPU or on what the installed build has beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from evoca.errors import EngineError, listed
from evoca.privacy import onnxruntime
from evoca.runtime.engines.base import Array, Precision
from evoca.runtime.engines.graph import GraphEngine, Port, stoppable

if TYPE_CHECKING:
    from evoca.runtime.bundle import Bundle

__all__ = ["PROVIDERS", "OrtSession"]

PROVIDERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "onnxruntime": ("CPUExecutionProvider", "onnxruntime", {}),
    # Without TF32, which multiplies numbers of 10 bits and would still be called float32.
    "onnxruntime-cuda": ("CUDAExecutionProvider", "onnxruntime-gpu", {"use_tf32": "0"}),
    "onnxruntime-coreml": ("CoreMLExecutionProvider", "onnxruntime on macOS", {}),
    "onnxruntime-directml": ("DmlExecutionProvider", "onnxruntime-directml on Windows", {}),
}
"""Names of engines: the provider, the package that has it, and its options."""

_KINDS = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}


class OrtSession(GraphEngine):
    """An ONNX Runtime session over a verified bundle. Safe to share between threads."""

    TITLE: ClassVar[str] = "ONNX Runtime"

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        precision: Precision = "float32",
        *,
        engine: str = "onnxruntime",
    ) -> None:
        """Load the graph.

        Args:
            bundle: a validated bundle.
            threads: CPU threads for one run; all cores if omitted.
            precision: to compute in; ``int8`` runs the integers that a quantised graph has.
            engine: one of :data:`PROVIDERS`.

        Raises:
            BundleError: the graph is damaged, or not the one the card describes.
            EngineError: the installed build lacks this provider, or the provider bf16.
        """
        super().__init__(bundle, precision)
        self._ort = onnxruntime()
        self._stopped = False
        self._running: set[Any] = set()
        provider, package, settings = PROVIDERS[engine]
        self._require(engine, provider, package)
        if precision == "bf16":
            raise EngineError(f"engine {engine}: it has no bf16 here; openvino has it on some CPUs")
        options = _options(self._ort, threads)
        data = bundle.onnx_bytes()

        def load() -> Any:
            return self._ort.InferenceSession(
                data, sess_options=options, providers=[(provider, settings)]
            )

        # The constants of a graph are computed here; the flag is checked only after that.
        self._session = self._loaded(load, lambda: options.set_load_cancellation_flag(True))
        if provider not in self._session.get_providers():  # it would use the CPU in silence
            raise EngineError(f"engine {engine}: {provider} does not start on this machine")
        self._check_signature(
            _ports(self._session.get_inputs()), _ports(self._session.get_outputs())
        )

    def _require(self, engine: str, provider: str, package: str) -> None:
        there = self._ort.get_available_providers()
        if provider not in there:
            raise EngineError(
                f"engine {engine}: the installed ONNX Runtime has no {provider} (it has "
                f"{listed(there, 'and')}): install {package} in its place"
            )

    def _compute(self, batch: NDArray[np.uint8]) -> dict[str, Array]:
        options = self._ort.RunOptions()
        options.terminate = self._stopped
        self._running.add(options)

        def run() -> list[Array]:
            try:
                return list(self._session.run(self._outputs, {"image": batch}, options))
            finally:
                self._running.discard(options)

        def stop() -> None:
            options.terminate = True  # seen before the next operator

        return dict(zip(self._outputs, stoppable(run, stop), strict=True))

    def stop(self) -> None:
        """End running and later calls in other threads with an error."""
        self._stopped = True
        for options in tuple(self._running):
            options.terminate = True  # seen before the next operator


def _options(ort: Any, threads: int | None) -> Any:
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
    return options


def _ports(nodes: Any) -> list[Port]:
    return [Port(node.name, _KINDS.get(node.type, node.type), node.shape) for node in nodes]
