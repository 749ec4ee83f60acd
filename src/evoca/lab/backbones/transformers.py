"""Models of a hub through the transformers package: safetensors alone, and no code of theirs.

Nothing is unpickled and no code that lies beside weights is run. A model is a hub's name,
which a revision may pin, or a folder of one's own in the form of ``save_pretrained``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from evoca.errors import EvocaError, first_line, needs_extra
from evoca.lab.backbones.hub import HubError, asking_hub
from evoca.lab.backbones.library import Adapter, adapter_for, module_of
from evoca.lab.backbones.tokens import Tokens
from evoca.lab.config.backbone import Backbone

__all__ = ["EXTRA", "Transformers", "captioner_of", "folder_of", "load_encoder", "load_tokenizer"]

EXTRA = "caption"

_FILES = ("*.json", "*.txt", "*.safetensors")
# Options that decide how a vision tower computes; the shapes of its weights are not enough.
_DECIDING = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "image_size",
    "patch_size",
    "hidden_act",
    "layer_norm_eps",
)


def folder_of(source: str, revision: str | None) -> Path:
    """Return a model's folder, fetched from a hub where it is not there yet.

    Args:
        source: a folder, with a ``/`` at its end, or a hub's name.
        revision: of the hub: a commit, a tag or a branch; its newest if omitted.

    Raises:
        EvocaError: there is no such folder, or the hub does not have it.
        MissingExtraError: transformers is not installed.
    """
    if source.endswith("/"):
        if not Path(source, "config.json").is_file():
            raise EvocaError(f"{source}: no folder of a model: it has no config.json")
        return Path(source)
    with needs_extra(EXTRA, source):
        from huggingface_hub import snapshot_download
    try:
        with asking_hub(source):
            fetched = snapshot_download(
                source, revision=revision, allow_patterns=list(_FILES), ignore_patterns=["*/*"]
            )
    except HubError as error:
        raise EvocaError(
            f"{source} cannot be fetched ({error}): pass a folder that holds it, with a / at its "
            "end"
        ) from error
    return Path(fetched)


@adapter_for("transformers")
class Transformers(Adapter):
    """Builds captioners, of which the backbone is the vision tower."""

    takes_folders = True
    writes = True

    def create(self, record: Backbone) -> nn.Module:
        """Return a captioner with random weights."""
        return captioner_of(record, "random")

    def network(self, record: Backbone, weights: str) -> nn.Module:
        """Return a captioner, loaded, or with random weights where a file's follow."""
        return captioner_of(record, "random" if weights.endswith(".safetensors") else weights)

    def tokens(self, network: nn.Module, record: Backbone, size: tuple[int, int]) -> Tokens | None:
        """Return the vision tower, which takes pictures of one size."""
        del size
        vision = cast("Any", network).config.vision_config
        if vision.image_size != record.size:
            raise EvocaError(
                f"{record.name}: size is {record.size}, image_size {vision.image_size}"
            )
        side = record.size // vision.patch_size
        (path,) = record.stages.stem
        return Tokens(module_of(network, path, record), 1, (side, side))


def captioner_of(record: Backbone, weights: str) -> nn.Module:
    """Return a captioner, loaded or with random weights.

    Args:
        record: of the backbone, whose library is ``transformers``.
        weights: ``recorded``, ``random`` or a folder, with a ``/`` at its end.

    Raises:
        EvocaError: the model cannot be had, or is not the one that the record describes.
        MissingExtraError: transformers is not installed.
    """
    with needs_extra(EXTRA, f"the backbone {record.name}"):
        from transformers import CONFIG_MAPPING, AutoModelForImageTextToText
    _be_quiet()
    try:
        expected = CONFIG_MAPPING[record.architecture](**record.options)
    except (KeyError, TypeError, ValueError) as error:
        raise EvocaError(
            f"{record.name}: transformers has no {record.architecture} with these options "
            f"({first_line(error)})"
        ) from error
    if weights == "random":
        drawn = cast("Any", AutoModelForImageTextToText).from_config(expected)
        return cast("nn.Module", drawn)
    recorded = weights == "recorded"
    folder = folder_of(str(record.weights.hub) if recorded else weights, record.weights.revision)
    model = _load(AutoModelForImageTextToText, folder)
    _check(model.config, expected.vision_config, record, folder)
    return model


def load_encoder(folder: Path) -> nn.Module:
    """Return a text encoder, loaded from its folder.

    Raises:
        EvocaError: it is not one, or its weights are not safetensors.
        MissingExtraError: transformers is not installed.
    """
    with needs_extra(EXTRA, folder.name):
        from transformers import AutoModel
    _be_quiet()
    return _load(AutoModel, folder)


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer that lies beside a model.

    Raises:
        EvocaError: there is none.
        MissingExtraError: transformers is not installed.
    """
    with needs_extra(EXTRA, folder.name):
        from transformers import AutoTokenizer
    try:
        return AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        raise EvocaError(f"{folder}: no tokenizer ({first_line(error)})") from error


def _load(kind: Any, folder: Path) -> nn.Module:
    try:
        model = kind.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise EvocaError(
            f"{folder}: no model that can be loaded ({first_line(error)}); its weights must be "
            "safetensors"
        ) from error
    return cast("nn.Module", model.eval())


def _check(config: Any, expected: Any, record: Backbone, folder: Path) -> None:
    """Refuse a model that the record does not describe: a bundle could not be built again."""
    found: Mapping[str, Any] = getattr(config, "vision_config", config).to_dict()
    for key in _DECIDING:
        if key in found and found[key] != getattr(expected, key):
            raise EvocaError(
                f"{folder}: its {key} is {found[key]}, that of {record.name} "
                f"{getattr(expected, key)}: write a backbone of your own for it"
            )


def _be_quiet() -> None:
    from transformers.utils import logging

    quiet = cast("Any", logging)
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
