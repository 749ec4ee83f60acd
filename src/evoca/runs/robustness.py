"""The result of a robustness test of a model, and its JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoca.drafts import drafted
from evoca.errors import DataError, EvocaError
from evoca.images import printable_name
from evoca.metrics.result import Figure
from evoca.metrics.robustness import Masking, Movement
from evoca.runs.directory import parse_json
from evoca.runs.schema import RobustnessContent, require

__all__ = [
    "ROBUSTNESS_FILE",
    "SCHEMA_VERSION",
    "RobustnessResult",
    "read_robustness",
    "write_robustness",
]

ROBUSTNESS_FILE = "probe.json"
"""The name of the result's file in a run directory."""

SCHEMA_VERSION = 1
"""Version of the JSON of :meth:`RobustnessResult.to_dict`; grows when a key changes its meaning."""


@dataclass(frozen=True)
class RobustnessResult:
    """The result of a robustness test.

    Attributes:
        model: name of the model.
        data: name of the manifest or folder.
        n: pictures predicted.
        groups: groups of pictures, the units of the bootstrap.
        basis: where the groups come from, in words.
        accuracy: of the pictures as they are, on those with a label; ``None`` where none has.
        labelled: pictures with a label of the model.
        trained_on: pictures that the model was trained on.
        copies_of_training: other pictures that are copies of training images; ``None`` where
            the model records too little.
        movements: one per change, in the order of the changes.
        masking: faces against elsewhere; ``None`` where not measured.
        unreadable: one error for each picture that could not be read.
        notes: what a reader must know.
        version: of Evoca.
        draws: of the bootstrap.
        seed: of the bootstrap.
    """

    model: str
    data: str
    n: int
    groups: int
    basis: str
    accuracy: Figure | None
    labelled: int
    trained_on: int
    copies_of_training: int | None
    movements: tuple[Movement, ...]
    masking: Masking | None
    unreadable: tuple[str, ...]
    notes: tuple[str, ...]
    version: str
    draws: int
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return the object that ``probe --format json`` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self.model,
            "data": self.data,
            "n": self.n,
            "labelled": self.labelled,
            "training_images": self.trained_on,
            "copies_of_training_images": self.copies_of_training,
            "accuracy": None if self.accuracy is None else self.accuracy.to_dict(),
            "perturbations": [movement.to_dict() for movement in self.movements],
            "masking": None if self.masking is None else self.masking.to_dict(),
            "unreadable": list(self.unreadable),
            "notes": list(self.notes),
            "evoca": self.version,
            "bootstrap": {
                "draws": self.draws,
                "groups": self.groups,
                "basis": self.basis,
                "seed": self.seed,
            },
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RobustnessResult:
        """Return the result from the data of :meth:`to_dict`; unknown keys are skipped."""
        accuracy, mask = content["accuracy"], content["masking"]
        return cls(
            model=content["model"],
            data=content["data"],
            n=content["n"],
            accuracy=None if accuracy is None else Figure.from_dict(accuracy),
            labelled=content["labelled"],
            trained_on=content["training_images"],
            copies_of_training=content.get("copies_of_training_images"),
            movements=tuple(map(Movement.from_dict, content["perturbations"])),
            masking=None if mask is None else Masking.from_dict(mask),
            unreadable=tuple(content["unreadable"]),
            notes=tuple(content["notes"]),
            version=content["evoca"],
            **content["bootstrap"],
        )


def write_robustness(out: str | Path, found: RobustnessResult) -> Path:
    """Return the file that a result was written to, whole or not at all.

    Args:
        out: a file that ends in .json, or a run directory, which gets :data:`ROBUSTNESS_FILE`.
        found: the result.

    Raises:
        EvocaError: it cannot be written.
    """
    out = Path(out)
    file = out if out.suffix.lower() == ".json" else out / ROBUSTNESS_FILE
    content = json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with drafted(file) as draft:
            draft.write_text(content, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or error
        raise EvocaError(f"--out {printable_name(file)}: cannot be written: {reason}") from error
    return file


def read_robustness(file: str | Path) -> RobustnessResult:
    """Return the result that ``evoca probe --out`` wrote.

    Raises:
        DataError: missing, not JSON, of a newer version, or not the result of a robustness test.
    """
    file = Path(file)
    where = printable_name(file)
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON: {error}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise DataError(f"{where}: no schema_version: this is not the result of a robustness test")
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{where}: schema_version {version}; this Evoca reads up to {SCHEMA_VERSION}: "
            "install a newer one"
        )
    require(RobustnessContent, content, file, "the result of a robustness test")
    try:
        return RobustnessResult.from_dict(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: not the result of a robustness test ({error!r})") from error
