"""Changes of pictures: what they keep, and what they do."""

import numpy as np
import pytest
from PIL import Image

from evoca.images.perturb import (
    PERTURBATIONS,
    blur,
    centre_crop,
    greyscale,
    jpeg,
    perturbations_for,
    resize_with,
    rotate,
)
from evoca.images.preprocess import Preprocessing
from samples import mean_difference, photo

MODEL = Preprocessing(height=32, width=48)


def test_names_are_unique():
    names = [one.name for one in perturbations_for(MODEL)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("size", [(96, 64), (1, 1), (1, 50), (3, 2)])
@pytest.mark.parametrize("change", perturbations_for(MODEL), ids=lambda change: change.name)
def test_every_change_takes_every_picture_and_leaves_it_alone(change, size):
    picture = photo(size=size)
    before = picture.tobytes()
    changed = change.apply(picture)
    assert changed.mode == "RGB"
    assert min(changed.size) >= 1
    assert picture.tobytes() == before


@pytest.mark.parametrize("change", PERTURBATIONS, ids=lambda change: change.name)
def test_every_change_changes_a_photograph(change):
    picture = photo()
    assert change.apply(picture).tobytes() != picture.tobytes()


@pytest.mark.parametrize(
    ("gentle", "harsh"),
    [
        (lambda p: jpeg(p, 90), lambda p: jpeg(p, 10)),
        (lambda p: blur(p, 0.005), lambda p: blur(p, 0.04)),
        (lambda p: rotate(p, 5), lambda p: rotate(p, 15)),
    ],
    ids=["jpeg", "blur", "rotate"],
)
def test_more_changes_more(gentle, harsh):
    picture = photo()
    assert mean_difference(picture, gentle(picture)) < mean_difference(picture, harsh(picture))


def test_blur_is_relative_to_the_size():
    small, large = photo(size=(96, 64)), photo(size=(960, 640))
    shrunk = blur(large, 0.02).resize(small.size, Image.Resampling.BOX)
    assert mean_difference(blur(small, 0.02), shrunk) < 2


@pytest.mark.parametrize(("area", "size"), [(0.5, (71, 71)), (0.9, (95, 95)), (1.0, (100, 100))])
def test_a_crop_keeps_the_area_it_says_around_the_middle(area, size):
    values = np.zeros((100, 100, 3), np.uint8)
    values[50, 50] = 255
    cropped = np.asarray(centre_crop(Image.fromarray(values), area))
    assert cropped.shape[:2] == size
    (where,) = np.argwhere(cropped[..., 0])
    assert np.abs(where - (size[0] - 1) / 2).max() <= 1


def test_greyscale_has_no_colour():
    values = np.asarray(greyscale(photo()))
    assert (values == values[..., :1]).all()


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_quarter_turns_lose_nothing(degrees):
    picture = photo()
    back = rotate(rotate(picture, degrees), 360 - degrees)
    assert back.tobytes() == picture.tobytes()


@pytest.mark.parametrize("degrees", [-15, 15])
def test_small_turns_keep_size_and_middle_and_have_no_blank_corner(degrees):
    turned = np.asarray(rotate(Image.new("RGB", (60, 40), (200, 90, 30)), degrees))
    assert turned.shape == (40, 60, 3)
    assert (turned == (200, 90, 30)).all()


def test_a_small_turn_goes_counterclockwise():
    values = np.zeros((101, 101, 3), np.uint8)
    values[50, 70:90] = 255  # a bar to the right of the middle
    rows = np.argwhere(np.asarray(rotate(Image.fromarray(values), 15))[..., 0] > 128)[:, 0]
    assert rows.max() < 50


@pytest.mark.parametrize("resize", ["squash", "cover"])
def test_the_models_own_filter_is_what_the_model_does(resize):
    model = MODEL.model_copy(update={"resize": resize})
    picture = photo(size=(300, 200))
    done = resize_with(picture, model, Image.Resampling.BICUBIC)
    assert (model(done) == model(picture)).all()
    nearest = resize_with(picture, model, Image.Resampling.NEAREST)
    assert (model(nearest) != model(picture)).any()
