"""The run directory itself: written whole or not at all, read without trusting it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evoca.drafts import drafted
from evoca.errors import EvocaError

__all__ = ["RUN_VERSION", "new_run", "read_json", "write_json"]

RUN_VERSION = 1
"""Of ``run.json``; grows when a key changes its meaning."""


@contextmanager
def new_run(out: Path) -> Iterator[Path]:
    """Give a folder to write into that becomes ``out`` only when all of it is written.

    Raises:
        EvocaError: ``out`` exists, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EvocaError(f"{out}: exists already; remove it or name another")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with drafted(out) as draft:
            draft.mkdir()
            yield draft
    except OSError as error:
        raise EvocaError(f"{out}: cannot be written: {error.strerror or error}") from error


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write readable JSON."""
    file.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """Read an object back.

    Raises:
        EvocaError: missing, or not JSON.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise EvocaError(f"{file}: missing: this is not a complete run directory") from error
    except (OSError, ValueError) as error:
        raise EvocaError(f"{file}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise EvocaError(f"{file}: holds no object")
    return content
