"""Labelled images as training reads them, and the loader of batches."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from evoca.data.manifest.labelled import LabelledImages
from evoca.errors import DataError, ImageError
from evoca.images import ImageLimits
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import pixels_of
from evoca.lab.config.step import Augmentation, Step
from evoca.lab.training.augmentation import augment, loading
from evoca.lab.training.interrupts import leave_interrupts
from evoca.lab.training.sampling import Draw, Position, batches_in_epoch, epoch_batches, generators
from evoca.words import counted

__all__ = [
    "Batch",
    "DrawnExamples",
    "Examples",
    "Inputs",
    "PixelExamples",
    "PlainExamples",
    "StepLoader",
    "as_fetched",
    "raise_errors",
    "ratings_of",
    "targets_of",
]

Inputs: TypeAlias = Tensor | tuple[Tensor, ...]
"""uint8 (N, H, W, 3), or the cached outputs of a frozen trunk."""


class Batch(NamedTuple):
    """The input of one optimiser step.

    Attributes:
        inputs: uint8 (N, H, W, 3), or the cached outputs of a frozen trunk.
        targets: float32 (N, K), distributions; (N, K + 2) with valence and arousal, NaN
            where unknown; of several sources see :class:`evoca.lab.training.lessons.Lessons`.
        weights: float32 (N,), of the losses.
    """

    inputs: Inputs
    targets: Tensor
    weights: Tensor


class Examples(Protocol):
    """The source of a step's inputs."""

    def inputs(self, draws: Sequence[Draw]) -> Inputs:
        """Return the inputs of some draws, augmented as the step states, stacked.

        Raises:
            ImageError: an image cannot be read; the first of them.
        """

    def plain(self, indices: Sequence[int]) -> Inputs:
        """Return the inputs of some images as they are measured, stacked.

        Raises:
            ImageError: an image cannot be read; the first of them.
        """


def targets_of(data: LabelledImages, step: Step) -> NDArray[np.float32]:
    """Return the targets of the images.

    Returns:
        float32 (n, K), distributions; (n, K + 2) where the step learns valence and arousal
        too, on the scale of the data; NaN where unknown.

    Raises:
        DataError: an image has none of what the step learns.
    """
    if data.teaching is not None:
        raise ValueError("images of several sources: see evoca.lab.training.lessons")
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
            f"{counted(int((~known).sum()), 'image has', 'images have')} no {step.targets}"
            f"{' and no rating' if step.affect_weight else ''}, the first is {first}: "
            "leave them out or label them"
        )
    return targets


def ratings_of(data: LabelledImages) -> NDArray[np.float64]:
    """Return valence and arousal (n, 2), NaN where unknown."""
    return np.full((len(data), 2), np.nan) if data.affect is None else data.affect


@dataclass(frozen=True)
class PixelExamples:
    """Decoded and augmented pictures, through the same pixels that ``predict`` computes."""

    data: LabelledImages
    preprocessing: Preprocessing
    changes: tuple[Augmentation, ...]
    seed: int

    def inputs(self, draws: Sequence[Draw]) -> Tensor:
        """Return uint8 (n, H, W, 3)."""
        how, limits = loading(self.preprocessing, self.changes), ImageLimits()
        pictures = []
        for draw, random in zip(draws, generators("picture", self.seed, draws), strict=True):
            pixels = pixels_of(self.data.paths[draw.image], how, limits)
            pictures.append(augment(pixels, self.changes, random, self.preprocessing))
        return torch.from_numpy(np.stack(pictures))

    def plain(self, indices: Sequence[int]) -> Tensor:
        """Return uint8 (n, H, W, 3), unchanged."""
        how, limits = self.preprocessing, ImageLimits()
        pictures = [pixels_of(self.data.paths[index], how, limits) for index in indices]
        return torch.from_numpy(np.stack(pictures))


class DrawnExamples(Dataset[Batch | ImageError]):
    """Batches of examples with their targets, indexed by lists of :class:`Draw`.

    A picture that cannot be read is a value, since an error that crosses from a worker
    process loses its form.
    """

    def __init__(self, examples: Examples, targets: NDArray[np.float32]) -> None:
        self._examples = examples
        self._targets = torch.from_numpy(targets)

    def __getitem__(self, draw: Draw) -> Batch | ImageError:
        return self.__getitems__([draw])

    def __getitems__(self, draws: Sequence[Draw]) -> Batch | ImageError:
        """Return a batch, or the first error among its pictures; the loader calls this."""
        try:
            inputs = self._examples.inputs(draws)
        except ImageError as error:
            return error
        targets = self._targets[[draw.image for draw in draws]]
        return Batch(inputs, targets, torch.tensor([draw.weight for draw in draws]))


class PlainExamples(Dataset["Inputs | ImageError"]):
    """Batches of unchanged inputs, for measuring."""

    def __init__(self, examples: Examples, count: int) -> None:
        self._examples = examples
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Inputs | ImageError:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Inputs | ImageError:
        """Return a batch, or the first error among its pictures; the loader calls this."""
        try:
            return self._examples.plain(indices)
        except ImageError as error:
            return error


Fetched = TypeVar("Fetched")


def as_fetched(batch: Fetched) -> Fetched:
    """Return a batch as it is: what the data sets above return is stacked already."""
    return batch


Value = TypeVar("Value")


def raise_errors(values: Iterable[Value | ImageError]) -> Generator[Value, None, None]:
    """Yield values until one is an error, which is raised.

    Raises:
        ImageError: the first error.
    """
    for value in values:
        if isinstance(value, ImageError):
            raise value
        yield value


class _Batches(Sampler[list[Draw]]):
    """The rest of the epoch after ``position``, which the runner moves on."""

    def __init__(self, truth: NDArray[np.int64], step: Step, seed: int, position: Position) -> None:
        self.truth, self.step, self.seed, self.position = truth, step, seed, position
        self.rank, self.world = 0, 1

    def __len__(self) -> int:
        return batches_in_epoch(len(self.truth), self.step.batch_size) - self.position.batch

    def __iter__(self) -> Iterator[list[Draw]]:
        return epoch_batches(
            self.truth, self.step, self.seed, self.position, rank=self.rank, world=self.world
        )


class StepLoader:
    """Iterates over the rest of an epoch; worker processes live as long as the step."""

    def __init__(
        self,
        examples: Examples,
        targets: NDArray[np.float32],
        step: Step,
        seed: int,
        position: Position,
        *,
        workers: int,
        pin_memory: bool,
    ) -> None:
        """Prepare the loader.

        Args:
            examples: source of the inputs.
            targets: float32 (n, K).
            step: states batch size and sampling.
            seed: of the training.
            position: where to begin.
            workers: processes that prepare examples; 0 prepares them here.
            pin_memory: for quick copies to a GPU.
        """
        self._batches = _Batches(targets.argmax(axis=1), step, seed, position)
        self._running: Generator[Batch, None, None] | None = None
        self._loader: DataLoader[Batch | ImageError] | None = DataLoader(
            DrawnExamples(examples, targets),
            batch_sampler=cast("Sampler[list[int]]", self._batches),
            num_workers=workers,
            collate_fn=as_fetched,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            worker_init_fn=leave_interrupts,
        )

    @property
    def in_epoch(self) -> int:
        """The number of batches in a whole epoch."""
        return batches_in_epoch(len(self._batches.truth), self._batches.step.batch_size)

    @property
    def images(self) -> int:
        """The number of images shown in a whole epoch."""
        return len(self._batches.truth)

    def go_to(self, position: Position, rank: int, world: int) -> None:
        """Set where the next iteration begins, and which share of it is this process's."""
        self._batches.position = position
        self._batches.rank, self._batches.world = rank, world

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        if self._loader is None:
            raise ValueError("the loader is closed")
        # A generator starts with the first batch; Lightning asks for iterators it drops.
        self._running = raise_errors(self._loader)
        return self._running

    def close(self) -> None:
        """End the worker processes.

        Left to the garbage collector, they may be ended by a later step's worker, which
        inherits them and is not their parent.
        """
        if self._running is not None:
            self._running.close()
        self._loader = self._running = None
