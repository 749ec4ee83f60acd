"""What a sweep of 50 heads on frozen features costs, against computing the features once.

    python benchmarks/head_sweep.py [--images 800] [--points 50] [--at-most 1.2]

Pictures are synthetic JPEGs of the size of web photographs. The features are computed into
an empty cache, then each head of the sweep is fitted on what another process would find
there. The status is 1 where both together take longer than allowed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from evoca.data.manifest.labelled import load_labelled
from evoca.emotions import MIKELS8
from evoca.lab.backbones import load_probe
from evoca.lab.config.recipe import load_recipe
from evoca.lab.features.extract import FrozenTrunk, cached_features
from evoca.lab.heads.linear import fit_linear_path


def draw(folder: Path, images: int) -> None:
    """Write pictures that differ by emotion in colour and grain."""
    rng = np.random.default_rng(0)
    for i in range(images):
        emotion = i % len(MIKELS8)
        coarse = rng.integers(0, 256, (8 + 4 * emotion, 10 + 4 * emotion, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((500, 375), Image.Resampling.BICUBIC)
        file = folder / str(MIKELS8[emotion]) / f"{i}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file, quality=90)


def main() -> int:
    """Measure and print the table; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=800)
    parser.add_argument("--points", type=int, default=50)
    parser.add_argument("--at-most", type=float, default=1.2)
    arguments = parser.parse_args()
    recipe = load_recipe("default")
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name) / "data", arguments.images)
        data = load_labelled(Path(name) / "data")
        backbone = load_probe(recipe)
        trunk = FrozenTrunk(backbone, recipe.preprocessing)

        def features() -> np.ndarray:
            cache = Path(name) / "cache"
            return cached_features(
                trunk, data, recipe.preprocessing, cache, lambda *_: lambda _: None
            )

        start = time.perf_counter()
        features()
        computed = time.perf_counter() - start
        start = time.perf_counter()
        grid = np.geomspace(1e-3, 1.0, arguments.points).tolist()
        found = features()
        heads = list(fit_linear_path(found, data.truth, grid))
        swept = time.perf_counter() - start
    ratio = (computed + swept) / computed
    table = Table(title=f"{len(data)} images, {len(heads)} heads, {found.shape[1]} features")
    table.add_column("what")
    table.add_column("seconds", justify="right")
    table.add_row("features, once", f"{computed:.2f}")
    table.add_row(f"{len(heads)} heads on kept features", f"{swept:.2f}")
    table.add_row("both, in feature passes", f"{ratio:.3f}", style="bold")
    Console().print(table)
    return int(ratio > arguments.at_most)


if __name__ == "__main__":
    sys.exit(main())
