"""What the lab alone puts into a run directory: its description, and the trained head."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from evoca.errors import EvocaError
from evoca.lab.arrays import read_arrays
from evoca.lab.config.recipe import Recipe
from evoca.lab.heads.base import FittedHead
from evoca.lab.heads.linear import LinearHead
from evoca.lab.heads.svm import SvmMachine
from evoca.lab.heads.visual_words import WordsHead
from evoca.lab.prepare import Prepared
from evoca.runs.measured_on import MeasuredOn
from evoca.runs.provenance import describe_data, describe_run

__all__ = ["Choice", "choice", "choice_in_fold", "read_head", "run_description", "write_head"]


class Choice(Protocol):
    """What validation images or inner folds chose."""

    @property
    def c(self) -> float | None:
        """Of the head; ``None`` where there is none to choose for."""

    @property
    def temperature(self) -> float:
        """For softmax(logits / temperature)."""

    @property
    def threshold(self) -> float:
        """Of the prediction set."""


def choice(chosen: Choice) -> dict[str, Any]:
    """Return a choice as ``run.json`` and ``metrics.json`` keep it; C where there is one."""
    own = {"temperature": chosen.temperature, "set_threshold": chosen.threshold}
    return own if chosen.c is None else {"c": chosen.c, **own}


def choice_in_fold(repeat: int, fold: int, chosen: Choice) -> dict[str, Any]:
    """Return the choice of one fold, numbered from 0, of a cross-validation."""
    return {"repeat": repeat, "fold": fold, **choice(chosen)}


def run_description(
    kind: str, recipe: Recipe, prepared: Prepared, data_name: str | None = None
) -> dict[str, Any]:
    """Return the content of ``run.json`` that trainings and cross-validations share.

    Args:
        kind: ``training`` or ``cross-validation``.
        recipe: what was measured.
        prepared: the images it was measured on.
        data_name: what to call the data; the folder's or file's own name if omitted.
    """
    protocol, tested = recipe.protocol, prepared.test is not None
    repeats = 1 if tested else protocol.repeats
    return describe_run(
        kind,
        data=describe_data(prepared.used, data_name),
        split=_split(recipe, prepared),
        system={"recipe": recipe.model_dump(mode="json")},
        seeds=[protocol.seed + r for r in range(repeats)],
        labels=prepared.images.labels,
        protocol=_protocol_in_words(recipe, prepared),
    )


def _split(recipe: Recipe, prepared: Prepared) -> dict[str, Any]:
    protocol = recipe.protocol
    shared = {"groups": prepared.basis, "inner_folds": protocol.inner_folds, **prepared.division}
    if prepared.test is None:
        folds = {"folds": protocol.folds, "repeats": protocol.repeats}
        return {"kind": MeasuredOn.FOLDS, **folds, **shared}
    parts = {"train": len(prepared.images), "validation": 0, "test": len(prepared.test)}
    return {"kind": MeasuredOn.TEST, **parts, **shared}


def _protocol_in_words(recipe: Recipe, prepared: Prepared) -> str:
    protocol = recipe.protocol
    intervals = "intervals from 1,000 bootstrap draws over groups"
    if prepared.test is not None:
        return (
            f"fitted once on {len(prepared.images)} images, whose {protocol.inner_folds} inner "
            f"folds choose what is chosen; figures of {MeasuredOn.TEST}; {intervals} "
            f"({prepared.basis})"
        )
    return (
        f"{protocol.repeats} x {protocol.folds}-fold nested cross-validation, stratified, "
        f"no group ({prepared.basis}) in two folds; what is chosen is chosen by "
        f"{protocol.inner_folds} inner folds; figures of the pooled held-out predictions, "
        f"averaged over repeats; {intervals}"
    )


def write_head(folder: Path, head: FittedHead) -> None:
    """Keep a head as plain arrays."""
    folder.mkdir(exist_ok=True)
    arrays: dict[str, Any] = head.arrays()
    np.savez(folder / "head.npz", **arrays)


def read_head(folder: Path) -> LinearHead | SvmMachine | WordsHead:
    """Read a head back; arrays only, nothing is unpickled.

    Raises:
        EvocaError: missing or damaged.
    """
    file = folder / "head.npz"
    try:
        arrays = read_arrays(file)
        head = _head_of(arrays)
        if "words" in arrays:
            return WordsHead(arrays["words"].astype(np.float32), head)
        return head
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise EvocaError(f"{file}: missing or damaged: this is not a trained run") from error


def _head_of(arrays: Mapping[str, NDArray[Any]]) -> LinearHead | SvmMachine:
    if "support" not in arrays:
        return LinearHead(arrays["weight"], arrays["bias"], float(arrays["c"]))
    return SvmMachine(
        centre=arrays["centre"],
        spread=arrays["spread"],
        support=arrays["support"],
        weight=arrays["weight"],
        bias=arrays["bias"],
        gamma=float(arrays["gamma"]),
        c=float(arrays["c"]),
    )
