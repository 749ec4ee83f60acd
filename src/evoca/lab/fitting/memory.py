"""Keep freed memory in the process, where the C library would give it back at once.

A training step on a CPU frees and takes the same large blocks again and again. The C
library of most Linux systems returns blocks above 32 MB to the kernel when they are freed,
and the kernel must clear every page of the next one: half of the time of a step goes
there (``benchmarks/training.py`` measures it).
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache

__all__ = ["keep_freed_memory"]

# From malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST = 2**31 - 1
_GROWTH = 256 * 2**20


@cache
def keep_freed_memory() -> bool:
    """Tell the C library to reuse freed blocks, for the rest of the process.

    Results do not change; the memory in use stays at its peak.

    Returns:
        Whether there was something to tell: glibc alone has this.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_TOP_PAD, _GROWTH))
    done = [tell(name, value) for name, value in settings]  # every one, whatever another said
    return all(done)
