"""The state of a training between two batches: saved whole, read with checks."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from evoca import __version__
from evoca.data.manifest.labelled import LabelledImages
from evoca.drafts import drafted
from evoca.errors import EvocaError, first_line
from evoca.lab.config.recipe import Recipe
from evoca.lab.training.sampling import Position
from evoca.lab.training.schedule import Progress

__all__ = [
    "CheckpointError",
    "Identity",
    "TrainingState",
    "all_finite",
    "identity_of",
    "load_state",
    "load_weights",
    "save_state",
    "save_weights",
]

CHECKPOINT_VERSION = 2
"""Grows when a saved state changes its meaning."""

_FULL = 2**16  # bytes left while the unfinished file is there

Tensors = dict[str, Tensor]
HistoryRow = dict[str, float | int | str]


class CheckpointError(EvocaError):
    """A saved state that cannot be written, read, or gone on from."""


@dataclass(frozen=True)
class Identity:
    """What a training must still be for a saved state to continue it.

    Attributes:
        recipe: fingerprint of everything in the recipe that decides the weights.
        data: fingerprint of the training and validation images, in their order.
        version: of Evoca.
    """

    recipe: str
    data: str
    version: str = __version__


@dataclass
class TrainingState:
    """Everything that decides how a training goes on.

    Attributes:
        position: the next batch.
        weights: of the whole system.
        optimiser: its state; empty at the start of a step.
        scaler: of mixed precision; empty without.
        sums: of the running epoch's figures.
        seconds: spent in the running epoch.
        progress: early stopping's.
        best: weights of the best epoch of the step; empty where none is saved.
        history: a row for every finished epoch.
    """

    position: Position
    weights: Tensors
    optimiser: dict[str, Any] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    sums: Tensors = field(default_factory=dict)
    seconds: float = 0.0
    progress: Progress = field(default_factory=Progress)
    best: Tensors = field(default_factory=dict)
    history: list[HistoryRow] = field(default_factory=list)


def weights_of(system: nn.Module) -> Tensors:
    """Return a copy of all weights and statistics of a system, on the CPU."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in system.state_dict().items()
    }


def all_finite(system: nn.Module) -> bool:
    """Whether all weights are numbers; a system has some."""
    each = [parameter.detach().isfinite().all() for parameter in system.parameters()]
    return bool(torch.stack(each).all())


def save_state(file: Path, state: TrainingState, identity: Identity) -> None:
    """Write a state; the file is replaced only when the new one is complete.

    Raises:
        CheckpointError: it cannot be written; the file is as it was.
    """
    content = {name: getattr(state, name) for name in state.__dataclass_fields__}
    content |= {
        "position": asdict(state.position),
        "progress": asdict(state.progress),
        "version": CHECKPOINT_VERSION,
        "identity": asdict(identity),
    }
    _write(file, lambda draft: torch.save(content, draft))


def load_state(file: Path, identity: Identity) -> TrainingState:
    """Return a state read from its file; only tensors and plain values are unpickled.

    Raises:
        CheckpointError: damaged, or of another recipe, other images or another version.
    """
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        version, found = content.pop("version"), Identity(**content.pop("identity"))
    except Exception as error:  # torch raises many kinds for a damaged file
        raise CheckpointError(f"{file}: not a checkpoint, or a damaged one") from error
    if version != CHECKPOINT_VERSION or found.version != identity.version:
        raise CheckpointError(
            f"{file}: written by Evoca {found.version} in format {version}, this is "
            f"{identity.version} with format {CHECKPOINT_VERSION}: go on with that version, or "
            "start anew elsewhere"
        )
    for what, ours, theirs in (
        ("recipe", identity.recipe, found.recipe),
        ("images, or their splits or groups,", identity.data, found.data),
    ):
        if ours != theirs:
            raise CheckpointError(
                f"{file}: the checkpoint of another training: its {what} differ"
                f"{'s' if what == 'recipe' else ''}; go on with the same, or start anew elsewhere"
            )
    content["position"] = Position(**content["position"])
    content["progress"] = Progress(**content["progress"])
    return TrainingState(**content)


def save_weights(file: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights as safetensors, whole or not at all.

    Raises:
        CheckpointError: it cannot be written.
    """
    _write(file, lambda draft: save_file(dict(weights), draft))


def load_weights(file: Path) -> Tensors:
    """Return weights read from their file.

    Raises:
        CheckpointError: missing or damaged.
    """
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{file}: missing or damaged: this is not a trained run") from error


def _write(file: Path, save: Callable[[Path], None]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with drafted(file) as draft:
            save(draft)
            with draft.open("rb") as written:
                os.fsync(written.fileno())
    except (OSError, RuntimeError, SafetensorError, BadZipFile) as error:
        cause = error.strerror if isinstance(error, OSError) else first_line(error)
        if shutil.disk_usage(file.parent).free < _FULL:  # torch and safetensors hide the cause
            cause = "the disk is full"
        kept = "; the last good checkpoint is kept" if file.exists() else ""
        raise CheckpointError(f"{file}: cannot be written: {cause}{kept}") from error


# What may differ between two trainings that are the same.
_NAMES = {"name", "summary", "search", "profile", "stand_ins"}


def identity_of(recipe: Recipe, *images: LabelledImages, division: str = "") -> Identity:
    """Return fingerprints of what decides the weights: the recipe, and the images in order.

    Args:
        recipe: states how they are trained on.
        images: by their use.
        division: what else must be the same, such as the groups that folds keep together.
    """
    content = recipe.model_dump(mode="json")
    deciding = {key: content[key] for key in sorted(content) if key not in _NAMES}
    if not recipe.merge:  # as before there was such a key
        del deciding["merge"]
    digest = hashlib.sha256()
    for part in images:
        digest.update(part.fingerprint().encode())
        digest.update("\0".join(part.names).encode())
    digest.update(division.encode())
    recipe_digest = hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()
    return Identity(recipe_digest, digest.hexdigest())
