"""Random changes to pictures, and the generators that they are drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from torch import Tensor

from evoca.images.preprocess import Preprocessing
from evoca.lab.config.step import Augmentation, Colour, Crop, Erase, Mirror, Rotate
from evoca.lab.training.sampling import Position, generator

__all__ = ["augment", "enumerable", "loading", "mirrored", "mixed", "seed_network", "variants"]

Pixels = NDArray[np.uint8]


def loading(preprocessing: Preprocessing, changes: Sequence[Augmentation]) -> Preprocessing:
    """Return the preprocessing before any change: larger where the picture is cropped."""
    zoom = math.prod(change.zoom for change in changes if isinstance(change, Crop))
    height, width = round(preprocessing.height * zoom), round(preprocessing.width * zoom)
    return preprocessing.model_copy(update={"height": height, "width": width})


def augment(
    pixels: Pixels,
    changes: Sequence[Augmentation],
    draw: np.random.Generator,
    preprocessing: Preprocessing,
) -> Pixels:
    """Return a picture after changes, applied in order.

    Args:
        pixels: uint8 (h, w, 3), loaded as :func:`loading` states.
        changes: of the step.
        draw: of this image, epoch and place.
        preprocessing: of the recipe.

    Returns:
        uint8 (height, width, 3) of the preprocessing, contiguous.
    """
    crops = [change for change in changes if isinstance(change, Crop)]
    size = (pixels.shape[0], pixels.shape[1])
    for change in changes:
        if isinstance(change, Crop):
            crops.remove(change)
            left = math.prod(crop.zoom for crop in crops)
            size = (round(preprocessing.height * left), round(preprocessing.width * left))
            pixels = _crop(pixels, size, draw)
        else:
            pixels = _change(pixels, change, draw)
    return np.ascontiguousarray(pixels)


def enumerable(changes: Sequence[Augmentation]) -> bool:
    """Return whether a picture has so few changed forms that all can be computed once."""
    return all(isinstance(change, Mirror) for change in changes)


def variants(changes: Sequence[Augmentation]) -> int:
    """Return how many forms a picture has under enumerable changes: 1, or 2 mirrored."""
    return 2 if changes else 1


def mirrored(
    changes: Sequence[Augmentation], draws: Sequence[np.random.Generator]
) -> NDArray[np.bool_]:
    """Return whether :func:`augment` would mirror each of some draws, under enumerable changes."""
    mirrors = [change for change in changes if isinstance(change, Mirror)]
    turned = [sum(_happens(change, draw) for change in mirrors) % 2 == 1 for draw in draws]
    return np.array(turned, dtype=np.bool_)


def _happens(change: Mirror | Erase, draw: np.random.Generator) -> bool:
    return bool(draw.random() < change.p)


def _change(
    pixels: Pixels, change: Mirror | Rotate | Colour | Erase, draw: np.random.Generator
) -> Pixels:
    match change:
        case Mirror():
            return pixels[:, ::-1] if _happens(change, draw) else pixels
        case Rotate():
            return _rotate(pixels, draw.uniform(-change.degrees, change.degrees))
        case Colour():
            return _colour(pixels, change, draw)
        case Erase():
            return _erase(pixels, change, draw) if _happens(change, draw) else pixels


def _crop(pixels: Pixels, size: tuple[int, int], draw: np.random.Generator) -> Pixels:
    top = int(draw.integers(pixels.shape[0] - size[0] + 1))
    left = int(draw.integers(pixels.shape[1] - size[1] + 1))
    return pixels[top : top + size[0], left : left + size[1]]


def _mean_colour(pixels: Pixels) -> tuple[int, int, int]:
    red, green, blue = (round(float(value)) for value in pixels.mean(axis=(0, 1)))
    return red, green, blue


def _rotate(pixels: Pixels, degrees: float) -> Pixels:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    turned = picture.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=_mean_colour(pixels))
    return np.asarray(turned)


def _colour(pixels: Pixels, change: Colour, draw: np.random.Generator) -> Pixels:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    for enhance, strength in (
        (ImageEnhance.Brightness, change.brightness),
        (ImageEnhance.Contrast, change.contrast),
        (ImageEnhance.Color, change.saturation),
    ):
        picture = enhance(picture).enhance(draw.uniform(1 - strength, 1 + strength))
    return np.asarray(picture)


def _erase(pixels: Pixels, change: Erase, draw: np.random.Generator) -> Pixels:
    rows, columns = pixels.shape[:2]
    area = draw.uniform(0.02, 1.0) * change.largest * rows * columns
    aspect = math.exp(draw.uniform(math.log(0.3), math.log(1 / 0.3)))
    height = min(rows, max(1, round(math.sqrt(area * aspect))))
    width = min(columns, max(1, round(math.sqrt(area / aspect))))
    top = int(draw.integers(rows - height + 1))
    left = int(draw.integers(columns - width + 1))
    erased = pixels.copy()
    erased[top : top + height, left : left + width] = _mean_colour(pixels)
    return erased


def mixed(
    inputs: Tensor, targets: Tensor, alpha: float, seed: int, place: Position, rank: int
) -> tuple[Tensor, Tensor]:
    """Return each picture mixed with another of the batch (Zhang et al. 2018, equation 1).

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
    """Seed the generator that a network draws from on its device.

    ``torch.manual_seed`` would also queue a call, with its stack, for every kind of
    device that has not been used yet, each time.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
