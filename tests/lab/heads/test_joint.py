"""The head that learns from several sources, against scikit-learn and plain NumPy."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")
from sklearn.linear_model import LogisticRegression, Ridge

from evoca.lab.heads.joint import (
    AffectHead,
    JointHead,
    Lesson,
    directions_of,
    fit_affect,
    fit_group_temperature,
    fit_joint,
    group_nll,
)
from evoca.lab.heads.linear import LinearHead
from evoca.metrics.calibration import fit_temperature
from evoca.softmax import softmax

K = 4
SINGLE = np.eye(K)
WITH_SUM = np.vstack([SINGLE, [1, 1, 0, 0]])


def blobs(n=300, d=20, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % K
    features = rng.normal(size=(n, d))
    features[:, :K] += 2 * np.eye(K)[truth]
    return features.astype(np.float32), truth


def lesson(features, shares, matrix=SINGLE, source=None):
    source = np.zeros(len(features), dtype=np.int64) if source is None else source
    return Lesson(features, shares, matrix, source)


def test_with_single_labels_it_is_logistic_regression():
    features, truth = blobs()
    head = fit_joint(lesson(features, np.eye(K)[truth]), [1.0], [0.05])[0]
    reference = LogisticRegression(C=0.05, max_iter=5000, tol=1e-8).fit(features, truth)
    np.testing.assert_allclose(
        softmax(head.logits(features)), reference.predict_proba(features), atol=2e-3
    )


def test_a_sum_teaches_the_sum_and_not_which():
    features, truth = blobs(600)
    rng = np.random.default_rng(1)
    labelled = np.arange(600) < 40
    shares = np.zeros((600, 5))
    shares[labelled, truth[labelled]] = 1
    coarse = ~labelled & (truth < 2)
    shares[coarse, 4] = 1
    fine = ~labelled & (truth >= 2)
    shares[fine, truth[fine]] = 1
    source = np.where(labelled, 0, 1)
    both = fit_joint(lesson(features, shares, WITH_SUM, source), [1.0, 1.0], [0.3])[0]
    alone = fit_joint(lesson(features, shares, WITH_SUM, source), [1.0, 0.0], [0.3])[0]
    test_features, test_truth = blobs(600, seed=2)
    del rng

    def pairs(head):
        p = softmax(head.logits(test_features))
        return np.stack([p[:, :2].sum(axis=1), p[:, 2], p[:, 3]], axis=1).argmax(axis=1)

    wanted = np.maximum(test_truth - 1, 0)
    assert (pairs(both) == wanted).mean() > (pairs(alone) == wanted).mean() + 0.02


def test_the_gradient_is_that_of_the_loss():
    from scipy.optimize import check_grad

    from evoca.lab.heads.joint import _Problem

    features, _ = blobs(30, 5)
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(5), 30) * rng.uniform(0.1, 1, (30, 1))
    problem = _Problem(features.astype(np.float64), shares, WITH_SUM, rng.normal(size=(30, K)))
    layer = rng.normal(size=K * 6)
    error = check_grad(
        lambda x: problem.loss(x, 0.7)[0], lambda x: problem.loss(x, 0.7)[1], layer, epsilon=1e-5
    )
    assert error < 1e-2  # float32 products


def test_a_source_of_other_frequencies_does_not_move_the_prediction():
    features, truth = blobs(2000)
    shares = np.eye(K)[truth]
    rare = (truth == 3) & (np.arange(2000) >= 1000) & (np.arange(2000) % 8 != 3)
    keep = ~rare
    source = (np.arange(2000) >= 1000).astype(np.int64)
    skewed = lesson(features[keep], shares[keep], SINGLE, source[keep])
    head = fit_joint(skewed, [1.0, 1.0], [1.0])[0]
    tests, wanted = blobs(4000, seed=5)
    p = softmax(head.logits(tests))
    assert p.mean(axis=0) == pytest.approx(np.full(K, 0.25), abs=0.02)
    assert (p.argmax(axis=1) == wanted).mean() > 0.7


def test_valence_and_arousal_are_a_ridge_regression_of_what_is_known():
    features, _ = blobs()
    rng = np.random.default_rng(0)
    ratings = features[:, :2].astype(np.float64) + 5 + rng.normal(size=(300, 2))
    ratings[::3, 1] = np.nan
    head = fit_affect(features, ratings, [10.0], (1, 9))[0]
    for i in range(2):
        known = np.isfinite(ratings[:, i])
        reference = Ridge(alpha=10.0).fit(features[known], ratings[known, i])
        found = features @ head.weight[i] + head.bias[i]
        np.testing.assert_allclose(found, reference.predict(features), atol=1e-4)
    assert head(features * 100).max() == 9


def test_a_head_in_principal_directions_is_one_on_the_features():
    features, truth = blobs(200, 300)
    directions = directions_of(features)
    rows = directions(features)
    assert (rows**2).sum(axis=1).mean() == pytest.approx(100, rel=1e-3)
    emotions = fit_joint(lesson(rows, np.eye(K)[truth]), [1.0], [0.05])[0]
    affect = fit_affect(rows, features[:, :2].astype(np.float64), [10.0], (1, 9))[0]
    whole = directions.unfolded(JointHead(emotions, affect))
    np.testing.assert_allclose(whole.logits(features), emotions.logits(rows), atol=1e-3)
    np.testing.assert_allclose(whole.affect(features), affect(rows), atol=1e-3)


def test_the_temperature_is_that_of_single_labels():
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(size=(400, K)) * 3, rng.integers(0, K, 400)
    logits[np.arange(400), truth] += 2
    found = fit_group_temperature(logits, np.eye(K)[truth], SINGLE)
    assert found == pytest.approx(fit_temperature(logits, truth), rel=1e-2)
    sums = group_nll(softmax(logits), np.tile([0, 0, 0, 0, 0.5], (400, 1)), WITH_SUM)
    np.testing.assert_allclose(sums, -np.log(softmax(logits)[:, :2].sum(axis=1)))


@pytest.mark.parametrize("rated", [True, False])
def test_a_head_is_read_back_from_its_arrays(rated):
    rng = np.random.default_rng(0)
    layer = LinearHead(rng.normal(size=(K, 5)), rng.normal(size=K), 0.1)
    affect = AffectHead(rng.normal(size=(2, 5)), rng.normal(size=2), (1.0, 9.0))
    head = JointHead(layer, affect if rated else None)
    found = JointHead.of_arrays(head.arrays())
    features = rng.normal(size=(3, 5)).astype(np.float32)
    np.testing.assert_array_equal(found.logits(features), head.logits(features))
    assert (found.affect is None) == (not rated)
