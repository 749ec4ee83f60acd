"""What is named as unlike a photograph, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from evoca.images import Preprocessing, decode
from evoca.images.screening import screen

MODEL = Preprocessing(height=256, width=256)
BLANK, DOCUMENT, SCREENSHOT = (
    f"unlike a photograph: {kind}" for kind in ("blank", "document", "screenshot")
)


def _page() -> Image.Image:
    page = Image.new("RGB", (850, 1100), "white")
    draw = ImageDraw.Draw(page)
    for y in range(100, 1000, 30):
        for x in range(100, 700 + (y * 7) % 60, 45):
            draw.rectangle((x, y, x + 36, y + 9), fill="black")
    return page


def _window(background: str, bar: str) -> Image.Image:
    window = Image.new("RGB", (1280, 800), background)
    draw = ImageDraw.Draw(window)
    draw.rectangle((0, 0, 1280, 60), fill=bar)
    draw.rectangle((0, 60, 240, 800), fill="#3a3f4b")
    for y in range(120, 560, 40):
        draw.rectangle((280, y, 420 + y % 200, y + 10), fill="#7f8490")
    return window


def _gradient() -> Image.Image:
    ramp = np.linspace(0, 255, 256).astype(np.uint8)
    sky = np.dstack([np.broadcast_to(ramp[:, None], (256, 256)), *[np.full((256, 256), 120)] * 2])
    return Image.fromarray(sky.astype(np.uint8))


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda: Image.new("RGB", (300, 200), "white"), (BLANK,)),
        (lambda: Image.new("RGB", (300, 200), "black"), (BLANK,)),
        (lambda: Image.new("RGB", (300, 200), (40, 90, 200)), (BLANK,)),
        (_page, (DOCUMENT,)),
        (lambda: _window("#20242c", "#11131a"), (SCREENSHOT,)),
        (lambda: _window("#e9eef5", "#2b579a"), (SCREENSHOT,)),
        (_gradient, ()),
    ],
)
def test_drawn_pictures(draw: Callable[[], Image.Image], expected: tuple[str, ...]) -> None:
    assert screen(MODEL(draw())) == expected


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "china", "coffee", "flower", "rocket"])
def test_no_example_photograph_is_named(name: str, examples: Path) -> None:
    assert screen(MODEL(decode((examples / f"{name}.jpg").read_bytes()).image)) == ()


@pytest.mark.parametrize("side", [16, 64, 128, 320])
def test_noise_is_not_named_at_any_size(side: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    assert screen(noise) == ()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (1, 2)])
def test_the_smallest_inputs_are_judged_without_a_warning(shape: tuple[int, int]) -> None:
    stripes: NDArray[np.uint8] = np.zeros((*shape, 3), np.uint8)
    stripes[::2, ::2] = 255
    assert screen(stripes) in {(), (BLANK,)}


def test_few_research_photographs_are_named(shared_data: Path) -> None:
    photographs = sorted(shared_data.glob("fi/*/*.jpg"))[::6]
    photographs += sorted(shared_data.glob("oasis/images/*.jpg"))[::6]
    named = [path for path in photographs if screen(MODEL(decode(path.read_bytes()).image))]
    assert len(photographs) > 150
    assert len(named) <= 0.02 * len(photographs)
