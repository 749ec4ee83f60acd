"""Prediction sets: thresholds worked out by hand, and the coverage that theory promises."""

from __future__ import annotations

import numpy as np
import pytest

from evoca.errors import DataError
from evoca.metrics.calibration import softmax
from evoca.metrics.conformal import (
    coverage_and_size,
    held_out_coverage,
    label_thresholds,
    prediction_sets,
    set_threshold,
)


def rows_with(own):
    """Two labels; the true one is 0 and has these probabilities."""
    own = np.array(own)
    return np.stack([own, 1 - own], axis=1), np.zeros(len(own), dtype=int)


NINE = np.arange(1, 10) / 10


@pytest.mark.parametrize(
    ("own", "coverage", "threshold"),
    [
        # ceil(10 x 0.9) = 9th largest of nine, ceil(10 x 0.85) too, ceil(10 x 0.5) = 5th.
        (NINE, 0.9, 0.1),
        (NINE, 0.85, 0.1),
        (NINE, 0.5, 0.5),
        (NINE, 0.1, 0.9),
        # ceil(10 x 0.91) = 10: nine rows cannot promise it, so sets hold everything.
        (NINE, 0.91, 0.0),
        ([0.7], 0.5, 0.7),
    ],
)
def test_threshold_by_hand(own, coverage, threshold):
    assert set_threshold(*rows_with(own), coverage) == pytest.approx(threshold)


def made_up(n, seed=0):
    """A weak model, worse for the later labels."""
    random = np.random.default_rng(seed)
    truth = random.integers(5, size=n)
    logits = random.normal(size=(n, 5)) + (2 - 0.4 * truth)[:, None] * np.eye(5)[truth]
    return softmax(logits), truth


def test_coverage_on_new_rows_is_what_theory_promises():
    # Over calibration sets of 99, coverage 0.9 gives 90 / 100 in expectation, exactly.
    p, truth = made_up(40_000)
    found = []
    for block in range(200):
        rows = slice(200 * block, 200 * block + 99)
        new = slice(200 * block + 99, 200 * block + 200)
        threshold = set_threshold(p[rows], truth[rows], 0.9)
        found.append((p[new][np.arange(101), truth[new]] >= threshold).mean())
    assert np.mean(found) == pytest.approx(0.9, abs=0.008)


def test_one_threshold_a_label_covers_every_label():
    p, truth = made_up(20_000)
    new, seen = slice(0, 10_000), slice(10_000, None)
    plain = prediction_sets(p[new], set_threshold(p[seen], truth[seen], 0.9))
    fair = prediction_sets(p[new], label_thresholds(p[seen], truth[seen], 0.9))
    marginal = coverage_and_size(plain, truth[new])
    by_label = coverage_and_size(fair, truth[new])
    assert marginal.coverage == pytest.approx(0.9, abs=0.01)
    assert marginal.coverage_by_label.min() < 0.87
    assert by_label.coverage_by_label == pytest.approx(np.full(5, 0.9), abs=0.025)


def test_label_with_too_few_rows_is_in_every_set():
    p, truth = made_up(300)
    truth = np.where(truth == 4, 3, truth)
    thresholds = label_thresholds(p, truth, 0.9)
    assert thresholds[4] == 0
    assert (thresholds[:4] > 0).all()
    assert prediction_sets(p, thresholds)[:, 4].all()


def test_sets_always_hold_the_top_label():
    sets = prediction_sets(np.array([[0.5, 0.3, 0.2], [0.2, 0.1, 0.7]]), 0.9)
    np.testing.assert_array_equal(sets, [[True, False, False], [False, False, True]])
    sets = prediction_sets(np.array([[0.5, 0.3, 0.2]]), np.array([0.6, 0.4, 0.2]))
    np.testing.assert_array_equal(sets, [[True, False, True]])


def test_quality_by_hand():
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 1]], dtype=bool)
    found = coverage_and_size(sets, np.array([0, 0, 0, 1]))
    assert found.coverage == pytest.approx(3 / 4)
    assert found.size == pytest.approx(2)
    np.testing.assert_allclose(found.coverage_by_label, [2 / 3, 1, np.nan])
    np.testing.assert_allclose(found.share_by_size, [1 / 4, 2 / 4, 1 / 4])


@pytest.mark.parametrize("threshold", [set_threshold, label_thresholds])
def test_held_out_folds_reach_the_coverage(threshold):
    p, truth = made_up(4000, seed=2)
    fold = np.random.default_rng(0).integers(5, size=4000)
    found = held_out_coverage(p, truth, fold, 0.9, threshold)
    assert found.coverage == pytest.approx(0.9, abs=0.015)


@pytest.mark.parametrize("coverage", [0.0, 1.0, 1.5, -0.1])
def test_coverage_must_be_between_0_and_1(coverage):
    with pytest.raises(DataError, match="not between 0 and 1"):
        set_threshold(*rows_with([0.5, 0.6]), coverage)


@pytest.mark.parametrize(
    ("probabilities", "truth", "message"),
    [
        (np.zeros((0, 2)), [], "shape"),
        ([[0.5, 0.5], [0.5, 0.6]], [0, 0], "row 1: probabilities: does not sum to 1"),
        ([[0.5, 0.5], [np.nan, 0.5]], [0, 0], "row 1: probabilities: not a finite"),
        ([[0.5, 0.5]], [2], r"row 0: true label outside 0\.\.1"),
        ([[0.5, 0.5], [0.4, 0.6]], [0, -1], "true label in every row"),
    ],
)
def test_bad_input_is_named(probabilities, truth, message):
    with pytest.raises(DataError, match=message):
        set_threshold(np.array(probabilities), np.array(truth, dtype=int), 0.9)


def test_one_fold_is_too_few():
    with pytest.raises(DataError, match="two folds"):
        held_out_coverage(*rows_with([0.5, 0.6]), np.zeros(2), 0.5)
