"""Batches of a step, from any place of any epoch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Sampler

from evoca.errors import ImageError
from evoca.lab.config.step import Step
from evoca.lab.draws import Draw, Position, batches_in_epoch, epoch_batches
from evoca.lab.examples import Batch, DrawnExamples, Examples, collate
from evoca.lab.fitting.interrupts import leave_interrupts

__all__ = ["StepLoader", "raise_errors"]

Value = TypeVar("Value")


def raise_errors(values: Iterable[Value | ImageError]) -> Generator[Value, None, None]:
    """Pass values on until one is an error, which is raised.

    Raises:
        ImageError: the first error.
    """
    for value in values:
        if isinstance(value, ImageError):
            raise value
        yield value


class _Batches(Sampler[list[Draw]]):
    """What is left of the epoch at ``position``, which the runner moves on."""

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
            examples: gives the inputs.
            targets: float32 (n, K).
            step: gives batch size and sampling.
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
            collate_fn=collate,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            worker_init_fn=leave_interrupts,
        )

    @property
    def in_epoch(self) -> int:
        """Batches in a whole epoch."""
        return batches_in_epoch(len(self._batches.truth), self._batches.step.batch_size)

    @property
    def images(self) -> int:
        """Images shown in a whole epoch."""
        return len(self._batches.truth)

    def go_to(self, position: Position, rank: int, world: int) -> None:
        """Say where the next iteration begins, and which share of it is this process's."""
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
