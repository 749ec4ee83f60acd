"""Time the near-duplicate search, and measure what the threshold finds on photographs.

    python benchmarks/duplicates.py                      # 118,000 hashes, against 60 s
    python benchmarks/duplicates.py --photos FOLDER      # the table in evoca.data.duplicates

The folder should hold photographs without a copy among them: each pair of different ones
within the threshold counts as false.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from evoca.data.fingerprints import fingerprint
from evoca.data.near import near_pairs
from evoca.images import decode, find_images

LIMIT_S = 60.0
THRESHOLDS = (12, 16, 20, 24, 28)


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    """Compress again."""

    def alter(image: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")

    return alter


def scale(factor: float) -> Callable[[Image.Image], Image.Image]:
    """Resize both sides by a factor."""
    return lambda image: image.resize((round(image.width * factor), round(image.height * factor)))


def crop(left: float, top: float, right: float, bottom: float) -> Callable[..., Image.Image]:
    """Take shares of the width and height off the four sides."""

    def alter(image: Image.Image) -> Image.Image:
        w, h = image.size
        return image.crop((int(w * left), int(h * top), w - int(w * right), h - int(h * bottom)))

    return alter


def cover_corner(image: Image.Image) -> Image.Image:
    """Put a white box where credits stand."""
    image = image.copy()
    w, h = image.size
    ImageDraw.Draw(image).rectangle((w * 0.6, h * 0.9, w, h), fill=(255, 255, 255))
    return image


def frame(image: Image.Image) -> Image.Image:
    """Put a black frame around."""
    return ImageOps.expand(image, max(1, min(image.size) // 50), fill=0)


ALTERATIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "a quarter of the size": scale(0.25),
    "JPEG at quality 40": jpeg(40),
    "JPEG at quality 15": jpeg(15),
    "half the size, JPEG at quality 50": lambda image: jpeg(50)(scale(0.5)(image)),
    "squashed to a square": lambda image: image.resize((224, 224)),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "contrast + 30%": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "brightness + 25%": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "rotated by 1 degree": lambda image: image.rotate(1),
    "black frame of 2%": frame,
    "2% cropped": crop(0.01, 0.01, 0.01, 0.01),
    "4% cropped": crop(0.02, 0.02, 0.02, 0.02),
    "6% cropped": crop(0.03, 0.03, 0.03, 0.03),
    "10% cropped": crop(0.05, 0.05, 0.05, 0.05),
    "5% cropped at one corner": crop(0, 0, 0.05, 0.05),
    "white box on 4% of the area": cover_corner,
}


def time_search(n: int) -> float:
    """Search n random hashes with copies planted; the planted ones must be found."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (n, 2), dtype=np.uint64)
    copies = rng.choice(n, (1000, 2), replace=False)
    hashes[copies[:, 1]] = hashes[copies[:, 0]] ^ np.uint64(0b1011)
    mirrored = rng.integers(0, 2**64, (n, 2), dtype=np.uint64)
    start = time.perf_counter()
    pairs = near_pairs(hashes, 20, mirrored=mirrored)
    seconds = time.perf_counter() - start
    missed = {tuple(sorted(pair)) for pair in copies.tolist()} - set(map(tuple, pairs.tolist()))
    if missed:
        raise SystemExit(f"{len(missed)} of 1,000 planted copies were missed")
    return seconds


def hashes_of(path: Path) -> NDArray[np.uint64]:
    """Hash a photograph, mirrored and not, and its alterations: uint64 (2 + A, 2)."""
    own = fingerprint(path)
    picture = decode(path.read_bytes()).image
    rows = [own.looks, own.mirrored]
    with tempfile.TemporaryDirectory() as folder:
        for alter in ALTERATIONS.values():
            file = Path(folder) / "altered.png"
            alter(picture).save(file)
            rows.append(fingerprint(file).looks)
    if None in rows:
        raise SystemExit(f"{path}: flat; take it out")
    return np.array(rows, np.uint64)


def measure(folder: Path) -> None:
    """Print what share of altered copies each threshold finds, and the false pairs."""
    with ProcessPoolExecutor() as pool:
        hashes = np.stack(list(pool.map(hashes_of, find_images(folder), chunksize=8)))
    own, mirrored = hashes[:, 0], hashes[:, 1]

    def distance(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
        return np.bitwise_count(a ^ b).sum(axis=-1).astype(np.int64)

    for name, altered in zip(ALTERATIONS, hashes.swapaxes(0, 1)[2:], strict=True):
        nearest = np.minimum(distance(own, altered), distance(mirrored, altered))
        found = "  ".join(f"{100 * (nearest <= t).mean():5.1f}" for t in THRESHOLDS)
        print(f"{name:43}  {found}")
    pairs = np.array(list(itertools.combinations(range(len(own)), 2)))
    i, j = pairs.T
    nearest = np.minimum(distance(own[i], own[j]), distance(own[i], mirrored[j]))
    false = "  ".join(f"{int((nearest <= t).sum()):5}" for t in THRESHOLDS)
    print(f"{f'false pairs of {len(pairs):,}':43}  {false}")
    print({t: int((nearest <= t).sum()) for t in range(26, 48, 2)}, "at larger thresholds")


def main() -> int:
    """Run the benchmark; 1 where the search takes longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hashes", type=int, default=118_000)
    parser.add_argument("--photos", type=Path)
    arguments = parser.parse_args()
    if arguments.photos:
        measure(arguments.photos)
        return 0
    seconds = time_search(arguments.hashes)
    print(
        f"{arguments.hashes:,} hashes and their mirror images: {seconds:.1f} s on "
        f"{os.cpu_count()} cores, limit {LIMIT_S:.0f} s"
    )
    return int(seconds > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
