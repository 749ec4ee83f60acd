"""Tests of significance against SciPy's, and against chance."""

from __future__ import annotations

import numpy as np
import pytest

from evoca.errors import DataError
from evoca.metrics import evaluate_predictions
from evoca.metrics import functional as metrics
from evoca.metrics.bootstrap import draw_swaps
from evoca.metrics.significance import compare_predictions, holm, mcnemar, permutation_test
from evoca.softmax import softmax

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("shift", [0.0, 0.4, 1.0])
def test_permutation_test_is_scipys(shift):
    random = np.random.default_rng(4)
    first = random.normal(size=12)
    second = first + random.normal(shift, 1, size=12)
    exact = stats.permutation_test(
        (second - first,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert permutation_test(first, second) == pytest.approx(exact.pvalue, abs=0.015)


def test_groups_are_swapped_as_one():
    random = np.random.default_rng(1)
    first, second = random.normal(size=10), random.normal(0.8, 1, size=10)
    once = permutation_test(first, second)
    copies = permutation_test(np.tile(first, 4), np.tile(second, 4), list(range(10)) * 4)
    assert copies == pytest.approx(once)
    assert permutation_test(np.tile(first, 4), np.tile(second, 4)) < once / 2


def test_systems_without_a_difference_are_equal():
    assert permutation_test([1.0, 2.0], [1.0, 2.0]) == 1.0
    with pytest.raises(DataError, match="finite"):
        permutation_test([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(DataError, match="shapes"):
        permutation_test([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 2), (9, 3), (40, 80), (5, 5)])
def test_mcnemar_is_the_binomial_test(only_first, only_second):
    first = np.repeat([True, False, True, False], [only_first, only_second, 7, 5])
    second = np.repeat([False, True, True, False], [only_first, only_second, 7, 5])
    n = only_first + only_second
    expected = stats.binomtest(only_first, n).pvalue if n else 1.0
    assert mcnemar(first, second) == pytest.approx(expected)


def test_mcnemar_of_many_rows_is_finite():
    first = np.arange(6000) % 2 == 0
    assert mcnemar(first, ~first) == pytest.approx(1.0)
    with pytest.raises(DataError, match="shapes"):
        mcnemar([True], [True, False])


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        # The first is what R prints for p.adjust(c(...), "holm").
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),
        ([0.04, 0.001], [0.04, 0.002]),
        ([0.6, 0.5], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm_by_hand(raw, adjusted):
    assert holm(raw) == pytest.approx(adjusted)


def test_holm_refuses_what_is_no_p_value():
    for wrong in ([1.2], [-0.1], [np.nan]):
        with pytest.raises(DataError, match="between 0 and 1"):
            holm(wrong)


LABELS = ["awe", "fear", "anger"]


def systems(n=150, gain=0.8, runs=1):
    """Two systems on the same rows, the second better by ``gain``."""
    random = np.random.default_rng(9)
    truth = random.permutation(np.arange(n) % 3)
    noise = random.normal(size=(2, runs, n, 3))
    first = softmax(noise[0] + 0.6 * np.eye(3)[truth])
    second = softmax(noise[1] + (0.6 + gain) * np.eye(3)[truth])
    return truth, first, second


def test_comparison_agrees_with_the_reports_and_the_plain_test():
    truth, first, second = systems(runs=2)
    groups = np.arange(150) // 2
    found = compare_predictions(truth, first, second, LABELS, groups, draws=400)
    one, other = (evaluate_predictions(truth, p, LABELS, groups, draws=10) for p in (first, second))
    assert set(found) == set(one.figures)
    for name, difference in found.items():
        assert difference.value == pytest.approx(other[name].value - one[name].value)
        assert difference.ci95[0] < difference.value < difference.ci95[1]
    hits = [(p.argmax(axis=-1) == truth).mean(axis=0) for p in (first, second)]
    plain = permutation_test(*hits, groups, draws=4000)
    assert found["accuracy"].p == pytest.approx(plain, abs=0.02)
    assert found["nll"].p < 0.01


def test_paired_interval_is_narrower_than_that_of_unpaired_systems():
    truth, first, _ = systems()
    nearly = 0.95 * first + 0.05 / 3
    found = compare_predictions(truth, first, nearly, LABELS, draws=200)
    one = evaluate_predictions(truth, first, LABELS, draws=200)
    assert np.diff(found["nll"].ci95) < 0.2 * np.diff(one["nll"].ci95)
    assert found["accuracy"].value == 0
    assert found["accuracy"].p == 1


def test_p_value_of_the_calibration_error_is_that_of_swaps_by_hand():
    truth, (first,), (second,) = systems(n=40, gain=0.5)
    groups = np.arange(40) // 2

    def gain(one, other):
        errors = [metrics.ece(p.max(axis=1), p.argmax(axis=1) == truth) for p in (one, other)]
        return errors[1] - errors[0]

    by_chance = []
    for swap in np.concatenate(list(draw_swaps(20, 60, seed=3))):
        swapped = swap[groups, None] == 1
        one, other = np.where(swapped, second, first), np.where(swapped, first, second)
        by_chance.append(abs(gain(one, other)))
    expected = 1 + (np.array(by_chance) >= abs(gain(first, second))).sum()
    found = compare_predictions(truth, first, second, LABELS, groups, draws=60, seed=3)
    assert found["ece"].p == pytest.approx(expected / 61)


def test_no_difference_is_seldom_significant():
    random = np.random.default_rng(3)
    pairs = random.normal(size=(300, 2, 40))
    p_values = [permutation_test(*pair, draws=199, seed=i) for i, pair in enumerate(pairs)]
    assert np.mean(np.array(p_values) <= 0.1) == pytest.approx(0.1, abs=0.04)


def test_comparison_refuses_other_rows():
    truth, first, second = systems()
    with pytest.raises(DataError, match="same rows"):
        compare_predictions(truth, first, second[:, :100], LABELS)
    with pytest.raises(DataError, match="true label in every row"):
        compare_predictions(np.where(truth == 0, -1, truth), first, second, LABELS)
    with pytest.raises(DataError, match="labelled awe"):
        compare_predictions(np.where(truth == 0, 1, truth), first, second, LABELS)
