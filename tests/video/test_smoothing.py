"""Smoothing over time, held against a kernel written out."""

import numpy as np
import pytest

from evoca.video.smoothing import smooth_distributions, smooth_values


def test_values_are_the_kernel_mean_of_their_shot():
    draw = np.random.default_rng(3)
    times = np.sort(draw.uniform(0, 20, 60))
    shots = (times > 7).astype(int) + (times > 12)
    values = draw.normal(size=(60, 2))
    weights = np.exp(-((times[:, None] - times) ** 2) / 2 / 0.8**2) * (shots[:, None] == shots)
    expected = weights @ values / weights.sum(axis=1, keepdims=True)
    assert smooth_values(values, times, shots, 0.8) == pytest.approx(expected, abs=2e-3)


def test_distributions_stay_distributions_and_do_not_bleed_over_cuts():
    shares = np.array([[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 4)
    times, shots = np.arange(8.0), np.repeat([0, 1], 4)
    smoothed = smooth_distributions(shares, times, shots, 3.0)
    assert smoothed == pytest.approx(shares, abs=1e-8)
    together = smooth_distributions(shares, times, np.zeros(8, int), 3.0)
    assert together.sum(axis=1) == pytest.approx(1.0)
    assert together[3, 1] > 0.01


def test_no_seconds_leave_all_as_it_is():
    shares = np.array([[0.2, 0.8], [0.8, 0.2]])
    assert smooth_distributions(shares, np.arange(2.0), np.zeros(2, int), 0.0) is shares
