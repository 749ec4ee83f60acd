"""The deletion test's masks and pictures, worked out by hand."""

import numpy as np
import pytest

from evoca.metrics.deletion import deletion_masks, relative_area, remove_cells


def test_cells_go_in_equal_portions_the_most_important_first():
    masks = deletion_masks(np.array([[0.0, 3.0], [1.0, 2.0]]), steps=4)
    assert masks.astype(int).tolist() == [[[0, 1], [0, 0]], [[0, 1], [0, 1]], [[0, 1], [1, 1]]]


@pytest.mark.parametrize(
    ("side", "cells", "gone"),
    [(8, 2, [0, 1, 2, 3]), (7, 2, [0, 1, 2, 3]), (7, 3, [0, 1, 2]), (3, 3, [0])],
)
def test_a_cell_is_its_share_of_the_picture_whatever_its_side(side, cells, gone):
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[-1, -1] = 255
    mask = np.zeros((cells, cells), bool)
    mask[0, 0] = True
    found = remove_cells(pixels, mask)
    mean = round(255 / side**2)
    rows, columns = np.nonzero(found[..., 0] == mean)
    assert (sorted(set(rows)), sorted(set(columns))) == (gone, gone)
    assert (found[-1, -1] == 255).all()


def test_the_area_is_relative_to_the_untouched_picture():
    assert relative_area(0.5, np.array([0.5, 0.25, 0.0])) == pytest.approx(0.5)
