"""A network's predictions on images it is not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, distributed, nn
from torch.utils.data import DataLoader

from evoca.lab.training.data import Examples, Inputs, PlainExamples, as_fetched, raise_errors
from evoca.lab.training.interrupts import leave_interrupts
from evoca.lab.training.losses import predictions_of

__all__ = ["ALONE", "evaluating", "logits_of", "plain_batches"]

ALONE = (0, 1)
"""The place of a process that measures by itself."""

Place = tuple[int, int]
Autocast = Callable[[], AbstractContextManager[object]]


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network in evaluation mode; every module's own mode is restored afterwards."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def plain_batches(
    examples: Examples,
    count: int,
    batch_size: int,
    workers: int,
    place: Place | None = None,
) -> Iterable[Inputs]:
    """Return the unchanged inputs of this process's share of the images, in order.

    Every process gets as many; the last ones may be repeated to fill up.

    Args:
        examples: source of the inputs.
        count: number of images.
        batch_size: images per batch.
        workers: processes that decode.
        place: of this process among those that share the images; asked of Lightning's
            process group if omitted.

    Raises:
        ImageError: while iterating, an image cannot be read.
    """
    rank, world = place or _rank_and_world()
    each = -(-count // world)
    indices = [min(rank + i * world, count - 1) for i in range(each)]
    return raise_errors(
        DataLoader(
            PlainExamples(examples, count),
            batch_size=batch_size,
            sampler=indices,
            num_workers=min(workers, -(-each // batch_size)),
            collate_fn=as_fetched,
            worker_init_fn=leave_interrupts,
        )
    )


def logits_of(
    network: nn.Module,
    batches: Iterable[Inputs],
    count: int,
    device: torch.device,
    autocast: Autocast = nullcontext,
    place: Place | None = None,
) -> Tensor:
    """Return the logits of all images, and other predictions, in every process.

    Args:
        network: returns what :func:`evoca.lab.training.losses.predictions_of` takes.
        batches: of :func:`plain_batches`.
        count: number of images.
        device: where the network is.
        autocast: returns the context of the forward pass.
        place: as for :func:`plain_batches`.

    Returns:
        float32 (count, K), on the CPU; (count, K + 2) with valence and arousal.
    """
    _, world = place or _rank_and_world()
    if world > 1:
        for buffer in network.buffers():
            distributed.broadcast(buffer, 0)  # each process has statistics of its own share
    with evaluating(network), torch.inference_mode(), autocast():
        own = torch.cat(
            [predictions_of(network(_to(inputs, device))).float() for inputs in batches]
        )
    if world == 1:
        return own.cpu()
    gathered = [torch.empty_like(own) for _ in range(world)]
    distributed.all_gather(gathered, own)
    return torch.stack(gathered, dim=1).flatten(0, 1)[:count].cpu()


def _to(inputs: Inputs, device: torch.device) -> Inputs:
    if isinstance(inputs, Tensor):
        return inputs.to(device, non_blocking=True)
    return tuple(part.to(device, non_blocking=True) for part in inputs)


def _rank_and_world() -> Place:
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1
