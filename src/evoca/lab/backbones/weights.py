"""A backbone's network with its weights: from a hub, a package or a user's file.

There is no silent fall-back to random weights, and nothing is unpickled that a
recorded SHA-256 does not vouch for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from evoca.errors import EvocaError, MissingExtraError
from evoca.lab.backbones.architectures import build_architecture
from evoca.lab.backbones.hub import HubError, asking_hub
from evoca.lab.backbones.open_clip import create_clip, image_tower, of_image_tower
from evoca.lab.backbones.transformers import captioner_of
from evoca.lab.config.backbone import STAGES, Backbone, backbone_names, find_backbone

__all__ = ["build_network"]

# What a transformer of timm, or of open_clip, holds outside the modules of its stages.
_TOKENS = (
    *("cls_token", "reg_token", "pos_embed", "norm_pre"),
    *("class_embedding", "positional_embedding", "ln_pre"),
)


_TORCHVISION = "https://download.pytorch.org"


def build_network(
    record: Backbone,
    weights: str,
    without: tuple[str, ...] = (),
    *,
    whole: bool = False,
    dense: bool = False,
) -> nn.Module:
    """Build a backbone's network as its library does, and give it weights.

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
    source = record.weights
    if weights.endswith("/") and record.library != "transformers":
        raise EvocaError(f"model.weights: {weights}: {record.name} takes a .safetensors file")
    if record.library == "transformers":
        network = captioner_of(record, "random" if weights.endswith(".safetensors") else weights)
    elif weights == "recorded" and source.hub is not None:
        network = _from_hub(record, source.hub)
    elif weights == "recorded" and source.package is not None:
        network = _create(record)
        _load_in_order(network, _packaged_file(record), record)
    elif weights == "recorded":
        raise EvocaError(
            f"the weights of {record.name} are on no hub: pass model.weights=FILE.safetensors, "
            "or model.weights=random to start from nothing"
        )
    else:
        network = _create(record)
    for path in without:
        _leave_out(network, path, record)
    if weights.endswith(".safetensors"):
        also = record.dense if dense else ()
        _load_by_name(network, Path(weights), record, also, whole=whole)
    return network


def _create(record: Backbone) -> nn.Module:
    classes: dict[str, Any] = {} if record.classes is None else {"num_classes": record.classes}
    try:
        if record.library == "evoca":
            return build_architecture(record.architecture, record.options)
        if record.library == "open_clip":
            network: nn.Module = image_tower(create_clip(record, None))
        elif record.library == "torchvision":
            network = torchvision.models.get_model(record.architecture, weights=None, **classes)
        else:
            network = timm.create_model(record.architecture, pretrained=False, **classes)
    except (RuntimeError, ValueError) as error:
        raise EvocaError(
            f"{record.name}: {record.library} has no architecture {record.architecture}"
        ) from error
    return network


def _from_hub(record: Backbone, hub: str) -> nn.Module:
    what = f"the weights {hub} of {record.architecture}"
    try:
        if record.library == "torchvision":
            with asking_hub(what, _TORCHVISION):
                network: nn.Module = torchvision.models.get_model(record.architecture, weights=hub)
        else:
            with asking_hub(what):
                network = (
                    image_tower(create_clip(record, hub))
                    if record.library == "open_clip"
                    else timm.create_model(f"{record.architecture}.{hub}", pretrained=True)
                )
    except HubError as error:
        raise EvocaError(
            f"{what} cannot be fetched ({error}): pass model.weights=FILE.safetensors, or "
            "model.weights=random to start from nothing"
        ) from error
    return network


def _packaged_file(record: Backbone) -> Path:
    package, file = str(record.weights.package), str(record.weights.file)
    found = find_spec(package)
    if found is None or found.origin is None:
        raise MissingExtraError(f"the backbone {record.name}", "train", package.replace("_", "-"))
    return Path(found.origin).parent / file


def _load_in_order(network: nn.Module, file: Path, record: Backbone) -> None:
    """Load a state dict whose names differ but whose order and shapes are the library's."""
    if hashlib.sha256(file.read_bytes()).hexdigest() != record.weights.sha256:
        raise EvocaError(f"{file}: not the recorded weights of {record.name} (SHA-256 differs)")
    stored = torch.load(file, map_location="cpu", weights_only=True)
    own = network.state_dict()
    pairs = list(zip(own.items(), stored.values(), strict=True))
    if any(mine.shape != theirs.shape for (_, mine), theirs in pairs):
        raise EvocaError(f"{file}: the shapes are not those of {record.architecture}")
    network.load_state_dict({key: theirs for (key, _), theirs in pairs})


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
    if record.library == "open_clip":
        stored = of_image_tower(stored)
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
    """Name the largest modules that are missing whole, for a message."""
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
    """Weights learnt on other pixel values would load, and answer wrongly."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for other in map(find_backbone, backbone_names()):
        same = (other.mean, other.channels) == (record.mean, record.channels)
        if other.weights.sha256 == digest and not same:
            raise EvocaError(
                f"{file}: the weights of {other.name}, which sees pixels otherwise than "
                f"{record.name}: pass model.backbone={other.name}"
            )
