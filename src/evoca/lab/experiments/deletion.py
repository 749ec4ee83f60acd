"""Run the deletion test on images that a model was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evoca.evidence import EvidenceMap
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import pixels_of
from evoca.lab.features.extract import Extractor
from evoca.lab.heads.linear import LinearHead
from evoca.metrics.deletion import centre_map, deletion_masks, relative_area, remove_cells
from evoca.progress import Advance
from evoca.runtime.card import DeletionTest, Metric
from evoca.softmax import softmax

__all__ = ["DELETION_IMAGES", "Explained", "ExplainedProbe", "ExplainedSystem", "deletion_test"]

DELETION_IMAGES = 200
"""So many are tested, drawn at random; each costs 23 runs of the network."""


class Explained(Protocol):
    """A model that returns probabilities and an evidence map."""

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return (N, K) of pixels (N, H, W, 3)."""

    def evidence(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the map of one picture (H, W, 3).

        It is (K, h, w) where it is additive, (1, h, w) where it is attention.
        """


@dataclass(frozen=True)
class ExplainedProbe:
    """A linear head on a frozen backbone.

    Attributes:
        trunk: the backbone.
        head: fitted without the images that it predicts.
        temperature: of its probabilities.
    """

    trunk: Extractor
    head: LinearHead
    temperature: float

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return (N, K) of pixels (N, H, W, 3)."""
        return softmax(self.head.logits(self.trunk(pixels).mean(axis=(2, 3))), self.temperature)

    def evidence(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (K, h, w) of one picture (H, W, 3)."""
        maps = self.trunk(pixels[None])[0]
        evidence: NDArray[np.float32] = np.einsum("kc,chw->khw", self.head.weight, maps).astype(
            np.float32
        )
        return evidence


@dataclass(frozen=True)
class ExplainedSystem:
    """A trained system whose outputs hold ``evidence``.

    Attributes:
        system: in evaluation mode.
        temperature: of its probabilities.
        device: where it runs.
    """

    system: nn.Module
    temperature: float
    device: torch.device

    def probabilities(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return (N, K) of pixels (N, H, W, 3)."""
        logits, _ = self._run(pixels)
        return softmax(logits.cpu().numpy(), self.temperature)

    def evidence(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the system's map of one picture (H, W, 3)."""
        _, evidence = self._run(pixels[None])
        return cast("NDArray[np.float32]", evidence[0].cpu().numpy())

    @torch.inference_mode()
    def _run(self, pixels: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        outputs = self.system(torch.tensor(pixels, device=self.device))
        return outputs.logits.float(), outputs.evidence.float()


def deletion_test(
    model_of: Callable[[int], Explained],
    paths: Sequence[Path],
    preprocessing: Preprocessing,
    labels: tuple[str, ...],
    *,
    images: int = DELETION_IMAGES,
    seed: int = 0,
    advance: Advance | None = None,
) -> DeletionTest:
    """Return the deletion test: the evidence map against a random and a centre map.

    Args:
        model_of: returns a model that was not trained on the image of this number.
        paths: (n,) images.
        preprocessing: of the recipe.
        labels: K labels.
        images: how many to test, drawn at random.
        seed: of that draw, of the random maps and of the interval.
        advance: called with 1 after each image.

    Raises:
        ImageError: an image cannot be read.
    """
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(paths))[:images])
    areas = np.empty((len(chosen), 3))
    for row, index in enumerate(chosen):
        pixels = pixels_of(paths[index], preprocessing)
        areas[row] = _areas(model_of(int(index)), pixels, labels, rng)
        if advance is not None:
            advance(1)
    evidence, by_chance, centre = (float(mean) for mean in areas.mean(axis=0))
    return DeletionTest(
        evidence=evidence,
        random=by_chance,
        centre=centre,
        images=len(chosen),
        evidence_minus_random=_difference(areas[:, 0] - areas[:, 1], rng),
        evidence_minus_centre=_difference(areas[:, 0] - areas[:, 2], rng),
    )


def _areas(
    model: Explained,
    pixels: NDArray[np.uint8],
    labels: tuple[str, ...],
    rng: np.random.Generator,
) -> tuple[float, ...]:
    before = model.probabilities(pixels[None])[0]
    top = int(before.argmax())
    cells = model.evidence(pixels)
    kind = "additive" if len(cells) == len(labels) else "attention"
    own = EvidenceMap(cells, kind, labels).of(labels[top])
    rivals = (own, rng.random(own.shape), centre_map(*own.shape))
    masks = np.concatenate([deletion_masks(importance) for importance in rivals])
    after = model.probabilities(np.stack([remove_cells(pixels, mask) for mask in masks]))
    return tuple(
        relative_area(float(before[top]), part) for part in np.split(after[:, top], len(rivals))
    )


def _difference(values: NDArray[np.float64], rng: np.random.Generator) -> Metric:
    draws = rng.choice(values, size=(1000, len(values))).mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return Metric(value=float(values.mean()), ci95=(float(low), float(high)))
