import numpy as np
import pytest

from evoca.metrics.bootstrap import mean_figure, mean_figures
from evoca.metrics.conformal import class_conditional_sets, coverage_and_size, set_figures

LABELS = ("awe", "fear", "sadness", "anger")


def a_model(n=4000, seed=0):
    """Worse for the later labels, so that one threshold covers them less."""
    random = np.random.default_rng(seed)
    truth = random.integers(4, size=n)
    logits = random.normal(size=(n, 4)) + (2.5 - 0.7 * truth)[:, None] * np.eye(4)[truth]
    p = np.exp(logits)
    return p / p.sum(axis=1, keepdims=True), truth


def test_figures_are_those_of_the_sets():
    random = np.random.default_rng(0)
    sets, truth = random.random((2, 60, 4)) > 0.4, np.arange(60) % 4
    found = set_figures(sets, truth, LABELS, draws=100)
    by_hand = [coverage_and_size(one, truth) for one in sets]
    assert found.coverage.value == pytest.approx(np.mean([one.coverage for one in by_hand]))
    assert found.size.value == pytest.approx(np.mean([one.size for one in by_hand]))
    own = np.mean([one.coverage_by_label for one in by_hand], axis=0)
    assert [found.by_emotion[label].value for label in LABELS] == pytest.approx(own.tolist())
    assert all(f.ci95[0] <= f.value <= f.ci95[1] for f in found.by_emotion.values())


def test_class_conditional_sets_cover_every_emotion_on_held_out_folds():
    p, truth = a_model()
    fold = np.arange(len(truth))[None] % 5
    found = set_figures(class_conditional_sets(p[None], truth, fold, 0.9), truth, LABELS, draws=50)
    for figure in found.by_emotion.values():  # more than stated where the top label is in anyway
        assert 0.88 <= figure.value <= 0.94


def test_one_threshold_does_not():
    p, truth = a_model()
    worst = set_figures((p >= 0.15)[None], truth, LABELS, draws=50).by_emotion
    assert worst["awe"].value - worst["anger"].value > 0.1


def test_means_leave_out_what_is_no_number():
    values = np.array([1.0, 2.0, np.nan, 4.0])
    found = mean_figures({"some": values, "none": np.full(4, np.nan)}, ["a", "a", "b", "c"])
    assert found["some"].value == pytest.approx(7 / 3)
    assert np.isnan(found["none"].value)
    plain = mean_figure(values[[0, 1, 3]], ["a", "a", "c"])
    assert plain.value == found["some"].value
