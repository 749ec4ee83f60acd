from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from website import acts, encoded, picture, shared_photos, site

__all__ = ["acts", "encoded", "picture", "shared_photos", "site"]

MakeImage = Callable[..., Path]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real data sets, which are not part of the project."""
    folder = Path(__file__).parents[2].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the real data sets in ../shared/data")
    return folder


@pytest.fixture
def make_image() -> MakeImage:
    """Write a small picture of noise; the seed decides its content."""

    def make(path: Path, seed: int = 0, form: str = "JPEG", **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, form, **options)
        return path

    return make


@pytest.fixture
def class_folders(tmp_path: Path, make_image: MakeImage) -> Path:
    """Three images of awe and two of fear in class folders."""
    root = tmp_path / "set"
    for i in range(3):
        make_image(root / "awe" / f"a{i}.jpg", i)
    for i in range(2):
        make_image(root / "Fear" / f"f{i}.png", 10 + i, "PNG")
    return root
