"""Time the near-duplicate search, and measure what the threshold finds on photographs.

    python benchmarks/duplicates.py                      # 118,000 hashes, against 60 s
    python benchmarks/duplicates.py --photos FOLDER...   # the table in data.duplicates.clusters
    python benchmarks/duplicates.py --photos FOLDER... --every 10   # alter every tenth alone

The folders should hold photographs without a copy among them: each pair of different ones
within the threshold counts as false.
"""

from __future__ import annotations

import argparse
import io
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

from evoca.data.duplicates.clusters import TURNED_MARGIN
from evoca.data.duplicates.fingerprints import fingerprint
from evoca.data.duplicates.hamming import near_pairs
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


def frame(share: float, grey: int) -> Callable[[Image.Image], Image.Image]:
    """Put a frame around, as wide as a share of the shorter side."""
    return lambda image: ImageOps.expand(
        image, max(1, round(min(image.size) * share)), fill=(grey,) * 3
    )


def bars(image: Image.Image) -> Image.Image:
    """Put black bars above and below, each a tenth of the height."""
    return ImageOps.expand(image, (0, image.height // 10), fill=(0, 0, 0))


def turn_hue(image: Image.Image) -> Image.Image:
    """Turn every hue by a third of the circle."""
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(i + 85) % 256 for i in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def sepia(image: Image.Image) -> Image.Image:
    """Colour a grey picture brown."""
    return ImageOps.colorize(image.convert("L"), (40, 26, 13), (255, 240, 192))


def gamma(exponent: float) -> Callable[[Image.Image], Image.Image]:
    """Raise brightness to a power."""
    table = [round(255 * (i / 255) ** exponent) for i in range(256)]
    return lambda image: image.point(table * 3)


def turn(how: Image.Transpose) -> Callable[[Image.Image], Image.Image]:
    """Turn or mirror."""
    return lambda image: image.transpose(how)


ALTERATIONS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "turned by 90 degrees": turn(Image.Transpose.ROTATE_90),
    "turned by 180 degrees": turn(Image.Transpose.ROTATE_180),
    "turned by 270 degrees": turn(Image.Transpose.ROTATE_270),
    "turned by 90 degrees and mirrored": turn(Image.Transpose.TRANSPOSE),
    "turned by 270 degrees and mirrored": turn(Image.Transpose.TRANSVERSE),
    "turned by 90 degrees, half the size, JPEG": lambda image: jpeg(50)(
        scale(0.5)(image.transpose(Image.Transpose.ROTATE_90))
    ),
    "a quarter of the size": scale(0.25),
    "JPEG at quality 40": jpeg(40),
    "JPEG at quality 15": jpeg(15),
    "half the size, JPEG at quality 50": lambda image: jpeg(50)(scale(0.5)(image)),
    "squashed to a square": lambda image: image.resize((224, 224)),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "contrast + 30%": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "brightness + 25%": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "gamma 0.6": gamma(0.6),
    "gamma 1.8": gamma(1.8),
    "contrast stretched by histogram": ImageOps.equalize,
    "hues turned by 120 degrees": turn_hue,
    "sepia": sepia,
    "negative": ImageOps.invert,
    "rotated by 1 degree": lambda image: image.rotate(1),
    "rotated by 5 degrees": lambda image: image.rotate(5),
    "black frame of 2%": frame(0.02, 0),
    "white frame of 2%": frame(0.02, 255),
    "white frame of 5%": frame(0.05, 255),
    "black bars above and below, 10% each": bars,
    "2% cropped": crop(0.01, 0.01, 0.01, 0.01),
    "4% cropped": crop(0.02, 0.02, 0.02, 0.02),
    "6% cropped": crop(0.03, 0.03, 0.03, 0.03),
    "10% cropped": crop(0.05, 0.05, 0.05, 0.05),
    "5% cropped at one corner": crop(0, 0, 0.05, 0.05),
    "cropped to 75% of the area": crop(0.067, 0.067, 0.067, 0.067),
    "cropped to 75% at one corner": crop(0, 0, 0.134, 0.134),
    "cropped to half of the area": crop(0.146, 0.146, 0.146, 0.146),
    "white box on 4% of the area": cover_corner,
}


def time_search(n: int) -> float:
    """Search n random hashes with copies planted; the planted ones must be found."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (n, 2), dtype=np.uint64)
    copies = rng.choice(n, (1000, 2), replace=False)
    hashes[copies[:, 1]] = hashes[copies[:, 0]] ^ np.uint64(0b1011)
    others = rng.integers(0, 2**64, (n, 7, 2), dtype=np.uint64)
    start = time.perf_counter()
    pairs = near_pairs(hashes, 20, others=others[:, :1])
    near_pairs(hashes, 20 - TURNED_MARGIN, others=others[:, 1:])
    seconds = time.perf_counter() - start
    missed = {tuple(sorted(pair)) for pair in copies.tolist()} - set(map(tuple, pairs.tolist()))
    if missed:
        raise SystemExit(f"{len(missed)} of 1,000 planted copies were missed")
    return seconds


def hashes_of(task: tuple[Path, bool]) -> NDArray[np.uint64]:
    """Hash a photograph in its orientations, then its alterations: uint64 (8 [+ A], 2)."""
    path, alter = task
    rows = list(fingerprint(path).orientations)
    if alter and rows:
        picture = decode(path.read_bytes()).image.convert("RGB")
        with tempfile.TemporaryDirectory() as folder:
            for change in ALTERATIONS.values():
                file = Path(folder) / "altered.bmp"
                change(picture).save(file)
                rows.append(fingerprint(file).looks or (0, 0))
    return np.array(rows, np.uint64)


# Pictures as they are and mirrored, then the quarter turns.
_MARGIN = np.array([0, 0] + [TURNED_MARGIN] * 6)


def distance(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Count the bits that differ."""
    return np.bitwise_count(a ^ b).sum(axis=-1).astype(np.int64)


def measure(folders: list[Path], every: int) -> None:
    """Print what share of altered copies each threshold finds, and the false pairs."""
    files = [file for folder in folders for file in find_images(folder)]
    with ProcessPoolExecutor() as pool:
        tasks = [(file, i % every == 0) for i, file in enumerate(files)]
        found = [rows for rows in pool.map(hashes_of, tasks, chunksize=8) if len(rows)]
    hashes = np.stack([rows[:8] for rows in found])
    altered = np.stack([rows for rows in found if len(rows) > 8])
    print(f"{len(hashes):,} photographs, {len(files) - len(hashes)} flat ones left out")
    print(f"{len(altered):,} of them altered")
    own = hashes[:, 0]
    for i, name in enumerate(ALTERATIONS, 8):
        nearest = (distance(altered[:, :8], altered[:, i, None]) + _MARGIN).min(axis=1)
        shares = "  ".join(f"{100 * (nearest <= t).mean():5.1f}" for t in THRESHOLDS)
        print(f"{name:43}  {shares}")
    sides = {"as they are": [0], "or mirrored": [0, 1], "or in any orientation": range(8)}
    for name, side in sides.items():
        counts = false_pairs(own, hashes, list(side))
        print(f"{f'false pairs, {name}':43}  " + "  ".join(f"{counts[t]:5}" for t in THRESHOLDS))
        print({t: int(counts[t]) for t in range(14, 42, 2)})


def false_pairs(
    own: NDArray[np.uint64], hashes: NDArray[np.uint64], sides: list[int]
) -> NDArray[np.int64]:
    """Count the pairs within each threshold 0..128, int64 (129,), in some orientations."""
    counts = np.zeros(129, dtype=np.int64)
    for i in range(len(own) - 1):
        nearest = (distance(own[i], hashes[i + 1 :, sides]) + _MARGIN[sides]).min(axis=1)
        counts += np.bincount(np.minimum(nearest, 128), minlength=129)
    return np.asarray(counts.cumsum())


def main() -> int:
    """Run the benchmark; 1 where the search takes longer than the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hashes", type=int, default=118_000)
    parser.add_argument("--photos", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, help="alter every n-th photograph")
    arguments = parser.parse_args()
    if arguments.photos:
        measure(arguments.photos, arguments.every)
        return 0
    seconds = time_search(arguments.hashes)
    print(
        f"{arguments.hashes:,} hashes in eight orientations: {seconds:.1f} s on "
        f"{os.cpu_count()} cores, limit {LIMIT_S:.0f} s"
    )
    return int(seconds > LIMIT_S)


if __name__ == "__main__":
    sys.exit(main())
