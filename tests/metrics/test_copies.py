"""Figures of images that come in near copies: the band of chance, and the exact paired test."""

import numpy as np
import pytest

from evoca.metrics.calibration_check import check_calibration
from evoca.metrics.reliability import reliability
from evoca.metrics.significance import mcnemar

SEEDS = 100
GROUPS, COPIES = 40, 4


def calibrated(seed, copies=COPIES):
    """Predictions whose probabilities are true, of groups of near copies with one label."""
    random = np.random.default_rng(seed)
    own = random.dirichlet(np.full(8, 0.5), GROUPS * COPIES // copies)
    truth = np.array([random.choice(8, p=p) for p in own])
    near = np.repeat(own, copies, axis=0) * random.uniform(0.98, 1.02, (GROUPS * COPIES, 8))
    groups = np.repeat(np.arange(len(own)), copies)
    return near / near.sum(axis=1, keepdims=True), np.repeat(truth, copies), groups


def verdict(p, truth, groups):
    fold = np.zeros((1, len(truth)), dtype=np.int64)
    return check_calibration(p[None], truth, fold, 1.0, groups, draws=200).verdict


@pytest.mark.parametrize("copies", [1, COPIES])
def test_true_probabilities_are_called_untrue_as_often_as_the_band_says(copies, monkeypatch):
    # Calibrators are not looked at here, and take most of the time.
    monkeypatch.setattr("evoca.metrics.calibration_check.ENOUGH_ROWS", 10_000)
    wrong = sum(verdict(*calibrated(seed, copies)) != "within" for seed in range(SEEDS))
    # 5 of 100 expected; more than 11 or fewer than 1 come about once in 200 such tests.
    assert 1 <= wrong <= 11


def test_the_reliability_band_is_as_wide_as_the_copies_make_it():
    p, truth, groups = calibrated(0)
    alone, together = reliability(p, truth), reliability(p, truth, groups=groups)
    assert (together.high - together.low).mean() > 1.4 * (alone.high - alone.low).mean()


def test_the_exact_test_holds_its_level_where_images_come_in_copies():
    rejected, independent = 0, 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        first, second = (np.repeat(random.random(50) < 0.5, 4) for _ in range(2))
        rejected += mcnemar(first, second, np.repeat(np.arange(50), 4)) <= 0.05
        independent += mcnemar(first, second) <= 0.05
    assert rejected <= 0.06 * 400
    assert independent > 0.2 * 400  # what it says where copies count as rows of their own


def test_the_exact_test_of_groups_counts_each_group_once():
    first = [True, True, True, False, True, False]
    second = [False, False, False, True, False, False]
    assert mcnemar(first, second, ["a", "a", "a", "b", "c", ""]) == mcnemar(
        [True, False, True], [False, True, False]
    )
