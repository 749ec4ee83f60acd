"""The reliability diagram, against its own definition."""

import numpy as np
import pytest

from evoca.metrics.functional import ece
from evoca.metrics.reliability import reliability


def simulated(n, seed, sharpen=1.0):
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(4, 0.7), n)
    truth = np.array([random.choice(4, p=row) for row in p])
    sharp = p**sharpen
    return sharp / sharp.sum(axis=1, keepdims=True), truth


@pytest.mark.parametrize("decimals", [12, 1], ids=["no ties", "many ties"])
def test_the_gap_of_the_curves_is_the_calibration_error(decimals):
    p, truth = simulated(317, 0)
    p = p.round(decimals) + 1e-9
    p /= p.sum(axis=1, keepdims=True)
    curve = reliability(p, truth, draws=10)
    gap = (curve.rows * np.abs(curve.accuracy - curve.confidence)).sum() / curve.rows.sum()
    assert gap == pytest.approx(ece(p.max(axis=1), p.argmax(axis=1) == truth))


def test_the_band_holds_a_perfect_model_and_not_an_overconfident_one():
    outside = {}
    for sharpen in (1.0, 2.5):
        curves = [reliability(*simulated(600, seed, sharpen), draws=200) for seed in range(20)]
        missed = [(c.accuracy < c.low) | (c.accuracy > c.high) for c in curves]
        outside[sharpen] = np.mean(missed)
    assert outside[1.0] < 0.1
    assert outside[2.5] > 0.4


def test_repeats_are_averaged():
    (first, truth), (second, _) = simulated(60, 1), simulated(60, 2)
    both = reliability(np.stack([first, second]), truth)
    alone = [reliability(p, truth) for p in (first, second)]
    for name in ("confidence", "accuracy", "low", "high", "rows"):
        assert getattr(both, name) == pytest.approx(
            np.mean([getattr(one, name) for one in alone], axis=0)
        )


def test_fewer_rows_than_bins():
    p, truth = simulated(3, 0)
    assert len(reliability(p, truth).rows) == 3
