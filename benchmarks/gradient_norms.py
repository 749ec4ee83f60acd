"""How large FractalNet's gradients become, beside joins that lack what keeps them small.

    python benchmarks/gradient_norms.py [--backbone fractalnet20] [--steps 40] [--rate 0.02]
        [--data FOLDER]

The same columns, filters and seeds four times: as the recipe jacobson2019-fractalnet has
them; without drop-path; joins that add up in place of averaging; and such joins without
batch normalisation, the plain network. Each is trained with the recipe's optimiser on the
same batches of labelled pictures, or of drawn ones where no folder is given. For each the
norm of all gradients at the first step, its median and largest, the largest norm of a
block over the smallest at the first step, and the last loss are printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from evoca.data.manifest.labelled import load_labelled
from evoca.emotions import MIKELS8
from evoca.images.sources import load_image
from evoca.lab.config.backbone import STAGES, find_backbone
from evoca.lab.config.recipe import Recipe, load_recipe
from evoca.lab.models import StagedSystem, build_system

RECIPE = "jacobson2019-fractalnet"
NO_DROPS = {"local_drop": 0.0, "global_share": 0.0}
NETWORKS = {
    "ours: mean joins, normalised, drop-path": {},
    "without drop-path": NO_DROPS,
    "added joins, normalised": NO_DROPS | {"join": "sum"},
    "plain: added joins, not normalised": NO_DROPS | {"join": "sum", "normalise": False},
}


class Seen(NamedTuple):
    """What a few steps showed.

    Attributes:
        norms: of all gradients, a step each; it ends where one is no number.
        spread: largest over smallest norm of a stage at the first step.
        loss: the last one.
    """

    norms: list[float]
    spread: float
    loss: float


def changed(recipe: Recipe, options: dict[str, object]) -> Recipe:
    """Return a recipe whose backbone has other options."""
    record = recipe.backbone
    other = record.model_copy(update={"options": record.options | options})
    return recipe.model_copy(update={"backbones": (other,)})


def pictures(recipe: Recipe, folder: Path | None, count: int) -> tuple[Tensor, Tensor]:
    """Return uint8 (n, H, W, 3) and labels (n,)."""
    size = recipe.preprocessing
    if folder is None:
        rng = np.random.default_rng(0)
        truth = rng.integers(0, len(MIKELS8), count)
        colours = rng.integers(0, 200, (len(MIKELS8), 3))[truth][:, None, None]
        noise = rng.integers(0, 56, (count, size.height, size.width, 3))
        return torch.tensor((colours + noise).astype(np.uint8)), torch.tensor(truth)
    data = load_labelled(folder).with_truth()
    chosen = np.random.default_rng(0).permutation(len(data))[:count]
    pixels = [load_image(data.paths[i], size).pixels for i in chosen]
    return torch.tensor(np.stack(pixels)), torch.tensor(data.truth[chosen])


def train(
    system: StagedSystem,
    recipe: Recipe,
    batches: Iterator[Tensor],
    rate: float,
    data: Sequence[Tensor],
) -> Seen:
    """Take a few steps and note the gradients."""
    images, truth = data
    momentum = recipe.steps[0].optimiser.momentum
    optimiser = torch.optim.SGD(system.parameters(), rate, momentum=momentum)
    norms: list[float] = []
    spread = loss_value = float("nan")
    system.train()
    for chosen in batches:
        loss = nn.functional.cross_entropy(system(images[chosen]).logits, truth[chosen])
        optimiser.zero_grad()
        loss.backward()
        stages = [norm_of(system.part(stage)[0]) for stage in STAGES]
        if not norms:
            spread = max(stages) / max(min(stages), 1e-30)
        norms.append(norm_of(system))
        loss_value = float(loss.detach())
        if not np.isfinite(norms[-1]):
            break
        optimiser.step()
    return Seen(norms, spread, loss_value)


def norm_of(module: nn.Module) -> float:
    """Return the norm of a module's gradients."""
    return float(get_total_norm([p.grad for p in module.parameters() if p.grad is not None]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backbone", default="fractalnet20")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, help="that of the recipe if omitted")
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    recipe = load_recipe(RECIPE, [f"model.backbone={asked.backbone}"])
    rate = asked.rate or recipe.steps[0].rate
    data = pictures(recipe, asked.data, 8 * asked.batch)
    table = Table(title=f"{find_backbone(asked.backbone).name}, {asked.steps} steps at {rate:g}")
    for heading in ("network", "first", "median", "largest", "blocks differ", "last loss"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for name, options in NETWORKS.items():
        system = build_system(changed(recipe, options), MIKELS8, seed=0)
        rng = torch.Generator().manual_seed(0)
        batches = (
            torch.randint(len(data[1]), (asked.batch,), generator=rng) for _ in range(asked.steps)
        )
        torch.manual_seed(0)
        seen = train(system, recipe, batches, rate, data)
        table.add_row(
            name,
            *(f"{x:.3g}" for x in (seen.norms[0], median(seen.norms), max(seen.norms))),
            f"{seen.spread:.3g} x",
            f"{seen.loss:.3g}" + ("" if len(seen.norms) == asked.steps else " (stopped)"),
        )
    Console().print(table)


if __name__ == "__main__":
    main()
