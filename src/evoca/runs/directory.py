"""The run directory: written whole or not at all, and checked when it is read."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evoca.drafts import drafted
from evoca.errors import DataError, EvocaError
from evoca.images import printable_name

__all__ = ["RUN_VERSION", "find_runs", "new_run", "parse_json", "read_json", "write_json"]

RUN_VERSION = 1
"""Version of ``run.json``; grows when a key changes its meaning."""


@contextmanager
def new_run(out: str | Path) -> Iterator[Path]:
    """Yield a folder to write into, which becomes ``out`` when all of it is written.

    Raises:
        EvocaError: ``out`` exists, or cannot be written.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EvocaError(f"{out}: exists already; remove it or name another")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with drafted(out) as draft:
            draft.mkdir()
            yield draft
    except OSError as error:
        raise EvocaError(f"{out}: cannot be written: {error.strerror or error}") from error


def write_json(file: str | Path, content: Mapping[str, Any]) -> None:
    """Write a mapping as indented JSON."""
    Path(file).write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(file: str | Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        EvocaError: missing, or not JSON.
    """
    try:
        content = parse_json(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EvocaError(f"{file}: missing: this is not a complete run directory") from error
    except (OSError, ValueError, RecursionError) as error:
        raise EvocaError(f"{file}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise EvocaError(f"{file}: holds no object")
    return content


def parse_json(text: str) -> Any:
    """Return the content of a JSON text.

    Raises:
        ValueError: it is not JSON, or has numbers or text that cannot be written as JSON.
        RecursionError: it is nested too deeply.
    """
    content = json.loads(text, parse_constant=_finite, parse_float=_finite)
    json.dumps(content, ensure_ascii=False).encode()  # fails on half a surrogate pair
    return content


def _finite(number: str) -> float:
    """Return a number; raise an error for NaN and Infinity, also as 1e999."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is no number in JSON")
    return value


def find_runs(folder: str | Path) -> Iterator[Path]:
    """Yield the folder itself if it is a run, else the runs below it, by name.

    Hidden folders (such as a run that is being written), links and runs are not searched.

    Raises:
        DataError: no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{printable_name(folder)}: no such folder of runs")
    for parent, children, files in os.walk(folder):
        if "run.json" in files:
            children.clear()
            yield Path(parent)
        else:
            children[:] = sorted(name for name in children if not name.startswith("."))
