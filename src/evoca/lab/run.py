"""The run directory: what a training or a cross-validation leaves behind."""

from __future__ import annotations

import csv
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from evoca import __version__
from evoca.errors import EvocaError
from evoca.lab.crossval import CrossValidation
from evoca.lab.heads import LinearHead
from evoca.lab.recipe import Recipe

__all__ = ["RUN_VERSION", "new_run", "read_head", "read_json", "write_head", "write_json"]

RUN_VERSION = 1


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
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise EvocaError(f"{out}: cannot be written: {error.strerror}") from error
    try:
        draft.chmod(0o755)
        yield draft
        draft.replace(out)
    except OSError as error:
        raise EvocaError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


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


def run_description(recipe: Recipe, fingerprint: str, n: int, data_name: str) -> dict[str, Any]:
    """Return the content of ``run.json`` that every kind of run shares."""
    protocol = recipe.protocol
    return {
        "run_version": RUN_VERSION,
        "evoca_version": __version__,
        "recipe": recipe.model_dump(mode="json"),
        "data": {"fingerprint": fingerprint, "images": n, "name": data_name},
        "split": {
            "kind": "nested cross-validation, stratified, grouped by duplicates",
            "folds": protocol.folds,
            "inner_folds": protocol.inner_folds,
            "repeats": protocol.repeats,
        },
        "seeds": [protocol.seed + r for r in range(protocol.repeats)],
    }


def write_predictions(
    file: Path,
    names: Sequence[str],
    truth: Sequence[str],
    groups: Sequence[int],
    labels: Sequence[str],
    validation: CrossValidation,
) -> None:
    """Write one row an image and repeat: its held-out prediction."""
    columns = ["image", "group", "fold", "repeat", "truth", *(f"p_{label}" for label in labels)]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for repeat, (fold, probabilities) in enumerate(
            zip(validation.fold, validation.probabilities, strict=True)
        ):
            for i, name in enumerate(names):
                row = [name, groups[i], int(fold[i]), repeat, truth[i]]
                writer.writerow([*row, *(f"{p:.8g}" for p in probabilities[i])])


def write_head(folder: Path, head: LinearHead) -> None:
    """Keep a linear head as plain arrays."""
    folder.mkdir()
    np.savez(folder / "head.npz", weight=head.weight, bias=head.bias, c=np.float64(head.c))


def read_head(folder: Path) -> LinearHead:
    """Read a head back; arrays only, nothing is unpickled.

    Raises:
        EvocaError: missing or damaged.
    """
    file = folder / "head.npz"
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return LinearHead(arrays["weight"], arrays["bias"], float(arrays["c"]))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EvocaError(f"{file}: missing or damaged: this is not a trained run") from error
