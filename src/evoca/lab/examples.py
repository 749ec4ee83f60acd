"""Labelled images as what training reads: pixels or kept features, targets, weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from evoca.data.labelled import LabelledImages
from evoca.errors import DataError, ImageError
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import pixels_of
from evoca.lab.augment import augment, loading
from evoca.lab.config.step import Augmentation, Step
from evoca.lab.draws import Draw, generator

__all__ = [
    "Batch",
    "DrawnExamples",
    "Examples",
    "Inputs",
    "PixelExamples",
    "PlainExamples",
    "collate",
    "collate_plain",
    "ratings_of",
    "stack",
    "targets_of",
]

Inputs: TypeAlias = Tensor | tuple[Tensor, ...]
"""uint8 (N, H, W, 3), or the kept outputs of a frozen trunk."""


class Batch(NamedTuple):
    """What one optimiser step sees.

    Attributes:
        inputs: uint8 (N, H, W, 3), or the kept outputs of a frozen trunk.
        targets: float32 (N, K), distributions; (N, K + 2) with valence and arousal, NaN
            where unknown.
        weights: float32 (N,), of the losses.
    """

    inputs: Inputs
    targets: Tensor
    weights: Tensor


class Examples(Protocol):
    """Where the inputs of a step come from."""

    def input(self, draw: Draw) -> Inputs:
        """Return the input of one draw, changed as the step says."""

    def plain(self, index: int) -> Inputs:
        """Return the input of an image as it is measured."""


def targets_of(data: LabelledImages, step: Step) -> NDArray[np.float32]:
    """Return what each image is trained towards.

    Returns:
        float32 (n, K), distributions; (n, K + 2) where the step learns valence and arousal
        too, on the scale of the data; NaN where unknown.

    Raises:
        DataError: an image has none of what the step learns.
    """
    known = data.truth >= 0
    targets = np.zeros((len(data), len(data.labels)), dtype=np.float32)
    targets[known, data.truth[known]] = 1.0
    if step.targets == "distribution" and data.distribution is not None:
        shared = np.isfinite(data.distribution).all(axis=1)
        targets[shared] = data.distribution[shared]
        known = known | shared
    if step.affect_weight:
        rated = ratings_of(data)
        targets[~known] = np.nan
        targets = np.hstack([targets, rated.astype(np.float32)])
        known = known | np.isfinite(rated).any(axis=1)
    if not known.all():
        first = data.names[int(np.argmin(known))]
        raise DataError(
            f"{int((~known).sum())} images have no {step.targets}"
            f"{' and no rating' if step.affect_weight else ''}, the first is {first}: "
            "leave them out or label them"
        )
    return targets


def ratings_of(data: LabelledImages) -> NDArray[np.float64]:
    """Return valence and arousal (n, 2), NaN where unknown."""
    return np.full((len(data), 2), np.nan) if data.affect is None else data.affect


@dataclass(frozen=True)
class PixelExamples:
    """Decoded and augmented pictures, through the same pixels that ``predict`` sees."""

    data: LabelledImages
    preprocessing: Preprocessing
    changes: tuple[Augmentation, ...]
    seed: int

    def input(self, draw: Draw) -> Tensor:
        """Return uint8 (H, W, 3)."""
        how = loading(self.preprocessing, self.changes)
        pixels = pixels_of(self.data.paths[draw.image], how)
        random = generator("picture", self.seed, draw.step, draw.epoch, draw.place)
        return torch.tensor(augment(pixels, self.changes, random, self.preprocessing))

    def plain(self, index: int) -> Tensor:
        """Return uint8 (H, W, 3), unchanged."""
        return torch.tensor(pixels_of(self.data.paths[index], self.preprocessing))


class DrawnExamples(Dataset[Batch | ImageError]):
    """Examples with their targets, indexed by :class:`Draw`.

    A picture that cannot be read is a value, since an error that crosses from a worker
    process loses its form.
    """

    def __init__(self, examples: Examples, targets: NDArray[np.float32]) -> None:
        self._examples = examples
        self._targets = torch.from_numpy(targets)

    def __getitem__(self, draw: Draw) -> Batch | ImageError:
        try:
            inputs = self._examples.input(draw)
        except ImageError as error:
            return error
        return Batch(inputs, self._targets[draw.image], torch.tensor(draw.weight))


class PlainExamples(Dataset["Inputs | ImageError"]):
    """Unchanged inputs, for measuring."""

    def __init__(self, examples: Examples, count: int) -> None:
        self._examples = examples
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Inputs | ImageError:
        try:
            return self._examples.plain(index)
        except ImageError as error:
            return error


def collate(rows: Sequence[Batch | ImageError]) -> Batch | ImageError:
    """Stack drawn examples to a batch; the first error stands for the whole."""
    for row in rows:
        if isinstance(row, ImageError):
            return row
    good = cast("Sequence[Batch]", rows)
    return Batch(
        stack([row.inputs for row in good]),
        torch.stack([row.targets for row in good]),
        torch.stack([row.weights for row in good]),
    )


def collate_plain(rows: Sequence[Inputs | ImageError]) -> Inputs | ImageError:
    """Stack plain inputs; the first error stands for the whole."""
    for row in rows:
        if isinstance(row, ImageError):
            return row
    return stack(cast("Sequence[Inputs]", rows))


def stack(inputs: Sequence[Inputs]) -> Inputs:
    """Stack inputs of single images, which are tensors or tuples of tensors."""
    if isinstance(inputs[0], Tensor):
        return torch.stack(cast("list[Tensor]", inputs))
    return tuple(torch.stack(parts) for parts in zip(*inputs, strict=True))
