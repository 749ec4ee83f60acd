"""The cache of what the frozen beginning of a model computes, once per image."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import shutil
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.utils.data import DataLoader

from evoca import __version__
from evoca.data.manifest.labelled import LabelledImages
from evoca.images.preprocess import Preprocessing
from evoca.lab.config.step import Augmentation, Step
from evoca.lab.features.cache import CachedRows, RowStore
from evoca.lab.training.augmentation import enumerable, mirrored, variants
from evoca.lab.training.data import (
    Inputs,
    PixelExamples,
    PlainExamples,
    as_fetched,
    raise_errors,
)
from evoca.lab.training.freezing import System, SystemOutput
from evoca.lab.training.interrupts import leave_interrupts
from evoca.lab.training.machine import RunOptions
from evoca.lab.training.sampling import Draw, generators

__all__ = ["CachedExamples", "CachedStart", "FrozenStart", "cache_frozen", "frozen_length"]

_BATCH = 32
_FREE_SHARE = 0.5  # of the disk, so that the cache never fills it


@dataclass(frozen=True, eq=False)
class CachedExamples:
    """Cached outputs of a frozen trunk, as examples.

    Attributes:
        rows: of every image, then, mirrored, of every image again.
        count: images.
        shapes: of an image's outputs.
        single: whether the trunk returns one tensor rather than a tuple.
        changes: of the step; each has its cached form.
        seed: of the training.
    """

    rows: CachedRows
    count: int
    shapes: tuple[tuple[int, ...], ...]
    single: bool
    changes: tuple[Augmentation, ...]
    seed: int

    def inputs(self, draws: Sequence[Draw]) -> Inputs:
        """Return the trunk's outputs for changed pictures."""
        images = np.array([draw.image for draw in draws])
        if self.changes:
            turned = mirrored(self.changes, generators("picture", self.seed, draws))
            images = images + self.count * turned
        return self.plain(images)

    def plain(self, indices: Sequence[int] | NDArray[np.int64]) -> Inputs:
        """Return the trunk's outputs for pictures."""
        flat = torch.from_numpy(self.rows.take(indices))
        if self.single:
            return flat.view(len(flat), *self.shapes[0])
        sizes = [math.prod(shape) for shape in self.shapes]
        parts = zip(torch.split(flat, sizes, dim=1), self.shapes, strict=True)
        return tuple(part.reshape(len(flat), *shape) for part, shape in parts)


class FrozenStart:
    """The frozen modules, their outputs, and the cache of these."""

    def __init__(
        self, modules: nn.ModuleList, preprocessing: Preprocessing, options: RunOptions
    ) -> None:
        """Take the modules, and find the shapes of their outputs.

        Args:
            modules: one after the other, all frozen.
            preprocessing: of the recipe.
            options: state where the cache is, and what to compute on.
        """
        self._modules = modules
        self._preprocessing = preprocessing
        self._options = options
        blank = torch.zeros((1, preprocessing.height, preprocessing.width, 3), dtype=torch.uint8)
        outputs = self._run(blank)
        self.single = isinstance(outputs, Tensor)
        self.shapes = tuple(tuple(part.shape[1:]) for part in _parts(outputs))
        self._width = sum(math.prod(shape) for shape in self.shapes)

    def fits(self, place: Path, rows: int) -> bool:
        """Whether the disk has room for so many rows."""
        there = next(folder for folder in (place, *place.absolute().parents) if folder.is_dir())
        return rows * self._width * 4 < _FREE_SHARE * shutil.disk_usage(there).free

    def examples(
        self, data: LabelledImages, changes: tuple[Augmentation, ...], seed: int
    ) -> CachedExamples:
        """Return the cached outputs of images, computing what is missing."""
        folder = cast("Path", self._options.cache_folder) / "features" / self._key()
        store = RowStore(folder, self._width)
        hashes = data.file_hashes(trust_recorded=False)
        names = list(hashes)
        if variants(changes) == 2:
            names += [f"{digest}-mirrored" for digest in hashes]
        rows = store.fetch(names, lambda missing: self._compute(data, missing))
        return CachedExamples(rows, len(data), self.shapes, self.single, changes, seed)

    def _key(self) -> str:
        """Return a fingerprint of all that decides the outputs but the picture."""
        about = [__version__, repr(self._modules), self._preprocessing.model_dump(mode="json")]
        about += sorted({_source(cast("Hashable", type(m))) for m in self._modules.modules()})
        digest = hashlib.sha256(json.dumps(about).encode())
        for name, tensor in self._modules.state_dict().items():
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()

    def _compute(self, data: LabelledImages, missing: list[int]) -> Iterator[NDArray[np.float32]]:
        """Yield the rows of images, numbered on from their count where mirrored."""
        advance = self._options.announce("frozen features", len(missing))
        pixels = PixelExamples(data, self._preprocessing, (), seed=0)
        loader = DataLoader(
            PlainExamples(pixels, len(data)),
            batch_size=_BATCH,
            sampler=[index % len(data) for index in missing],
            num_workers=self._options.loader_workers if len(missing) > _BATCH else 0,
            collate_fn=as_fetched,
            worker_init_fn=leave_interrupts,
        )
        done = 0
        for batch in raise_errors(loader):
            image = cast("Tensor", batch)
            turned = torch.tensor(missing[done : done + len(image)]) >= len(data)
            image[turned] = image[turned].flip(2)
            done += len(image)
            outputs = _parts(self._run(image))
            yield torch.cat([part.flatten(1) for part in outputs], dim=1).cpu().numpy()
            advance(len(image))

    @torch.inference_mode()
    def _run(self, image: Tensor) -> Inputs:
        device = torch.device("cuda" if self._options.on_gpu else "cpu")
        self._modules.to(device)
        value: Any = image.to(device)
        for module in self._modules:
            value = module(value)
        return cast("Inputs", value)


@cache
def _source(kind: Any) -> str:
    """Return a class's code, so that a changed computation does not reuse old results."""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return f"{kind.__module__}.{kind.__qualname__}"


def _parts(outputs: Inputs) -> tuple[Tensor, ...]:
    parts = (outputs,) if isinstance(outputs, Tensor) else outputs
    return tuple(part.float() for part in parts)


class Tail(nn.Module):
    """The end of a chain, run on the outputs of its beginning."""

    def __init__(self, modules: Sequence[nn.Module], *, channels_last: bool) -> None:
        super().__init__()
        self.chain = nn.ModuleList(modules)
        self._channels_last = channels_last

    def forward(self, inputs: Inputs) -> SystemOutput:
        """Return the system's output from cached outputs."""
        value: Any = self._laid_out(inputs)
        for module in self.chain:
            value = module(value)
        return cast("SystemOutput", value)

    def _laid_out(self, inputs: Inputs) -> Inputs:
        if not isinstance(inputs, Tensor):
            return tuple(cast("Tensor", self._laid_out(part)) for part in inputs)
        if self._channels_last and inputs.ndim == 4:
            return inputs.contiguous(memory_format=torch.channels_last)
        return inputs


@dataclass(frozen=True, eq=False)
class CachedStart:
    """The cached inputs that a step trains on instead of pictures.

    Attributes:
        train: of the training images.
        validation: of the validation images.
        network: the rest of the system.
    """

    train: CachedExamples
    validation: CachedExamples | None
    network: nn.Module


def frozen_length(modules: Sequence[nn.Module]) -> int:
    """Return the number of modules at the start of a chain that always compute the same."""
    for number, module in enumerate(modules):
        if _varies(module):
            return number
    return len(modules)


def _varies(module: nn.Module) -> bool:
    if any(parameter.requires_grad for parameter in module.parameters()):
        return True
    # Droppers of libraries are known by their names alone.
    return any(
        part.training
        and (isinstance(part, _NormBase | _DropoutNd) or "drop" in type(part).__name__.lower())
        for part in module.modules()
    )


def cache_frozen(
    system: System,
    step: Step,
    images: tuple[LabelledImages, LabelledImages | None],
    preprocessing: Preprocessing,
    seed: int,
    options: RunOptions,
) -> CachedStart | None:
    """Return the outputs of a system's frozen beginning, computed or read from the cache.

    Args:
        system: already frozen for the step.
        step: whose augmentation must be enumerable.
        images: to train on, and to validate on.
        preprocessing: of the recipe.
        seed: of the training.
        options: state where the cache is, and what to compute on.

    Returns:
        ``None`` where nothing can be cached: no cache is requested, the system is no chain,
        nothing at its start is frozen, pictures change in too many ways, or the disk
        lacks room.

    Raises:
        ImageError: an image cannot be read.
        EvocaError: the cache cannot be written.
    """
    chain: Callable[[], list[nn.Module]] | None = getattr(system, "chain", None)
    folder = options.cache_folder
    if folder is None or chain is None or step.mixup or not enumerable(step.augmentation):
        return None
    modules = chain()
    length = frozen_length(modules)
    if length == 0:
        return None
    trunk = FrozenStart(nn.ModuleList(modules[:length]), preprocessing, options)
    train, validation = images
    forms = variants(step.augmentation)
    if not trunk.fits(folder, len(train) * forms + len(validation or ())):
        options.say("the disk lacks room to cache features; they are computed anew each time")
        return None
    return CachedStart(
        trunk.examples(train, step.augmentation, seed),
        None if validation is None else trunk.examples(validation, (), seed),
        Tail(modules[length:], channels_last=options.channels_last),
    )
