"""Thin transformers of the libraries' own kinds, for tests of the code that loads the real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from timm.models import register_model
from timm.models.eva import vit_small_patch16_dinov3
from timm.models.vision_transformer import (
    vit_base_patch16_siglip_224,
    vit_small_patch14_dinov2,
    vit_tiny_patch16_224,
)
from torch import Tensor, nn

from evoca.lab.backbones import Trunk, build_trunk
from evoca.lab.backbones.weights import build_network
from evoca.lab.config.backbone import Backbone

SIDE = 28
THIN: dict[str, Any] = {"embed_dim": 16, "depth": 4, "num_heads": 2, "patch_size": 7}
# As DINO begins, blocks count a hundred-thousandth: on random weights nothing of the picture
# would reach the class token.
AWAKE = {"init_values": 1.0}


@register_model
def evoca_tiny_dinov2(pretrained: bool = False, **kwargs: Any) -> Any:
    return vit_small_patch14_dinov2(**{**THIN, **AWAKE, "img_size": SIDE, **kwargs})


@register_model
def evoca_tiny_dinov3(pretrained: bool = False, **kwargs: Any) -> Any:
    return vit_small_patch16_dinov3(**{**THIN, **AWAKE, "img_size": SIDE, **kwargs})


@register_model
def evoca_tiny_siglip(pretrained: bool = False, **kwargs: Any) -> Any:
    return vit_base_patch16_siglip_224(**{**THIN, "img_size": SIDE, **kwargs})


@register_model
def evoca_tiny_vit(pretrained: bool = False, **kwargs: Any) -> Any:
    return vit_tiny_patch16_224(**{**THIN, "img_size": SIDE, **kwargs})


SIGLIP = {
    "embed_dim": 16,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": SIDE,
        "timm_model_name": "evoca_tiny_siglip",
        "timm_model_pretrained": False,
        "timm_pool": "map",
        "timm_proj": "none",
    },
    # The real one's tokenizer is on a hub, which open_clip tells by the name "siglip"; this is
    # the one that it carries.
    "text_cfg": {
        "context_length": 16,
        "vocab_size": 49408,
        "width": 16,
        "heads": 2,
        "layers": 1,
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    },
}


def network_and_trunk(record: Backbone, side: int) -> tuple[nn.Module, Trunk]:
    """Build a backbone as its library does and as stages, on the same random weights."""
    torch.manual_seed(0)
    network = build_network(record, "random").eval()
    torch.manual_seed(0)
    return network, build_trunk(record, size=(side, side), weights="random").eval()


def through_stages(trunk: Trunk, pixels: Tensor) -> Tensor:
    """Return what the last stage gives of pixels."""
    x = pixels
    for stage in trunk.stages():
        x = stage(x)
    return x


def thin_record(folder: Path, real: str, architecture: str) -> str:
    """Write the record of a thin network that follows a real backbone's; return its file."""
    blocks = [f"blocks.{n}" for n in range(4)]
    stages = {"stem": ["patch_embed"]} | {f"stage{n + 1}": [blocks[n]] for n in range(4)}
    stages["stage4"].append("norm")
    content = {"extends": real, "name": f"thin_{real}", "architecture": architecture}
    content |= {"size": SIDE, "stages": stages, "tops": [[block] for block in reversed(blocks)]}
    file = folder / f"{content['name']}.yaml"
    file.write_text(yaml.safe_dump(content))
    return str(file)


def thin_siglip(folder: Path) -> str:
    """Register a thin SigLIP with open_clip; return the file of its record."""
    import open_clip

    (folder / "evoca-tiny-sigmoid.json").write_text(json.dumps(SIGLIP))
    open_clip.add_model_config(folder / "evoca-tiny-sigmoid.json")
    return thin_record(folder, "siglip_vit_b16", "evoca-tiny-sigmoid")
