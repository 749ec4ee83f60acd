"""CLIP and SigLIP through open_clip: an image tower, and a text tower beside it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from evoca.errors import EvocaError, needs_extra
from evoca.lab.backbones import library
from evoca.lab.backbones.hub import HubError, asking_hub
from evoca.lab.config.backbone import Backbone
from evoca.lab.logs import quiet_loggers

__all__ = ["OpenClip", "TextTower", "create_clip", "image_tower", "of_image_tower"]

_IMAGE = "visual."


def create_clip(record: Backbone, hub: str | None) -> nn.Module:
    """Return both towers, built by open_clip.

    Args:
        record: of the backbone.
        hub: the name of the weights in open_clip; ``None`` starts at random.

    Raises:
        MissingExtraError: open_clip is not installed.
        RuntimeError: it has no such architecture, or the hub is unreachable.
    """
    with needs_extra("baselines"):
        import open_clip
    with quiet_loggers("root", level=logging.CRITICAL):  # what matters is raised
        model: nn.Module = open_clip.create_model(
            record.architecture, pretrained=hub, pretrained_text=hub is not None
        )
    return model.eval()


def image_tower(model: nn.Module) -> nn.Module:
    """Return the network that embeds images; timm's own where timm built it."""
    tower = cast("nn.Module", model.visual)
    return cast("nn.Module", getattr(tower, "trunk", tower))


def of_image_tower(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of both towers' file by the image tower's names."""
    names = {key: key.removeprefix(_IMAGE).removeprefix("trunk.") for key in stored}
    own = any(key.startswith(_IMAGE) for key in stored)
    return {names[k]: t for k, t in stored.items() if k.startswith(_IMAGE) or not own}


class TextTower:
    """The tower that embeds sentences.

    Attributes:
        scale: what cosines of images and sentences are multiplied with to be logits; the
            model learnt it (Radford et al. 2021, section 2.3).
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self.scale = math.exp(float(model.logit_scale.detach()))

    @torch.inference_mode()
    def __call__(self, sentences: Sequence[str]) -> Tensor:
        """Return (S, D), each of length 1."""
        vectors: Tensor = self._model.encode_text(self._tokenizer(list(sentences)))
        return nn.functional.normalize(vectors.float(), dim=1)


@library.adapter_for("open_clip")
class OpenClip(library.Adapter):
    """The adapter of open_clip, whose networks are image towers."""

    has_texts = True

    def create(self, record: Backbone) -> nn.Module:
        """Return an image tower with random weights."""
        return image_tower(create_clip(record, None))

    def fetch(self, record: Backbone, hub: str) -> nn.Module:
        """Return an image tower with the weights of a name."""
        return image_tower(create_clip(record, hub))

    def tensors(self, stored: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the tensors of both towers' file by the image tower's names."""
        return of_image_tower(stored)

    def text_tower(self, record: Backbone, weights: str) -> TextTower:
        """Return the text tower that was trained with a backbone.

        Args:
            record: of the backbone.
            weights: ``recorded``, ``random`` or the path of a ``.safetensors`` file that
                holds both towers.

        Raises:
            EvocaError: its weights or its tokenizer cannot be had.
            MissingExtraError: open_clip is not installed.
        """
        with needs_extra("baselines"):
            import open_clip
        try:
            with asking_hub(f"the text tower of {record.architecture}"):
                model = create_clip(record, record.weights.hub if weights == "recorded" else None)
                tokenizer = open_clip.get_tokenizer(record.architecture)
        except HubError as error:
            raise EvocaError(
                f"the text tower of {record.architecture} cannot be fetched ({error}): run once "
                "where its hub can be reached"
            ) from error
        if weights not in {"recorded", "random"}:
            _load_both(model, Path(weights), record)
        return TextTower(model, tokenizer)


def _load_both(model: nn.Module, file: Path, record: Backbone) -> None:
    try:
        stored = load_file(file)
        model.load_state_dict({key: tensor.float() for key, tensor in stored.items()})
    except (OSError, SafetensorError) as error:
        raise EvocaError(f"{file}: not a readable .safetensors file: {error}") from error
    except RuntimeError as error:
        raise EvocaError(
            f"{file}: not both towers of {record.architecture}, which zero-shot needs"
        ) from error
