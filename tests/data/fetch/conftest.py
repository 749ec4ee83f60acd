from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def picture() -> Callable[[int], Image.Image]:
    """Make the n-th of many different pictures with the large shapes of a photograph."""

    def make(seed: int, size: tuple[int, int] = (256, 192)) -> Image.Image:
        colours = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        return Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)

    return make


@pytest.fixture(scope="session")
def shared_photos() -> list[Path]:
    """Real photographs, where the research data lie beside the repository."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "data"
    photos = sorted([*folder.glob("fi/*/*.jpg"), *folder.glob("oasis/images/*.jpg")])
    if not photos:
        pytest.skip("needs the research photographs in ../shared/data")
    return photos
