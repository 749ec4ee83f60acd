"""What is drawn at random within a batch: pairs to mix, and a network's own draws."""

from __future__ import annotations

import torch
from torch import Tensor

from evoca.lab.draws import Position, generator

__all__ = ["mixed", "seed_network"]


def mixed(
    inputs: Tensor, targets: Tensor, alpha: float, seed: int, place: Position, rank: int
) -> tuple[Tensor, Tensor]:
    """Mix each picture with another of the batch (Zhang et al. 2018, equation 1).

    Args:
        inputs: uint8 (N, H, W, 3).
        targets: float32 (N, K).
        alpha: of the Beta distribution of the shares.
        seed: of the training.
        place: of the batch.
        rank: of this process.
    """
    draw = generator("mixup", seed, place.step, place.epoch, place.batch, rank)
    share = float(draw.beta(alpha, alpha))
    other = torch.from_numpy(draw.permutation(len(inputs))).to(inputs.device)
    pictures = share * inputs.float() + (1 - share) * inputs[other].float()
    return pictures.round().to(inputs.dtype), share * targets + (1 - share) * targets[other]


def seed_network(seed: int, device: torch.device) -> None:
    """Seed what a network draws from on its device.

    ``torch.manual_seed`` would also queue a call, with its stack, for every kind of
    device that has not been used yet, each time.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
