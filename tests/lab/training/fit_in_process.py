"""Trains a tiny system in a process of its own, which a test may kill.

python fit_in_process.py DATA RUN DEVICES BATCHES; after so many batches it says so and
waits until its standard input ends; 0 for never.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from evoca.lab.training import RunOptions, fit
from tiny_system import STEPS, TinySystem, drawn_task


def main(data: Path, run: Path, devices: int, batches: int) -> None:
    torch.set_num_threads(1)
    seen = 0

    def advance(amount: int) -> None:
        nonlocal seen
        seen += amount
        if batches and seen == batches and amount:
            print("waiting", flush=True)
            # Not signal.pause(): a signal that comes before the call would be waited for
            # for ever. Whoever sends one closes the input after it.
            sys.stdin.read()

    many = devices > 1
    options = RunOptions(
        accelerator="cpu",
        devices=devices,
        strategy="ddp" if many else "auto",
        workers=0,
        checkpoint_seconds=0,
        tensorboard=False,
        announce=lambda name, total: advance,
    )
    task = drawn_task(data, *STEPS["ddp" if many else "resume"])
    fit(TinySystem(drop=0.0 if many else 0.2), task, run, options)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
