"""Freed memory stays in the process, and no more processes are asked for than cores."""

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
from pathlib import Path
from evoca.lab.training.machine import keep_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def after_freeing():
    before = resident()
    block = bytearray(100_000_000)
    del block
    return resident() - before

assert after_freeing() < 50_000_000, "the C library keeps blocks by itself: nothing to test"
assert keep_freed_memory()
assert after_freeing() > 90_000_000
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has this")
def test_a_freed_block_is_kept_for_the_next():
    pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_more_processes_than_cores_are_refused_before_any_starts():
    pytest.importorskip("pytorch_lightning", reason="needs the extra train")
    from evoca.errors import EvocaError
    from evoca.lab.training.lightning_trainer import require_machine
    from evoca.lab.training.machine import RunOptions

    cores = os.cpu_count() or 1
    with pytest.raises(EvocaError, match=f"this machine has {cores} cores"):
        require_machine(RunOptions("cpu", devices=cores + 1))
