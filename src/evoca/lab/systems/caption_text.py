"""A generated caption's vector, and the captioner's own of the picture, into a classifier.

The stated purpose of jacobson2019, which it did not reach: caption the image, then predict
from the text of the caption (its discussion); the fusion with the image is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import torch
from torch import Tensor, nn

from evoca.lab.backbones import Trunk
from evoca.lab.captions import Words, load_words
from evoca.lab.config.models import CaptionText
from evoca.lab.systems.base import Pool, StagedSystem, Surroundings, registered
from evoca.lab.systems.classifier import Head
from evoca.lab.systems.outputs import SystemOutputs

__all__ = ["Captioned", "SeenAndSaid"]


class SeenAndSaid(nn.Module):
    """What a vision tower saw, as a vector, beside that of the caption it leads to.

    Each has a mean square of 1, so that neither drowns the other.
    """

    def __init__(self, pool: nn.Module, words: Words, vectors: Literal["both", "text"]) -> None:
        super().__init__()
        self.pool = pool
        self.words = words
        self.vectors = vectors

    def forward(self, seen: Tensor) -> Tensor:
        """Return (N, D) of the tower's last states (N, L, C)."""
        said = _even(self.words.vectors(self.words.captions(seen), seen.device))
        if self.vectors == "text":
            return said
        return torch.cat([_even(self.pool(seen)), said], dim=1)

    def extra_repr(self) -> str:
        """Name what decides the words, since kept vectors go by it."""
        return f"{self.vectors}, words={self.words.fingerprint}"


def _even(vector: Tensor) -> Tensor:
    return cast("Tensor", nn.functional.normalize(vector, dim=1) * vector.shape[1] ** 0.5)


class Captioned(StagedSystem):
    """A captioner's vision tower, its words, and fully connected layers."""

    def __init__(self, trunk: Trunk, join: SeenAndSaid, head: Head) -> None:
        super().__init__(trunk)
        self.join = join
        self.head = head

    def own_parts(self) -> Mapping[str, list[nn.Module]]:
        """Return the head."""
        return {"head": [self.head]}

    def chain(self) -> list[nn.Module]:
        """Return stages, the vectors and the head."""
        return [*self.trunk.stages(), self.join, self.head]

    def forward(self, image: Tensor) -> SystemOutputs:
        """Compute logits; outside training also the vectors as embedding."""
        vector = self.join(self._seen(image))
        outputs: SystemOutputs = self.head(vector)
        return outputs if self.training else outputs._replace(embedding=vector)

    @torch.inference_mode()
    def captions(self, image: Tensor) -> list[str]:
        """Write the captions of uint8 images (N, H, W, 3)."""
        return self.join.words.captions(self._seen(image))

    def _seen(self, image: Tensor) -> Tensor:
        x = image
        for stage in self.trunk.stages():
            x = stage(x)
        return x


@registered(CaptionText)
def build(options: CaptionText, around: Surroundings) -> Captioned:
    """Build a captioned classifier."""
    words = load_words(around.recipe.backbone, options, around.weights or options.weights)
    trunk = around.trunk(options)
    channels = trunk.shapes(*around.size)[-1][0]
    width = words.width + (channels if options.vectors == "both" else 0)
    join = SeenAndSaid(Pool(trunk, trunk.record.pool), words, options.vectors)
    return Captioned(trunk, join, Head(width, options.hidden, around.labels, options.dropout))
