"""Engines that run a bundle's graph."""

from __future__ import annotations

from evoca.errors import EvocaError
from evoca.plugins import plugin_names, plugins
from evoca.runtime.engines.base import Engine, OpenEngine, Outputs

__all__ = ["DEFAULT_ENGINE", "Engine", "OpenEngine", "Outputs", "find_engine"]

DEFAULT_ENGINE = "onnxruntime"


def find_engine(name: str) -> OpenEngine:
    """Return the engine of a name: ONNX Runtime, or an entry point of ``evoca.engines``.

    Raises:
        EvocaError: there is none of this name.
    """
    if name == DEFAULT_ENGINE:
        from evoca.runtime.engines.onnxruntime import OrtSession

        return OrtSession
    known = sorted({DEFAULT_ENGINE, *plugin_names("evoca.engines")})
    if name not in known:
        raise EvocaError(f"engine {name}: no such engine; there are {', '.join(known)}")
    opened: OpenEngine = plugins("evoca.engines")[name]
    return opened
