"""What is named as unlike a photograph, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import samples
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


_LINE = "total 48 drwxr-xr-x for that it was with be by on not he this are or his from at"


def _text(
    background: str,
    inks: tuple[str, ...],
    *,
    size: tuple[int, int] = (1000, 800),
    margin: int = 10,
    rules: bool = False,
) -> Image.Image:
    """Lines of words of unequal length, as on a page or in a terminal."""
    picture = Image.new("RGB", size, background)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(16)
    for i, y in enumerate(range(margin, size[1] - margin, 24)):
        end = size[0] - margin - (i * 97) % 500
        words = _LINE[i % 20 :] + " " + _LINE
        while draw.textlength(words, font) > end - margin:
            words = words[:-1]
        draw.text((margin, y), words, inks[i % len(inks)], font)
        if rules:
            draw.line((0, y - 2, size[0], y - 2), "#d0d0d0")
    return picture


def _chart(background: str, ink: str) -> Image.Image:
    chart = Image.new("RGB", (900, 600), background)
    draw = ImageDraw.Draw(chart)
    draw.line([(80, 60), (80, 540), (860, 540)], ink, 2)
    for i in range(6):
        draw.line((80, 90 * i + 90, 860, 90 * i + 90), "#888888", 1)
    for k, colour in enumerate(("#4477AA", "#EE6677", "#228833", "#CCBB44")):
        points = [(80 + 8 * x, 300 + 40 * k + 90 * np.sin(x / 3 + k)) for x in range(97)]
        draw.line(points, colour, 3)
    return chart


def _web_page() -> Image.Image:
    page = _text("white", ("#222222",), size=(1280, 900), margin=60)
    ImageDraw.Draw(page).rectangle((0, 0, 1280, 64), fill="#1e3c8c")
    page.paste(samples.photo("coffee", (400, 280)), (60, 170))
    return page


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
        (lambda: _text("#000000", ("#00ff00",)), (SCREENSHOT,)),
        (lambda: _text("#300a24", ("#ffffff", "#8ae234", "#729fcf")), (SCREENSHOT,)),
        (lambda: _text("#faf0dc", ("#141414",), size=(850, 1100), margin=90), (DOCUMENT,)),
        (lambda: _text("#dcdcdc", ("#141414",), size=(850, 1100), margin=90), (DOCUMENT,)),
        (lambda: _text("#ffffff", ("#141414",), rules=True), (DOCUMENT,)),
        (_web_page, (DOCUMENT,)),
        (lambda: _chart("#faf0dc", "#141414"), (DOCUMENT,)),
        (lambda: _chart("#1e1e1e", "#dcdcdc"), (SCREENSHOT,)),
        (_gradient, ()),
    ],
)
def test_drawn_pictures(draw: Callable[[], Image.Image], expected: tuple[str, ...]) -> None:
    assert screen(MODEL(draw())) == expected
    as_jpeg = decode(samples.encode(draw(), "JPEG", quality=85), min_size=MODEL.decode_size)
    assert screen(MODEL(as_jpeg.image)) == expected


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
