"""Transformers as stages: a stem that turns pixels into tokens, and blocks with positions.

timm's transformers and open_clip's image towers name the same things differently; from
here on both are a stem that returns tokens (N, prefix + h w, C) and blocks that take them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import Tensor, nn

from evoca.errors import EvocaError
from evoca.lab.config.backbone import Backbone

__all__ = ["Tokens", "as_tokens"]

Size = tuple[int, int]


@dataclass(frozen=True)
class Tokens:
    """A transformer prepared for an input size.

    Attributes:
        stem: pixels (N, 3, H, W) to tokens (N, prefix + h w, C).
        prefix: tokens before the patches.
        grid: rows and columns of the patches.
    """

    stem: nn.Module
    prefix: int
    grid: Size


def as_tokens(network: nn.Module, record: Backbone, size: Size) -> Tokens:
    """Return a transformer prepared for an input size; its positions are resampled.

    Args:
        network: of timm, or an image tower of open_clip; changed in place.
        record: of the backbone.
        size: height and width of the input in pixels.

    Raises:
        EvocaError: the size is no multiple of the patches'.
    """
    timms = hasattr(network, "patch_embed")
    of_patches = cast("nn.Module", network.patch_embed) if timms else network
    patch = cast("Size", of_patches.patch_size)
    if size[0] % patch[0] or size[1] % patch[1]:
        raise EvocaError(
            f"{record.name} cuts pictures into patches of {patch[0]} x {patch[1]} pixels: "
            f"{size[0]} x {size[1]} is no multiple"
        )
    grid = size[0] // patch[0], size[1] // patch[1]
    if not timms:
        return Tokens(_TowerStem(network, grid), 1, grid)
    network.set_input_size(img_size=size)  # type: ignore[operator]
    if getattr(network, "rope", None) is not None:
        _give_rotations(network, grid)
    return Tokens(_Stem(network), cast("int", network.num_prefix_tokens), grid)


class _Stem(nn.Module):
    """The stem of a timm transformer: patches, class and register tokens, positions."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.patch_embed = cast("nn.Module", network.patch_embed)
        self.norm_pre = cast("nn.Module", network.norm_pre)
        self.pos_embed = cast("nn.Parameter | None", network.pos_embed)
        self.cls_token = cast("nn.Parameter | None", network.cls_token)
        self.reg_token = cast("nn.Parameter | None", getattr(network, "reg_token", None))
        self.apart = bool(getattr(network, "no_embed_class", False))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return tokens (N, prefix + h w, C) of pixels (N, 3, H, W)."""
        x: Tensor = self.patch_embed(pixels)
        if x.ndim == 4:  # networks for any input size keep the grid: (N, h, w, C)
            x = x.flatten(1, 2)
        given = [t for t in (self.cls_token, self.reg_token) if t is not None]
        prefix = [token.expand(x.shape[0], -1, -1) for token in given]
        if self.pos_embed is not None and self.apart:
            x = x + self.pos_embed
        x = torch.cat([*prefix, x], dim=1)
        if self.pos_embed is not None and not self.apart:
            x = x + self.pos_embed
        return cast("Tensor", self.norm_pre(x))


class _TowerStem(nn.Module):
    """The stem of open_clip's image tower: patches, the class token, positions, a norm."""

    def __init__(self, tower: nn.Module, grid: Size) -> None:
        super().__init__()
        self.conv1 = cast("nn.Module", tower.conv1)
        self.ln_pre = cast("nn.Module", tower.ln_pre)
        self.class_embedding = cast("nn.Parameter", tower.class_embedding)
        own = cast("nn.Parameter", tower.positional_embedding)
        resampled = resample_abs_pos_embed(own.detach()[None], list(grid), num_prefix_tokens=1)
        self.positional_embedding = nn.Parameter(resampled[0])

    def forward(self, pixels: Tensor) -> Tensor:
        """Return tokens (N, 1 + h w, C) of pixels (N, 3, H, W)."""
        patches = self.conv1(pixels).flatten(2).transpose(1, 2)
        token = self.class_embedding.expand(patches.shape[0], 1, -1)
        x = torch.cat([token, patches], dim=1) + self.positional_embedding
        return cast("Tensor", self.ln_pre(x))


class _RotaryBlock(nn.Module):
    """A block whose attention turns queries and keys by their patches' places.

    The rotation depends on the grid alone, so that it is a constant of the stage (rotary
    positions, Su et al. 2021; on patches as in DINOv3, Siméoni et al. 2025, section 3.2).
    """

    def __init__(self, block: nn.Module, rotation: Tensor) -> None:
        super().__init__()
        self.block = block
        self.register_buffer("rotation", rotation, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens (N, L, C)."""
        return cast("Tensor", self.block(tokens, rope=self.rotation))


def _give_rotations(network: nn.Module, grid: Size) -> None:
    network.rope.eval()  # type: ignore[union-attr]
    with torch.no_grad():
        rotation = network.rope.get_embed(shape=list(grid))  # type: ignore[union-attr, operator]
    if rotation.ndim != 2:
        raise EvocaError("a transformer whose positions turn otherwise in each block is unknown")
    blocks = cast("nn.ModuleList", network.blocks)
    network.blocks = nn.ModuleList(_RotaryBlock(block, rotation) for block in blocks)
