"""How a training is run: settings of the machine, none of which belongs to a recipe.

Freed memory is kept in the process, where the C library would give it back at once. A
training step on a CPU frees and takes the same large blocks again and again. The C library
of most Linux systems returns blocks above 32 MB to the kernel when they are freed, and the
kernel must clear every page of the next one: half of the time of a step goes there
(``benchmarks/training.py`` measures it).
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from evoca.errors import EvocaError
from evoca.progress import Announce, silent

__all__ = ["RunOptions", "keep_freed_memory", "require_cores"]

_MOST_WORKERS = 8


@dataclass(frozen=True)
class RunOptions:
    """Where and how a training runs.

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
    cache: Path | None = None
    tensorboard: bool = True
    deletion_test: bool = True
    announce: Announce = silent
    say: Callable[[str], None] = lambda _: None

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


def require_cores(options: RunOptions) -> None:
    """Refuse more processes than cores: on a CPU each device is one, and takes memory.

    Raises:
        EvocaError: there are fewer cores.
    """
    cores = os.cpu_count() or 1
    if not options.on_gpu and options.devices > cores:
        raise EvocaError(
            f"--devices {options.devices}: this machine has {cores} cores, and each device of a "
            "CPU is a process"
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
