"""Engines that run a bundle's graph."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING

from evoca.errors import EngineError, did_you_mean
from evoca.plugins import plugin_names, plugins
from evoca.runtime.engines.base import PRECISIONS, Engine, OpenEngine, Outputs, Precision

if TYPE_CHECKING:
    from evoca.runtime.bundle import Bundle

__all__ = [
    "CPU_ENGINES",
    "DEFAULT_ENGINE",
    "ENGINES",
    "PRECISIONS",
    "Engine",
    "OpenEngine",
    "Outputs",
    "Precision",
    "as_precision",
    "engine_names",
    "find_engine",
    "open_engine",
    "own_precision",
]

DEFAULT_ENGINE = "onnxruntime"
ENGINES = (
    DEFAULT_ENGINE,
    "openvino",
    "onnxruntime-cuda",
    "onnxruntime-coreml",
    "onnxruntime-directml",
)
"""The engines that Evoca knows; not all of them run everywhere."""
CPU_ENGINES = (DEFAULT_ENGINE, "openvino")
"""Those that compute on the CPU, where one image a run is fastest."""
_GROUP = "evoca.engines"


def engine_names() -> tuple[str, ...]:
    """Return the names of all engines, those of other packages last."""
    return tuple(dict.fromkeys([*ENGINES, *plugin_names(_GROUP)]))


def find_engine(name: str) -> OpenEngine:
    """Return what opens the engine of a name: one of ours, or an entry point of other packages.

    Raises:
        EngineError: there is none of this name.
    """
    if name == "openvino":
        from evoca.runtime.engines.openvino import OpenVinoModel

        return OpenVinoModel
    if name in ENGINES:
        from evoca.runtime.engines.onnxruntime import OrtSession

        return partial(OrtSession, engine=name)
    known = engine_names()
    if name not in known:
        raise EngineError(f"engine {name}: no such engine{did_you_mean(name, known, limit=9)}")
    opened: OpenEngine = plugins(_GROUP)[name]
    return opened


def own_precision(bundle: Bundle) -> Precision:
    """Return the precision that a bundle has where none is asked for."""
    return "float32" if bundle.card.quantisation is None else "int8"


def open_engine(
    name: str,
    bundle: Bundle,
    threads: int | None = None,
    precision: str | None = None,
    *,
    runs: int = 1,
) -> Engine:
    """Return the engine of a name, loaded with a bundle.

    Args:
        name: of the engine.
        bundle: a validated bundle.
        threads: CPU threads for one run; the engine's own choice if omitted.
        precision: one of :data:`PRECISIONS`; the bundle's own if omitted.
        runs: that several threads will ask for at once, each on ``threads`` of the CPU.

    Raises:
        BundleError: the graph is damaged, or not the one the card describes.
        EngineError: no such engine or precision, or not on this machine or for this bundle.
        MissingExtraError: the engine is not installed.
    """
    opened = find_engine(name)
    own = own_precision(bundle)
    wanted = own if precision is None else _checked(precision, own)
    # Engines that other packages offered before there was a choice take two arguments.
    taken = inspect.signature(opened).parameters
    if "precision" not in taken:
        if wanted != "float32":
            raise EngineError(f"engine {name}: it computes in float32 alone, not in {wanted}")
        return opened(bundle, threads)  # type: ignore[call-arg]
    if "runs" in taken:
        return opened(bundle, threads, wanted, runs=runs)  # type: ignore[call-arg]
    return opened(bundle, threads, wanted)


def as_precision(text: str) -> Precision:
    """Return a text as the precision that it names.

    Raises:
        EngineError: it names none.
    """
    if text not in PRECISIONS:
        hint = did_you_mean(text, PRECISIONS)
        raise EngineError(f"precision {text}: no such precision{hint}")
    return text


def _checked(text: str, own: Precision) -> Precision:
    precision = as_precision(text)
    if own == "int8" and precision != "int8":
        raise EngineError(f"precision {precision}: this bundle was quantised, and has int8 alone")
    if own != "int8" and precision == "int8":
        raise EngineError(
            "precision int8: this bundle has no integers: make one that has, with "
            "evoca models quantize BUNDLE --data MANIFEST --out NEW"
        )
    return precision
