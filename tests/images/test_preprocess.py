"""Resizing: what a model sees of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from evoca.images import Preprocessing, decode
from samples import photo


@pytest.mark.parametrize("resize", ["squash", "cover"])
@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (1, 3000), (3000, 1), (30, 20), (2000, 7)])
def test_any_picture_becomes_the_models_size(
    size: tuple[int, int], filter_name: str, resize: str
) -> None:
    model = Preprocessing.model_validate(
        {"height": 20, "width": 30, "resize": resize, "filter": filter_name}
    )
    pixels = model(Image.new("RGB", size, (10, 200, 90)))
    assert pixels.shape == (20, 30, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - (10, 200, 90)).max() <= 1


def _left_red_right_blue() -> Image.Image:
    picture = Image.new("RGB", (200, 100), "red")
    picture.paste("blue", (100, 0, 200, 100))
    picture.paste("lime", (0, 0, 50, 100))
    picture.paste("white", (150, 0, 200, 100))
    return picture


def test_squash_shows_all_and_cover_cuts_both_sides_evenly() -> None:
    picture = _left_red_right_blue()
    squashed = Preprocessing(height=40, width=40)(picture)
    assert squashed[20, [2, 15, 25, 37]].tolist() == [
        *([0, 255, 0], [255, 0, 0], [0, 0, 255], [255, 255, 255])
    ]
    covered = Preprocessing(height=40, width=40, resize="cover")(picture)
    assert covered[20, [2, 37]].tolist() == [[255, 0, 0], [0, 0, 255]]


@pytest.mark.parametrize("size", [(200, 100), (100, 200), (97, 61), (50, 50)])
def test_the_seen_region_is_what_cover_keeps(size: tuple[int, int]) -> None:
    model = Preprocessing(height=40, width=48, resize="cover")
    picture = photo("rocket", size)
    width, height = size
    left, top, right, bottom = model.seen_region(size)
    box = (left * width, top * height, right * width, bottom * height)
    cut = picture.resize((48, 40), Image.Resampling.BICUBIC, box=box)
    assert np.abs(model(picture).astype(int) - np.asarray(cut)).max() <= 1


def test_squash_sees_everything() -> None:
    assert Preprocessing(height=4, width=9).seen_region((123, 45)) == (0.0, 0.0, 1.0, 1.0)


def test_boxes_first_is_the_plain_filter_within_rounding(examples: Path) -> None:
    picture = decode((examples / "china.jpg").read_bytes()).image
    fast = Preprocessing(height=64, width=64)(picture).astype(int)
    plain = np.asarray(picture.resize((64, 64), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(fast - plain).mean() < 1.5


@pytest.mark.parametrize(
    ("scale", "expected"),
    [(2.0, (60, 40)), (0.0, None), (1.0, (30, 20)), (0.01, (1, 1)), (1.51, (46, 31))],
)
def test_the_size_a_scaled_decode_must_not_fall_below(
    scale: float, expected: tuple[int, int] | None
) -> None:
    assert Preprocessing(height=20, width=30, jpeg_min_scale=scale).decode_size == expected


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "china", "coffee", "flower", "rocket"])
def test_scaled_decoding_shows_the_model_the_same_picture(name: str, examples: Path) -> None:
    model = Preprocessing(height=64, width=64)
    data = (examples / f"{name}.jpg").read_bytes()
    scaled, full = decode(data, min_size=model.decode_size), decode(data)
    assert scaled.image.width < full.image.width
    assert np.abs(model(scaled.image).astype(int) - model(full.image)).mean() < 2.5


@pytest.mark.parametrize(
    "fields",
    [
        {"height": 0},
        {"width": 5000},
        {"resize": "crop"},
        {"filter": "nearest"},
        {"jpeg_min_scale": -1},
        {"jpeg_min_scale": float("nan")},
        {"mean": [0.5]},
    ],
)
def test_what_no_model_can_mean_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Preprocessing.model_validate({"height": 20, "width": 30, **fields})


def test_it_survives_a_round_trip_and_cannot_change() -> None:
    model = Preprocessing(height=20, width=30, resize="cover", filter="lanczos")
    assert Preprocessing.model_validate_json(model.model_dump_json()) == model
    with pytest.raises(ValidationError):
        model.height = 10  # type: ignore[misc]
