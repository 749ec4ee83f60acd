"""Training throughput of the runner against a bare PyTorch loop, side by side.

    python benchmarks/training.py [--images 256] [--batch 16] [--rounds 3] [--within 0.1]

Both train the same network with the same optimiser on the same pictures, decoded by the
same function in as many workers, in turns, so that a machine that slows down slows both;
each in a process of its own, since the runner changes how a process keeps freed memory.
The status is 1 where the runner's best epoch is slower than allowed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import timm
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from evoca.data.manifest.labelled import LabelledImages, load_labelled
from evoca.images.preprocess import Preprocessing
from evoca.images.sources import load_image
from evoca.lab.config.step import Optimiser, Step
from evoca.lab.training import RunOptions, Task, fit
from evoca.lab.training.checkpoint import Identity
from head_sweep import draw


class Output(NamedTuple):
    """What a system returns."""

    logits: Tensor


class Network(nn.Module):
    """An EfficientNet-Lite0 from random weights, as a system of one part."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = timm.create_model("tf_efficientnet_lite0", num_classes=labels)

    def parts(self) -> list[str]:
        """Name the only part."""
        return ["network"]

    def part(self, name: str) -> list[nn.Module]:
        """Return it."""
        return {"network": [self.network]}[name]

    def forward(self, image: Tensor) -> Output:
        """Compute the logits of uint8 images (N, H, W, 3)."""
        return Output(self.network(image.permute(0, 3, 1, 2).float() / 127.5 - 1))


class Pictures(Dataset[tuple[Tensor, int]]):
    """Pictures and labels, as anyone would write it."""

    def __init__(self, data: LabelledImages, preprocessing: Preprocessing) -> None:
        self.data, self.preprocessing = data, preprocessing

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Decode one."""
        pixels = load_image(self.data.paths[index], self.preprocessing).pixels
        return torch.tensor(pixels), int(self.data.truth[index])


def bare(
    data: LabelledImages, preprocessing: Preprocessing, batch: int, epochs: int, workers: int
) -> list[float]:
    """Train with a plain loop; return seconds an epoch."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = Network(len(data.labels)).to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    loader = DataLoader(
        Pictures(data, preprocessing),
        batch,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device == "cuda",
    )
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for image, truth in loader:
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                logits = network(image.to(device, non_blocking=True)).logits
                loss = nn.functional.cross_entropy(logits, truth.to(device))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds


def ours(
    data: LabelledImages, preprocessing: Preprocessing, batch: int, epochs: int, workers: int
) -> list[float]:
    """Train with the runner; return seconds from one epoch's last word to the next one's.

    All that it does beside training counts: deciding, reporting, logs.
    """
    step = Step(
        name="all",
        optimiser=Optimiser(kind="sgd", momentum=0.9),
        rate=1e-3,
        epochs=epochs,
        batch_size=batch,
    )
    task = Task((step,), preprocessing, data, None, 0, Identity("benchmark", "benchmark"))
    said = [time.perf_counter()]
    options = RunOptions(workers=workers, say=lambda _: said.append(time.perf_counter()))
    with tempfile.TemporaryDirectory() as folder:
        fit(Network(len(data.labels)), task, Path(folder), options)
    return [after - before for before, after in pairwise(said)]


Loop = Callable[[LabelledImages, Preprocessing, int, int, int], list[float]]


def in_its_own_process(
    loop: Loop, data: LabelledImages, preprocessing: Preprocessing, batch: int, workers: int
) -> list[float]:
    """Train two epochs; return the seconds of the second, since the first starts the workers."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(loop, data, preprocessing, batch, 2, workers).result()[1:]


def rate(images: int, seconds: Sequence[float]) -> float:
    """Return the images a second of the fastest epoch; others waited for something else."""
    return images / min(seconds)


def main() -> int:
    """Measure and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--within", type=float, default=0.1)
    arguments = parser.parse_args()
    preprocessing = Preprocessing(height=arguments.side, width=arguments.side)
    workers = RunOptions().loader_workers
    seconds: dict[str, list[float]] = {"bare PyTorch loop": [], "evoca": []}
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name), arguments.images)
        data = load_labelled(Path(name))
        for _ in range(arguments.rounds):
            for label, run in (("bare PyTorch loop", bare), ("evoca", ours)):
                seconds[label] += in_its_own_process(
                    run, data, preprocessing, arguments.batch, workers
                )
    found = {label: rate(len(data), values) for label, values in seconds.items()}
    ratio = found["evoca"] / found["bare PyTorch loop"]
    table = Table(
        title=f"EfficientNet-Lite0, {arguments.side} pixels, batch {arguments.batch}, "
        f"{workers} workers, fastest of {arguments.rounds} epochs"
    )
    table.add_column("loop")
    table.add_column("images/s", justify="right")
    for label, value in found.items():
        table.add_row(label, f"{value:.1f}")
    table.add_row("ratio", f"{ratio:.3f}", style="bold")
    Console().print(table)
    return int(ratio < 1 - arguments.within)


if __name__ == "__main__":
    sys.exit(main())
