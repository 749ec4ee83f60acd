"""Frozen features of labelled images, through the same pixels that ``predict`` computes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import nn

from evoca.data.manifest.labelled import LabelledImages
from evoca.images import ImageLimits
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import pixels_of
from evoca.lab.config.models import Options
from evoca.lab.features.cache import RowStore
from evoca.lab.models.onnx_export import export_onnx
from evoca.privacy import onnxruntime
from evoca.progress import Advance, Announce

__all__ = [
    "Extractor",
    "FrozenTrunk",
    "cached_features",
    "feature_networks",
    "features_of",
    "load_pixels",
    "pooled_features",
]

_THREADS = 2


O = TypeVar("O", bound=Options)  # noqa: E741
N = TypeVar("N", bound=nn.Module)
FeatureNetwork = Callable[[O, tuple[int, int]], nn.Module]
"""Builds the network for options and an input size, height and width in pixels."""

feature_networks: dict[type[Options], FeatureNetwork[Any]] = {}
"""How features without a backbone are computed, by the class of their options."""


def features_of(options: type[O]) -> Callable[[type[N]], type[N]]:
    """Return a decorator that registers a network for the features of some options.

    Its constructor takes the options and the input size.
    """

    def register(network: type[N]) -> type[N]:
        feature_networks[options] = network
        return network

    return register


class Extractor(Protocol):
    """Computes features, always the same of the same picture.

    Attributes:
        width: C, numbers per cell.
        fingerprint: of all that decides them but the picture.
    """

    width: int
    fingerprint: str

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return maps (B, C, h, w) of pixels (B, H, W, 3); vectors are maps of one cell."""


class FrozenTrunk:
    """A frozen backbone compiled for ONNX Runtime, which on a CPU is about five times as
    fast as PyTorch and computes what the exported bundle will compute.
    """  # noqa: D205

    def __init__(self, backbone: nn.Module, preprocessing: Preprocessing) -> None:
        """Export the backbone to memory.

        Attributes:
            width: C, channels of the maps.
            fingerprint: SHA-256 of the exported network, weights included.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trunk.onnx"
            export_onnx(backbone, preprocessing.height, preprocessing.width, file, ("maps",))
            content = file.read_bytes()
        self._session = onnxruntime().InferenceSession(content, providers=["CPUExecutionProvider"])
        self.width = int(self._session.get_outputs()[0].shape[1])
        self.fingerprint = hashlib.sha256(content).hexdigest()

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return maps (B, C, h, w) of pixels (B, H, W, 3)."""
        maps: NDArray[np.float32] = self._session.run(["maps"], {"image": pixels})[0]
        return maps


def load_pixels(
    paths: Sequence[Path],
    preprocessing: Preprocessing,
    *,
    batch_size: int = 16,
    workers: int | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield decoded images in batches.

    Args:
        paths: of the images.
        preprocessing: of the recipe.
        batch_size: images per batch.
        workers: threads that decode; 0 decodes in the caller's; two if omitted.

    Yields:
        uint8 (B, H, W, 3).

    Raises:
        ImageError: an image cannot be read.
    """
    limits = ImageLimits()

    def decoded(path: Path) -> NDArray[np.uint8]:
        return pixels_of(path, preprocessing, limits)

    parts = (paths[start : start + batch_size] for start in range(0, len(paths), batch_size))
    if workers == 0:
        for part in parts:
            yield np.stack([decoded(path) for path in part])
        return
    with ThreadPoolExecutor(max_workers=_THREADS if workers is None else workers) as pool:
        for part in parts:
            yield np.stack(list(pool.map(decoded, part)))


def pooled_features(
    trunk: Extractor, batches: Iterator[NDArray[np.uint8]], advance: Advance | None = None
) -> NDArray[np.float32]:
    """Return a frozen backbone's maps, averaged over space.

    Args:
        trunk: computes the maps.
        batches: uint8 (B, H, W, 3) arrays.
        advance: called with the number of images after each batch.

    Returns:
        float32 (N, D).
    """
    rows: list[NDArray[np.float32]] = []
    for pixels in batches:
        rows.append(trunk(pixels).mean(axis=(2, 3)))
        if advance is not None:
            advance(len(pixels))
    return np.concatenate(rows)


def cached_features(
    trunk: Extractor,
    data: LabelledImages,
    preprocessing: Preprocessing,
    cache: Path | None,
    announce: Announce,
    workers: int | None = None,
) -> NDArray[np.float32]:
    """Return averaged maps of a frozen backbone, computing only what is not cached yet.

    Args:
        trunk: computes the maps.
        data: n images.
        preprocessing: of the recipe.
        cache: folder of cached features; all are computed anew if ``None``.
        announce: shows the advance of what is computed.
        workers: see :func:`load_pixels`.

    Returns:
        float32 (n, C).

    Raises:
        ImageError: an image cannot be read.
        EvocaError: the cache cannot be written.
    """

    def compute(missing: list[int]) -> Iterator[NDArray[np.float32]]:
        advance = announce("features", len(missing))
        paths = [data.paths[i] for i in missing]
        for pixels in load_pixels(paths, preprocessing, workers=workers):
            yield trunk(pixels).mean(axis=(2, 3))
            advance(len(pixels))

    if cache is None:
        return np.concatenate(list(compute(list(range(len(data))))))
    about = f"{trunk.fingerprint} {preprocessing.model_dump_json()}"
    key = hashlib.sha256(about.encode()).hexdigest()
    store = RowStore(cache / "features" / key, trunk.width)
    # What the manifest states is not trusted: a wrong hash would find another image's row.
    return store.fetch(data.file_hashes(trust_recorded=False), compute).all()
