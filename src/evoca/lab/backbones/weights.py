"""A backbone's network with its weights, of its library or of a user's file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.backbones import (  # noqa: F401 - they register
    architectures,
    open_clip,
    timm,
    torchvision,
    transformers,
)
from evoca.lab.backbones.library import adapter_of
from evoca.lab.config.backbone import STAGES, Backbone, backbone_names, find_backbone

__all__ = ["build_network"]

# What a transformer of timm, or of open_clip, holds outside the modules of its stages.
_TOKENS = (
    *("cls_token", "reg_token", "pos_embed", "norm_pre"),
    *("class_embedding", "positional_embedding", "ln_pre"),
)


def build_network(
    record: Backbone,
    weights: str,
    without: tuple[str, ...] = (),
    *,
    whole: bool = False,
    dense: bool = False,
) -> nn.Module:
    """Return a backbone's network with its weights, built by its library.

    Args:
        record: of the backbone.
        weights: ``recorded``, ``random``, the path of a ``.safetensors`` file, or a
            captioner's folder, with a ``/`` at its end.
        without: paths of modules to leave out.
        whole: whether what stands in no stage is needed too, such as a projection.
        dense: whether a file must hold the fully connected layers too.

    Raises:
        EvocaError: the weights cannot be had, or are not this network's.
        MissingExtraError: the package that carries them is not installed.
    """
    network = adapter_of(record).network(record, weights)
    for path in without:
        _leave_out(network, path, record)
    if weights.endswith(".safetensors"):
        also = record.dense if dense else ()
        _load_by_name(network, Path(weights), record, also, whole=whole)
    return network


def _leave_out(network: nn.Module, path: str, record: Backbone) -> None:
    parent, _, child = path.rpartition(".")
    try:
        network.get_submodule(path)
    except AttributeError as error:
        raise EvocaError(f"model.without: {record.architecture} has no module {path}") from error
    setattr(network.get_submodule(parent), child, nn.Identity())


def _load_by_name(
    network: nn.Module, file: Path, record: Backbone, also: tuple[str, ...], *, whole: bool
) -> None:
    """Load a file with the library's names; what is not needed may be absent or extra."""
    if not file.is_file():
        raise EvocaError(f"model.weights: {file}: no such file")
    try:
        stored = load_file(file)
    except (OSError, SafetensorError) as error:
        raise EvocaError(f"{file}: not a readable .safetensors file: {error}") from error
    _refuse_those_of_another(file, record)
    stored = dict(adapter_of(record).tensors(stored))
    used = [*also, *(path for stage in STAGES for path in record.stages.of(stage))]
    used += _TOKENS if record.layout == "tokens" else ()
    own = network.state_dict()
    needed = [k for k in own if whole or any(k == p or k.startswith(f"{p}.") for p in used)]
    missing = [k for k in needed if k not in stored and not k.endswith("num_batches_tracked")]
    if missing:
        raise EvocaError(
            f"{file}: lacks {_modules_of(missing, needed)} of {record.architecture}: give "
            "complete weights, or leave modules out with model.without=[PATH, ...]"
        )
    _check_shapes(file, record, own, {key: stored[key] for key in needed if key in stored})
    found = {k: stored[k].to(own[k].dtype) for k in needed if k in stored}
    network.load_state_dict(own | found)


def _check_shapes(
    file: Path, record: Backbone, own: Mapping[str, Tensor], stored: Mapping[str, Tensor]
) -> None:
    for key, theirs in stored.items():
        if theirs.shape != own[key].shape:
            raise EvocaError(
                f"{file}: {key} has the shape {tuple(theirs.shape)}, "
                f"{record.architecture} needs {tuple(own[key].shape)}"
            )


def _modules_of(missing: list[str], needed: list[str]) -> str:
    """Return the largest modules that are missing whole, for a message."""
    counters = {key for key in needed if key.endswith("num_batches_tracked")}
    present = set(needed) - set(missing) - counters
    names: list[str] = []
    for key in missing:
        parts = key.split(".")
        prefixes = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
        whole = (p for p in prefixes if not any(k == p or k.startswith(f"{p}.") for k in present))
        name = next(whole, key)
        if name not in names:
            names.append(name)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _refuse_those_of_another(file: Path, record: Backbone) -> None:
    """Refuse weights learnt on other pixel values: they would load, and predict wrongly."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for other in map(find_backbone, backbone_names()):
        same = (other.mean, other.channels) == (record.mean, record.channels)
        if other.weights.sha256 == digest and not same:
            raise EvocaError(
                f"{file}: the weights of {other.name}, which takes pixels otherwise than "
                f"{record.name}: pass model.backbone={other.name}"
            )
