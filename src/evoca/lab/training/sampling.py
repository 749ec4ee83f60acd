"""The images of an epoch, their order, and every other random draw of training.

Each draw is a function of (seed, step, epoch, place): nothing is carried from one draw to
the next, so a training that stops anywhere goes on exactly as it would have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evoca.lab.config.step import Step

__all__ = ["Draw", "Position", "epoch_batches", "generator", "torch_seed"]

# Purposes, so that no two draws share a stream.
_ORDER, _PICTURE, _MIXUP, _NETWORK = range(4)
PURPOSES = {"order": _ORDER, "picture": _PICTURE, "mixup": _MIXUP, "network": _NETWORK}


@dataclass(frozen=True)
class Position:
    """A place in a training: the next batch to train on.

    Attributes:
        step: of the recipe, from 0.
        epoch: of the step, from 0.
        batch: of the epoch, from 0; the number of batches where only the end of the
            epoch is left to do.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0


class Draw(NamedTuple):
    """One image to show.

    Attributes:
        image: which one, by its number.
        step: of the recipe.
        epoch: of the step.
        place: in the epoch; draws of one image at two places differ.
        weight: of its loss; 0 where it only fills a batch up.
    """

    image: int
    step: int
    epoch: int
    place: int
    weight: float


def generator(purpose: str, seed: int, *where: int) -> np.random.Generator:
    """Return the random generator of one draw.

    Args:
        purpose: ``order``, ``picture``, ``mixup`` or ``network``.
        seed: of the training.
        where: step, epoch and place.
    """
    return np.random.default_rng((PURPOSES[purpose], seed, *where))


def generators(purpose: str, seed: int, draws: Sequence[Draw]) -> list[np.random.Generator]:
    """Return the random generator of each of some draws."""
    return [generator(purpose, seed, draw.step, draw.epoch, draw.place) for draw in draws]


def torch_seed(seed: int, position: Position, rank: int = 0) -> int:
    """Return the seed of a batch's dropout and other draws inside the network."""
    draw = generator("network", seed, position.step, position.epoch, position.batch, rank)
    return int(draw.integers(2**63 - 1))


def epoch_batches(
    truth: NDArray[np.int64],
    step: Step,
    seed: int,
    position: Position,
    *,
    rank: int = 0,
    world: int = 1,
) -> Iterator[list[Draw]]:
    """Yield the batches that are left of an epoch.

    An image left over by the division joins the batch before it, because batch
    normalisation cannot learn from a single one.

    Args:
        truth: (n,) labels, which ``weighted`` sampling balances.
        step: states sampling and batch size.
        seed: of the training.
        position: where to begin.
        rank: of this process; it gets every ``world``-th image of each batch.
        world: number of processes.

    Yields:
        The draws of one batch; as many in every process, their weights such that the
        mean over a process's draws, averaged over processes, is the batch's mean.
    """
    order = epoch_order(truth, step, seed, position)
    starts = _starts(len(order), step.batch_size)
    for number in range(position.batch, len(starts)):
        start = starts[number]
        end = starts[number + 1] if number + 1 < len(starts) else len(order)
        each = -(-(end - start) // world)
        weight = each * world / (end - start)
        places = [start + rank + i * world for i in range(each)]
        yield [
            Draw(
                image=int(order[min(place, end - 1)]),
                step=position.step,
                epoch=position.epoch,
                place=place,
                weight=weight if place < end else 0.0,
            )
            for place in places
        ]


def batches_in_epoch(images: int, batch_size: int) -> int:
    """Return the number of batches of :func:`epoch_batches` from the start of an epoch."""
    return len(_starts(images, batch_size))


def _starts(images: int, batch_size: int) -> list[int]:
    starts = list(range(0, images, batch_size))
    if len(starts) > 1 and images - starts[-1] == 1:
        starts.pop()
    return starts


def epoch_order(
    truth: NDArray[np.int64], step: Step, seed: int, position: Position
) -> NDArray[np.int64]:
    """Return the images of a whole epoch, (n,), in the order they are shown."""
    draw = generator("order", seed, position.step, position.epoch)
    if step.sampling == "shuffle":
        return draw.permutation(len(truth))
    counts = np.bincount(truth[truth >= 0])
    weights = np.zeros(len(truth))
    weights[truth >= 0] = 1.0 / counts[truth[truth >= 0]]
    return draw.choice(len(truth), size=len(truth), p=weights / weights.sum())
