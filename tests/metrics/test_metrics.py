"""Every figure against an independent implementation, or a table worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoca.emotions import MIKELS8
from evoca.metrics import functional as metrics

sk = pytest.importorskip("sklearn.metrics")
stats = pytest.importorskip("scipy.stats")
special = pytest.importorskip("scipy.special")

LABELS = [str(e) for e in MIKELS8]
N = 400


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(20240607)


@pytest.fixture(scope="module")
def predictions(rng):
    """Labels, probabilities that know something about them, and how often rows count."""
    truth = rng.choice(8, N, p=[0.3, 0.05, 0.1, 0.2, 0.1, 0.1, 0.05, 0.1])
    logits = rng.normal(size=(N, 8)) + 1.5 * np.eye(8)[truth]
    weights = rng.integers(0, 4, N).astype(float)
    return truth, special.softmax(logits, axis=1), weights


@pytest.fixture(scope="module")
def confusion(predictions):
    truth, probabilities, weights = predictions
    return metrics.confusion_matrix(truth, probabilities.argmax(axis=1), 8, weights)


def test_confusion_matrix(predictions, confusion):
    truth, probabilities, weights = predictions
    expected = sk.confusion_matrix(truth, probabilities.argmax(axis=1), sample_weight=weights)
    np.testing.assert_allclose(confusion, expected)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (metrics.accuracy, sk.accuracy_score),
        (metrics.balanced_accuracy, sk.balanced_accuracy_score),
        (metrics.macro_f1, lambda t, p, **kw: sk.f1_score(t, p, average="macro", **kw)),
        (metrics.weighted_f1, lambda t, p, **kw: sk.f1_score(t, p, average="weighted", **kw)),
        (metrics.precision, lambda t, p, **kw: sk.precision_score(t, p, average=None, **kw)),
        (metrics.recall, lambda t, p, **kw: sk.recall_score(t, p, average=None, **kw)),
        (metrics.f1, lambda t, p, **kw: sk.f1_score(t, p, average=None, **kw)),
        (metrics.support, lambda t, p, sample_weight: np.bincount(t, sample_weight)),
    ],
)
def test_figure_of_the_confusion_matrix(predictions, confusion, ours, theirs):
    truth, probabilities, weights = predictions
    expected = theirs(truth, probabilities.argmax(axis=1), sample_weight=weights)
    np.testing.assert_allclose(ours(confusion), expected)
    np.testing.assert_allclose(ours(np.stack([confusion, confusion]))[1], expected)


@pytest.mark.parametrize(
    ("images", "hits", "predicted", "precision", "recall", "f1"),
    [
        (256, 207, 280, 73.9, 80.9, 77.2),
        (57, 9, 18, 50.0, 15.8, 24.0),
        (143, 88, 144, 61.1, 61.5, 61.3),
        (269, 173, 320, 54.1, 64.3, 58.7),
        (94, 54, 83, 65.1, 57.4, 61.0),
        (119, 58, 110, 52.7, 48.7, 50.7),
        (32, 8, 14, 57.1, 25.0, 34.8),
        (129, 64, 130, 49.2, 49.6, 49.4),
    ],
)
def test_published_precision_recall_and_f1(images, hits, predicted, precision, recall, f1):
    # The eight rows that Sreenivas and Zhao (2018) print for VGG19 on FI, as one label
    # against the rest; the counts are those that give the printed precision and recall.
    confusion = np.array([[hits, images - hits], [predicted - hits, 1000.0]])
    printed = np.array([precision, recall, f1])
    ours = [metric(confusion)[0] for metric in (metrics.precision, metrics.recall, metrics.f1)]
    np.testing.assert_allclose(100 * np.array(ours), printed, atol=0.051)


def test_labels_without_support_are_left_out_of_averages():
    confusion = np.array([[3.0, 1.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    assert metrics.balanced_accuracy(confusion) == pytest.approx((0.75 + 1.0) / 2)
    assert metrics.macro_f1(confusion) == pytest.approx((6 / 7 + 0.8) / 2)
    assert np.isnan(metrics.recall(confusion)[2])
    assert metrics.precision(confusion)[2] == 0.0


def test_nll(predictions):
    truth, probabilities, weights = predictions
    ours = np.average(metrics.nll(truth, probabilities), weights=weights)
    assert ours == pytest.approx(sk.log_loss(truth, probabilities, sample_weight=weights))


def test_nll_of_the_impossible_is_finite():
    assert 30 < metrics.nll(np.array([1]), np.array([[1.0, 0.0]]))[0] < 40


def test_brier_is_the_sum_over_labels(predictions):
    truth, probabilities, _ = predictions
    expected = ((probabilities - np.eye(8)[truth]) ** 2).sum(axis=1)
    np.testing.assert_allclose(metrics.brier(truth, probabilities), expected)
    wrong = metrics.brier(np.array([1]), np.array([[1.0, 0.0]]))
    assert wrong[0] == 2.0


@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_top_k(predictions, k):
    truth, probabilities, _ = predictions
    expected = sk.top_k_accuracy_score(truth, probabilities, k=k)
    assert metrics.top_k_hits(truth, probabilities, k).mean() == pytest.approx(expected)


def test_top_k_ties_rank_in_order_of_labels():
    even = np.full((3, 3), 1 / 3)
    np.testing.assert_array_equal(metrics.top_k_hits(np.arange(3), even, 2), [1, 1, 0])


def test_polarity_follows_the_sum_and_not_the_top_label():
    # Awe is on top, but fear and sadness together hold more.
    probabilities = np.zeros((2, 8))
    probabilities[:, [2, 6, 7]] = [0.4, 0.35, 0.25]
    hits = metrics.polarity_hits(np.array([2, 6]), probabilities, LABELS)
    np.testing.assert_array_equal(hits, [0, 1])


@pytest.mark.parametrize(
    ("truth", "predicted", "distance", "ecc", "emc"),
    [
        ("awe", "awe", 0, 1, np.nan),
        ("awe", "excitement", 1, 1 / 2, 1),
        ("amusement", "excitement", 3, 1 / 4, 1 / 3),
        ("excitement", "fear", 1, 1 / 5, 1 / 4),
        ("amusement", "anger", 1, 1 / 5, 1 / 4),
        ("amusement", "fear", 4, 1 / 8, 1 / 7),
    ],
)
def test_wheel_figures_by_hand(truth, predicted, distance, ecc, emc):
    one = metrics.confusion_matrix(
        np.array([LABELS.index(truth)]), np.array([LABELS.index(predicted)]), 8
    )
    assert metrics.wheel_distance(one, LABELS) == distance
    assert metrics.ecc(one, LABELS) == pytest.approx(ecc)
    assert metrics.emc(one, LABELS) == pytest.approx(emc, nan_ok=True)


def test_wheel_figures_average_over_rows_and_errors(confusion):
    hits = np.trace(confusion) / confusion.sum()
    assert hits < metrics.ecc(confusion, LABELS) < hits + 0.5 * (1 - hits)
    mixed = np.zeros((8, 8))
    mixed[0, 0], mixed[0, 5], mixed[0, 6] = 2, 1, 1
    assert metrics.wheel_distance(mixed, LABELS) == pytest.approx((3 + 4) / 4)
    assert metrics.emc(mixed, LABELS) == pytest.approx((1 / 3 + 1 / 7) / 2)


def naive_ece(confidence, correct, bins):
    """The definition, word by word."""
    n = len(confidence)
    members = [[] for _ in range(bins)]
    for i, row in enumerate(np.argsort(confidence, kind="stable")):
        members[int(bins * (i + 0.5) / n)].append(row)
    gaps = [abs(sum(correct[r] - confidence[r] for r in rows)) for rows in members]
    return sum(gaps) / n


@given(st.integers(1, 75), st.integers(1, 15), st.integers(0, 10_000))
@settings(deadline=None, max_examples=60)
def test_ece_is_its_definition(n, bins, seed):
    random = np.random.default_rng(seed)
    confidence, correct = random.random(n), random.integers(0, 2, n)
    expected = naive_ece(confidence, correct, bins)
    assert metrics.ece(confidence, correct, bins) == pytest.approx(expected)


def test_ece_of_reweighed_rows_is_that_of_repeated_rows(rng):
    confidence, correct = rng.random(200), rng.integers(0, 2, 200)
    counts = rng.integers(0, 4, 200)
    repeated = np.repeat(np.arange(200), counts)
    expected = naive_ece(confidence[repeated], correct[repeated], 10)
    assert metrics.ece(confidence, correct, 10, counts) == pytest.approx(expected)


def test_ece_does_not_depend_on_the_order_of_ties():
    # A model that always says 0.5 and is right half the time is calibrated, whatever
    # the order of its hits.
    correct = np.repeat([1, 0], 50)
    assert metrics.ece(np.full(100, 0.5), correct) == pytest.approx(0.0, abs=1e-12)


def test_ece_equal_width_by_hand():
    confidence = np.array([0.15, 0.2, 0.95, 0.9, 1.0])
    correct = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    expected = (abs(1 - 0.35) + abs(0 - 0.9) + abs(2 - 1.95)) / 5
    assert metrics.ece_equal_width(confidence, correct) == pytest.approx(expected)


def test_ece_equal_width_of_reweighed_rows(rng):
    confidence, correct = rng.random(100), rng.integers(0, 2, 100)
    counts = rng.integers(0, 4, 100)
    repeated = np.repeat(np.arange(100), counts)
    assert metrics.ece_equal_width(confidence, correct, 10, counts) == pytest.approx(
        metrics.ece_equal_width(confidence[repeated], correct[repeated])
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (metrics.kl, lambda p, q: special.rel_entr(p, q).sum()),
        (metrics.chebyshev, lambda p, q: max(abs(a - b) for a, b in zip(p, q, strict=True))),
        (
            metrics.clark,
            lambda p, q: (
                sum(((a - b) / (a + b)) ** 2 for a, b in zip(p, q, strict=True) if a + b) ** 0.5
            ),
        ),
        (
            metrics.canberra,
            lambda p, q: pytest.importorskip("scipy.spatial").distance.canberra(p, q),
        ),
        (
            metrics.cosine,
            lambda p, q: 1 - pytest.importorskip("scipy.spatial").distance.cosine(p, q),
        ),
        (metrics.intersection, lambda p, q: 1 - abs(p - q).sum() / 2),
        (metrics.random_rater, lambda p, q: p[q.argmax()]),
    ],
)
def test_distribution_figures(rng, ours, theirs):
    votes = rng.multinomial(11, np.full(8, 1 / 8), size=30) / 11
    predicted = rng.dirichlet(np.ones(8), size=30)
    expected = [theirs(p, q) for p, q in zip(votes, predicted, strict=True)]
    np.testing.assert_allclose(ours(votes, predicted), expected)


def test_distribution_figures_where_a_label_has_no_probability_in_either():
    same = np.array([[0.5, 0.5, 0.0]])
    assert metrics.kl(same, same) == metrics.clark(same, same) == metrics.canberra(same, same) == 0
    assert np.isfinite(metrics.kl(same, np.array([[1.0, 0.0, 0.0]])))


def test_affect(rng):
    truth = rng.normal(4, 1, 300)
    predicted = 0.6 * truth + rng.normal(2, 0.5, 300)
    weights = rng.integers(0, 4, 300)
    repeated = np.repeat(np.arange(300), weights)
    x, y = truth[repeated], predicted[repeated]
    assert metrics.pearson(truth, predicted, weights) == pytest.approx(stats.pearsonr(x, y)[0])
    assert metrics.mae(truth, predicted, weights) == pytest.approx(sk.mean_absolute_error(x, y))
    # Lin (1989) in another form: 1 - E[(x - y)^2] / E[(x - y)^2 under independence].
    independent = ((x[:, None] - y[None, :]) ** 2).mean()
    expected = 1 - ((x - y) ** 2).mean() / independent
    assert metrics.ccc(truth, predicted, weights) == pytest.approx(expected)


def test_correlation_with_a_constant_is_undefined():
    assert np.isnan(metrics.pearson(np.arange(5.0), np.full(5, 3.0)))
    assert metrics.ccc(np.arange(5.0), np.full(5, 3.0)) == 0.0


@pytest.mark.parametrize(
    ("weights", "message"),
    [(np.ones(3), "shape"), (-np.ones(2), "at least 0"), (np.zeros(2), "not all 0")],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        metrics.mae(np.zeros(2), np.ones(2), weights)
