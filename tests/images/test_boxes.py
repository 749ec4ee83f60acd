"""Boxes: areas, what they hide, and where else they fit."""

import numpy as np
import pytest
from PIL import Image

from evoca.images.boxes import Box, boxes_elsewhere, covered_share, hide


@pytest.mark.parametrize(
    ("corners", "box"),
    [
        ((10, 10, 50, 20), Box(0.1, 0.2, 0.5, 0.4)),
        ((-10, -10, 110, 60), Box(0.0, 0.0, 1.0, 1.0)),
        ((-20, 0, 0, 10), None),
        ((100, 0, 120, 10), None),
    ],
)
def test_pixels_become_fractions_within_the_picture(corners, box):
    assert Box.of_pixels(corners, (100, 50)) == box


@pytest.mark.parametrize(
    ("boxes", "share"),
    [
        ([], 0.0),
        ([Box(0, 0, 1, 1)], 1.0),
        ([Box(0, 0, 0.5, 0.5), Box(0.5, 0.5, 1, 1)], 0.5),
        ([Box(0, 0, 0.5, 1), Box(0, 0, 0.5, 1)], 0.5),
        ([Box(0, 0, 0.6, 0.6), Box(0.4, 0.4, 1, 1)], 0.68),
    ],
)
def test_area_in_several_boxes_counts_once(boxes, share):
    assert covered_share(boxes) == pytest.approx(share)


def test_hidden_boxes_have_the_mean_colour_and_the_rest_is_untouched():
    values = np.random.default_rng(0).integers(256, size=(40, 60, 3), dtype=np.uint8)
    hidden = np.asarray(hide(Image.fromarray(values), [Box(0.5, 0.0, 1.0, 0.5)]))
    assert (hidden[:20, 30:] == values.reshape(-1, 3).mean(axis=0).round()).all()
    assert (hidden[20:] == values[20:]).all()
    assert (hidden[:, :30] == values[:, :30]).all()


@pytest.mark.parametrize(
    "boxes",
    [
        [Box(0.4, 0.4, 0.6, 0.6)],
        [Box(0.0, 0.0, 0.2, 0.3), Box(0.7, 0.7, 1.0, 1.0)],
        [Box(0.1, 0.1, 0.3, 0.3), Box(0.2, 0.2, 0.4, 0.4)],
    ],
)
def test_boxes_elsewhere_are_as_large_free_and_inside(boxes):
    found = boxes_elsewhere(boxes, clear_of=boxes)
    assert found is not None
    for i, (box, other) in enumerate(zip(boxes, found, strict=True)):
        assert other.right - other.left == pytest.approx(box.right - box.left)
        assert other.bottom - other.top == pytest.approx(box.bottom - box.top)
        assert min(other.left, other.top) >= 0
        assert max(other.right, other.bottom) <= 1 + 1e-12
        assert not any(other.meets(taken) for taken in (*boxes, *found[:i]))


def test_boxes_elsewhere_lie_as_far_from_the_middle_where_they_can():
    box = Box(0.0, 0.4, 0.2, 0.6)
    (other,) = boxes_elsewhere([box], clear_of=[box])
    assert other.eccentricity() == pytest.approx(box.eccentricity(), abs=0.02)


def test_a_box_that_leaves_no_room_has_none_elsewhere():
    assert boxes_elsewhere([Box(0.1, 0.1, 0.9, 0.9)], clear_of=[Box(0.1, 0.1, 0.9, 0.9)]) is None
