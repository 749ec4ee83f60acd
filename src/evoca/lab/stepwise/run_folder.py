"""The run directory of a training: begun, gone on with, written whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evoca.errors import EvocaError
from evoca.runs import write_json, write_predictions
from evoca.runs.result import Result
from evoca.runtime.card import DeletionTest

__all__ = ["require_fresh", "write_result"]


def require_fresh(out: Path, *, resume: bool) -> None:
    """Refuse a folder that holds a finished run, or anything else unless it is gone on with.

    Raises:
        EvocaError: one of these.
    """
    if (out / "run.json").is_file():
        raise EvocaError(f"{out}: a finished run: nothing is left to do; name another")
    if not resume and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise EvocaError(f"{out}: exists already; add --resume to go on with it, or name another")


def write_result(
    folder: Path,
    description: Mapping[str, Any],
    result: Result,
    deletion: DeletionTest | None = None,
) -> None:
    """Write the run; ``run.json`` comes last, since it says that the run is complete.

    Raises:
        EvocaError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(folder / "predictions.csv", result.predictions)
        write_json(folder / "metrics.json", result.to_dict())
        if deletion is not None:
            write_json(folder / "deletion_test.json", deletion.model_dump(mode="json"))
        draft = folder / ".run.json"
        write_json(draft, description)
        draft.replace(folder / "run.json")
    except OSError as error:
        raise EvocaError(f"{folder}: cannot be written: {error.strerror}") from error
