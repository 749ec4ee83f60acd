"""Calibration judged against chance and beside other calibrators, on made-up models."""

import numpy as np
import pytest

from evoca.metrics.calibration import Temperature, cross_calibrate, fit_temperature
from evoca.metrics.calibration_check import check_calibration, group_folds
from evoca.metrics.calibration_error import perfect_calibration_band
from evoca.metrics.functional import brier, nll

N, K = 1200, 5


def softmax(logits):
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True)


def true_logits(seed=0):
    """Logits whose softmax is the true distribution, and labels drawn from it."""
    random = np.random.default_rng(seed)
    logits = 1.5 * random.normal(size=(N, K))
    truth = (random.random((N, 1)) > softmax(logits).cumsum(axis=1)).sum(axis=1)
    return logits, np.minimum(truth, K - 1)


FOLD = group_folds(np.arange(N))[None]


@pytest.mark.parametrize(("heat", "verdict"), [(1.0, "within"), (0.4, "above"), (3.0, "above")])
def test_the_verdict_tells_true_from_false_probabilities(heat, verdict):
    logits, truth = true_logits()
    found = check_calibration(softmax(logits / heat)[None], truth, FOLD, draws=200)
    assert found.verdict == verdict
    band = perfect_calibration_band(softmax(logits / heat).max(axis=1), draws=200)
    assert (found.band.low, found.band.high) == pytest.approx((band.low, band.high))


def test_the_logits_are_found_again_and_methods_are_held_out():
    logits, truth = true_logits()
    logits *= 2.5  # overconfident
    heat = 1.7
    found = check_calibration(softmax(logits / heat)[None], truth, FOLD, heat, draws=200)
    raw = softmax(logits)
    assert found.methods["none"].nll.value == pytest.approx(nll(truth, raw).mean())
    assert found.methods["none"].brier.value == pytest.approx(brier(truth, raw).mean())
    scaled = cross_calibrate(
        logits, truth, FOLD[0], lambda z, y: Temperature(fit_temperature(z, y))
    )
    change = (nll(truth, scaled) - nll(truth, raw)).mean()
    assert found.methods["temperature"].nll_change.value == pytest.approx(change, abs=1e-6)
    assert found.methods["temperature"].nll_change.ci95[1] < 0
    assert set(found.methods) == {"model", "none", "temperature", "vector", "isotonic"}


def test_nothing_helps_where_nothing_is_wrong():
    logits, truth = true_logits(seed=1)
    found = check_calibration(softmax(logits)[None], truth, FOLD, draws=200)
    for name in ("temperature", "vector", "isotonic"):
        assert found.methods[name].nll_change.ci95[1] > 0


def test_repeats_with_their_own_temperatures_are_averaged():
    logits, truth = true_logits()
    heats = np.array([1.3, 0.8])[:, None] * np.ones((2, N))
    p = np.stack([softmax(logits / heat[:, None]) for heat in heats])
    found = check_calibration(p, truth, np.repeat(FOLD, 2, axis=0), heats, draws=50)
    assert found.methods["none"].nll.value == pytest.approx(nll(truth, softmax(logits)).mean())
    each = [nll(truth, one).mean() for one in p]
    assert found.methods["model"].nll.value == pytest.approx(np.mean(each))


def test_few_rows_are_not_fitted():
    logits, truth = true_logits()
    found = check_calibration(softmax(logits)[None, :99], truth[:99], FOLD[:, :99], draws=50)
    assert found.methods == {}
    assert found.band.low < found.band.high


def test_groups_stay_in_one_fold():
    groups = np.repeat(np.arange(40), 3)
    fold = group_folds(groups)
    assert all(len(set(fold[groups == g])) == 1 for g in range(40))
    assert np.bincount(fold).tolist() == [24] * 5
