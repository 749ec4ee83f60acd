"""Keep the libraries below Evoca from reporting their use to anyone.

Some collect by default how they are used: ONNX Runtime from 1.29 on writes a device id and a
database of events into the user's cache folder and uploads them, on every system but where
``CI`` is set; the client of Hugging Face's hub describes the machine at every request, and
asks the hub for more to look for; Ray counts which of its libraries are used, on what machines.
Each reads an environment variable when it is first
imported, so a call afterwards comes too late. ``evoca/__init__.py`` therefore imports this
module before anything else, and :func:`onnxruntime` is the one way to ONNX Runtime.
A setting that the user made is kept. OpenVINO has no such variable: see :func:`openvino`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

__all__ = ["SETTINGS", "onnxruntime", "openvino", "turn_off_reports"]

_ORT = "ORT_DISABLE_TELEMETRY"

SETTINGS = {
    _ORT: "1",
    # Of huggingface_hub; through it of transformers, datasets, timm, open_clip and peft.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    # transformers asks a service to convert weights, from a thread of its own.
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    # Of a cluster that is started here. One that others started reports what they let it; then
    # the second keeps the plan of our work out of what it reports.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_USAGE_DISABLED": "1",
    # No report, but read at the import too: workers start by this Python, not by "uv run", which
    # would build this project again for each.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
"""Environment variables, and what each is set to."""


def turn_off_reports() -> None:
    """Set each variable of :data:`SETTINGS` that the user did not set."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def onnxruntime() -> ModuleType:
    """Return ONNX Runtime with its reports turned off, unless the user turned them on.

    The variable is not read on Windows, where events go to the system's own tracing: there
    a call after the import is all that can be done. The same holds where a program imported
    ONNX Runtime before Evoca.
    """
    import onnxruntime as ort

    if os.environ.get(_ORT) == "1":
        ort.disable_telemetry_events()
    module: ModuleType = ort
    return module


def openvino() -> ModuleType:
    """Return OpenVINO without its reports.

    Its tools, which the import brings along, write an id of the user and a count of the uses
    into ``~/intel`` and send events when they convert a model, unless the package
    ``openvino_telemetry`` is missing; they then do without. There is nothing else that turns it
    off for one program alone. A program that imported OpenVINO before keeps what it chose.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    with _without("openvino_telemetry"):
        import openvino as found
    module: ModuleType = found
    return module


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let imports inside find no module of a name, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # as the import system documents
    try:
        yield
    finally:
        sys.modules.pop(name, None)


turn_off_reports()
