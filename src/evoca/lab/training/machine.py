"""How a training is run: settings of the machine, none of which belongs to a recipe.

Freed memory is kept in the process, where the C library would give it back at once. A
training step on a CPU frees and takes the same large blocks again and again. The C library
of most Linux systems returns blocks above 32 MB to the kernel when they are freed, and the
kernel must clear every page of the next one: half of the time of a step goes there
(``benchmarks/training.py`` measures it).
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from evoca.errors import OptionError, did_you_mean
from evoca.progress import Announce, silent
from evoca.words import counted

__all__ = ["RunOptions", "keep_freed_memory", "require_available"]

_MOST_WORKERS = 8
_ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")
_PRECISIONS = (
    *("auto", "32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true"),
    *("32", "16", "bf16", "64", "transformer-engine", "transformer-engine-float16"),
)
_SWITCHES = ("deterministic", "channels_last", "tensorboard", "deletion_test")


@dataclass(frozen=True)
class RunOptions:
    """Where and how a training runs.

    >>> RunOptions(accelerator="cpu", workers=0).lightning_precision
    '32-true'

    Attributes:
        accelerator: as Lightning calls it: ``auto``, ``cpu``, ``gpu``.
        devices: how many on each node.
        nodes: how many machines.
        strategy: as Lightning calls it, such as ``ddp``; ``auto`` chooses.
        precision: as Lightning calls it; ``auto`` is ``bf16-mixed`` or ``16-mixed`` on a
            GPU and full precision elsewhere, where mixing does not help.
        workers: processes that decode and augment; ``None`` leaves one core to the
            training.
        deterministic: refuse operations whose result varies from run to run.
        channels_last: memory layout of the convolutions.
        checkpoint_seconds: how much work a kill may cost.
        cache: folder of cached features; ``None`` computes them anew every time.
        tensorboard: also write logs for TensorBoard.
        deletion_test: test the evidence map by deletion, which a bundle's card states.
        announce: shows progress.
        say: shows one line per epoch.

    Raises:
        OptionError: a name that is not known, or a number that cannot be.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str = "auto"
    workers: int | None = None
    deterministic: bool = False
    channels_last: bool = True
    checkpoint_seconds: float = 60.0
    cache: str | Path | None = None
    tensorboard: bool = True
    deletion_test: bool = True
    announce: Announce = silent
    say: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        _require_known("accelerator", self.accelerator, _ACCELERATORS)
        _require_known("precision", self.precision, _PRECISIONS)
        if self.strategy != "auto":
            _require_known("strategy", self.strategy, _strategies())
        _require_whole("devices", self.devices, 1)
        _require_whole("nodes", self.nodes, 1)
        if self.workers is not None:
            _require_whole("workers", self.workers, 0)
        seconds = self.checkpoint_seconds
        if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
            raise OptionError(
                {"checkpoint_seconds": seconds}, "must be a number of seconds, from 0"
            )
        if not isinstance(self.cache, str | Path | None):
            raise OptionError({"cache": self.cache}, "must be a folder, or None to keep nothing")
        for name in _SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise OptionError({name: getattr(self, name)}, "must be True or False")

    @property
    def cache_folder(self) -> Path | None:
        """The folder of cached features."""
        return None if self.cache is None else Path(self.cache)

    @property
    def on_gpu(self) -> bool:
        """Whether a CUDA device will be used."""
        return self.accelerator in {"auto", "gpu", "cuda"} and torch.cuda.is_available()

    @property
    def lightning_precision(self) -> str:
        """The precision with ``auto`` resolved."""
        if self.precision != "auto":
            return self.precision
        if not self.on_gpu:
            return "32-true"
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"

    @property
    def loader_workers(self) -> int:
        """The number of workers with ``None`` resolved."""
        if self.workers is not None:
            return self.workers
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        return min(_MOST_WORKERS, max(0, usable - 1))


def _require_known(option: str, given: object, names: Sequence[str]) -> None:
    if not isinstance(given, str):
        raise OptionError({option: given}, "must be a text")
    if given not in names:
        raise OptionError({option: given}, f"not known{did_you_mean(given, names, limit=6)}")


def _require_whole(option: str, given: object, least: int) -> None:
    if not isinstance(given, int) or isinstance(given, bool) or given < least:
        raise OptionError({option: given}, f"must be a whole number, at least {least}")


def _strategies() -> tuple[str, ...]:
    from pytorch_lightning.strategies import StrategyRegistry  # takes seconds

    return ("auto", *StrategyRegistry.available_strategies())


def require_available(options: RunOptions) -> None:
    """Refuse what this machine does not have, before anything is computed.

    On a CPU each device is a process of its own, and takes memory.

    Raises:
        OptionError: there is no such accelerator, or there are fewer cores.
    """
    on_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if options.accelerator in {"gpu", "cuda", "mps"} and not on_gpu:
        raise OptionError(
            {"accelerator": options.accelerator},
            "this machine has none that PyTorch can use; leave the option out, or give cpu",
        )
    cores = os.cpu_count() or 1
    if not options.on_gpu and options.devices > cores:
        raise OptionError(
            {"devices": options.devices},
            f"this machine has {counted(cores, 'core')}, and each device of a CPU is a process",
        )


# From malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST = 2**31 - 1
_GROWTH = 256 * 2**20


@cache
def keep_freed_memory() -> bool:
    """Make the C library reuse freed blocks, for the rest of the process.

    Results do not change; the memory in use stays at its peak.

    Returns:
        Whether this is set: glibc alone has it.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, _GROWTH))
    done = [set_option(name, value) for name, value in settings]  # all of them
    return all(done)
