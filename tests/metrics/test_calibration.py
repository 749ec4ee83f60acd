"""Calibrators against SciPy's optimum, and the band against a perfectly calibrated model."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from evoca.errors import DataError, MissingExtraError
from evoca.metrics import functional as metrics
from evoca.metrics.calibration import (
    Isotonic,
    Temperature,
    VectorScaling,
    cross_calibrate,
    fit_isotonic,
    fit_temperature,
    fit_vector_scaling,
)
from evoca.metrics.calibration_error import perfect_calibration_band
from evoca.softmax import softmax

optimize = pytest.importorskip("scipy.optimize")
special = pytest.importorskip("scipy.special")


@pytest.fixture(scope="module")
def overconfident():
    """Logits three times too large, and labels drawn from the honest distribution."""
    random = np.random.default_rng(7)
    honest = 1.2 * random.normal(size=(3000, 8))
    truth = np.array([random.choice(8, p=p) for p in softmax(honest)])
    return 3 * honest, truth


def mean_nll(probabilities, truth):
    return metrics.nll(truth, probabilities).mean()


def test_softmax_is_scipys_and_survives_large_logits():
    logits = np.array([[1000.0, 999.0, -1000.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(softmax(logits), special.softmax(logits, axis=1))


def test_temperature_is_the_optimum_and_recovers_the_truth(overconfident):
    logits, truth = overconfident
    found = optimize.minimize_scalar(
        lambda t: mean_nll(special.softmax(logits / t, axis=1), truth),
        bounds=(0.01, 100),
        method="bounded",
        options={"xatol": 1e-8},
    )
    temperature = fit_temperature(logits, truth)
    assert temperature == pytest.approx(found.x, rel=1e-4)
    assert temperature == pytest.approx(3, rel=0.1)
    assert fit_temperature(logits, np.eye(logits.shape[1])[truth]) == pytest.approx(temperature)
    shares = special.softmax(logits / 2, axis=1)
    assert fit_temperature(logits, shares) == pytest.approx(2, rel=1e-6)


@pytest.mark.parametrize(
    ("logits", "truth", "temperature"),
    [
        ([[5.0, 0.0], [0.0, 5.0]], [0, 1], 0.01),
        ([[5.0, 0.0], [0.0, 5.0]], [1, 0], 100.0),
        ([[2.0, 2.0], [7.0, 7.0]], [0, 1], 1.0),
    ],
)
def test_temperature_without_an_optimum_inside_stays_bounded(logits, truth, temperature):
    assert fit_temperature(np.array(logits), np.array(truth)) == pytest.approx(temperature)


def test_vector_scaling_is_the_optimum(overconfident):
    logits, truth = overconfident
    logits, truth, strength = logits[:600] - np.arange(8) / 4, truth[:600], 1e-3

    def loss(parameters):
        scale, bias = np.split(parameters, 2)
        penalty = ((scale - 1) ** 2).sum() + (bias**2).sum()
        return mean_nll(special.softmax(scale * logits + bias, axis=1), truth) + strength * penalty

    found = optimize.minimize(loss, np.r_[np.ones(8), np.zeros(8)], options={"gtol": 1e-7})
    fitted = fit_vector_scaling(logits, truth, strength)
    np.testing.assert_allclose(np.r_[fitted.scale, fitted.bias], found.x, atol=1e-4)


def test_vector_scaling_survives_labels_that_a_line_separates():
    logits = 40 * np.eye(3)[[0, 1, 2, 0]]
    fitted = fit_vector_scaling(logits, np.array([0, 1, 2, 0]))
    assert np.isfinite(np.r_[fitted.scale, fitted.bias]).all()


def test_isotonic_curves_are_scikit_learns(overconfident):
    pytest.importorskip("sklearn")
    from sklearn.isotonic import isotonic_regression

    logits, truth = overconfident
    fitted = fit_isotonic(logits, truth)
    column = softmax(logits)[:, 3]
    order = np.argsort(column)
    floor = 1 / (len(truth) + 2)
    expected = isotonic_regression((truth == 3)[order].astype(float), y_min=floor, y_max=1 - floor)
    np.testing.assert_allclose(np.interp(column[order], *fitted.curves[3]), expected, atol=1e-9)


def fit_temperature_scaling(logits, truth):
    return Temperature(fit_temperature(logits, truth))


@pytest.mark.parametrize(
    ("fit", "kind"),
    [
        (fit_temperature_scaling, Temperature),
        (fit_vector_scaling, VectorScaling),
        (fit_isotonic, Isotonic),
    ],
)
def test_calibration_helps_on_rows_that_were_held_out(overconfident, fit, kind):
    pytest.importorskip("sklearn")
    logits, truth = overconfident
    assert isinstance(fit(logits, truth), kind)
    fold = np.arange(len(truth)) % 5
    calibrated = cross_calibrate(logits, truth, fold, fit)
    raw = softmax(logits)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    assert mean_nll(calibrated, truth) < mean_nll(raw, truth) - 0.3
    assert metrics.brier(truth, calibrated).mean() < metrics.brier(truth, raw).mean() - 0.05
    confidence = calibrated.max(axis=1)
    error = metrics.ece(confidence, calibrated.argmax(axis=1) == truth)
    assert error < 0.04 < metrics.ece(raw.max(axis=1), raw.argmax(axis=1) == truth)


def test_a_fold_is_calibrated_without_its_own_labels(overconfident):
    logits, truth = overconfident
    logits, truth = logits[:200], truth[:200]
    fold = np.arange(200) % 4
    changed = np.where(fold == 2, (truth + 1) % 8, truth)
    one = cross_calibrate(logits, truth, fold, fit_vector_scaling)
    other = cross_calibrate(logits, changed, fold, fit_vector_scaling)
    np.testing.assert_array_equal(one[fold == 2], other[fold == 2])
    assert not np.allclose(one[fold == 0], other[fold == 0])


def test_band_holds_the_error_of_a_perfectly_calibrated_model():
    random = np.random.default_rng(11)
    confidence = random.uniform(0.2, 0.9, 600)
    band = perfect_calibration_band(confidence, draws=400)
    errors = [metrics.ece(confidence, random.random(600) < confidence) for _ in range(200)]
    inside = [band.low <= error <= band.high for error in errors]
    assert 0.90 <= np.mean(inside) <= 0.99
    assert band.mean == pytest.approx(np.mean(errors), abs=0.004)
    # Far from 0 although nothing is wrong.
    assert 0.04 < band.mean < 0.055


@pytest.mark.parametrize(
    ("logits", "truth", "message"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "at least one row"),
        (np.zeros((2, 3)), np.zeros(3, int), "shapes"),
        (np.array([[0.0, 1.0], [np.nan, 1.0]]), np.zeros(2, int), "row 1: logits: not a finite"),
        (np.zeros((2, 3)), np.array([0, 3]), r"row 1: true label outside 0\.\.2"),
    ],
)
@pytest.mark.parametrize("fit", [fit_temperature, fit_vector_scaling, fit_isotonic])
def test_bad_input_is_named(fit, logits, truth, message):
    with pytest.raises(DataError, match=message):
        fit(logits, truth)


def test_one_fold_is_too_few():
    with pytest.raises(DataError, match="two folds"):
        cross_calibrate(np.eye(3), np.arange(3), np.zeros(3), fit_temperature_scaling)


def test_isotonic_without_scikit_learn_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.isotonic", None)
    with pytest.raises(MissingExtraError, match=r"pip install '.*\[eval\]'"):
        fit_isotonic(np.eye(2), np.arange(2))
