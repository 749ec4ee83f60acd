"""Frozen features of labelled images, through the same pixels that ``predict`` sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evoca.images.preprocess import Preprocessing
from evoca.images.sources import LoadedImage, load_image
from evoca.lab.backbones import StagedBackbone

__all__ = ["load_pixels", "pooled_features"]

Progress = Callable[[int], None]


def load_pixels(
    paths: Sequence[Path], preprocessing: Preprocessing, *, batch_size: int = 32
) -> Iterator[tuple[NDArray[np.uint8], list[LoadedImage]]]:
    """Decode images in batches.

    Yields:
        uint8 (B, H, W, 3) and the B decoded inputs it was stacked from.

    Raises:
        ImageError: an image cannot be read.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        for start in range(0, len(paths), batch_size):
            part = paths[start : start + batch_size]
            loaded = list(pool.map(lambda path: load_image(path, preprocessing), part))
            yield np.stack([image.pixels for image in loaded]), loaded


@torch.inference_mode()
def pooled_features(
    backbone: StagedBackbone,
    batches: Iterator[NDArray[np.uint8]],
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Average a frozen backbone's maps over space.

    Args:
        backbone: in evaluation mode.
        batches: uint8 (B, H, W, 3) arrays.
        progress: called with the number of images after each batch.

    Returns:
        float32 (N, D).
    """
    rows: list[NDArray[np.float32]] = []
    for pixels in batches:
        maps = backbone(torch.from_numpy(pixels))
        rows.append(maps.mean(dim=(2, 3)).numpy())
        if progress is not None:
            progress(len(pixels))
    return np.concatenate(rows)
