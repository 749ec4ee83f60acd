"""Figures of one source's images, in its own vocabulary, against plain NumPy."""

import numpy as np
import pytest

from evoca.emotions import MIKELS8
from evoca.metrics import evaluate_predictions
from evoca.metrics.by_source import (
    SourceFigures,
    as_reported,
    common_groups,
    source_figures,
)

LABELS = tuple(str(emotion) for emotion in MIKELS8)
GOOD = [i for i, emotion in enumerate(MIKELS8) if emotion.polarity == "positive"]
BAD = [i for i in range(8) if i not in GOOD]
GROUPED = (tuple(GOOD), *((i,) for i in BAD))


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    n = 200
    probabilities = rng.dirichlet(np.ones(8), size=(2, n))
    shares = rng.dirichlet(np.ones(5), size=n) * rng.uniform(0.2, 1, n)[:, None]
    shares[:7] = 0
    rated = rng.uniform(1, 9, (n, 2))
    rated[::5] = np.nan
    affect = rng.uniform(1, 9, (2, n, 2))
    return probabilities, shares, rated, affect


def figures(drawn, **changed):
    probabilities, shares, rated, affect = drawn
    options = {
        "rated": rated, "affect": affect, "middle": 5.0,
        "half_width": np.full((2, 200, 2), 2.0), "draws": 200,
    }  # fmt: skip
    return source_figures(
        "six", LABELS, GROUPED, shares, probabilities, np.arange(200), **(options | changed)
    )


def test_figures_are_those_of_numpy_in_each_repeat(drawn):
    probabilities, shares, rated, affect = drawn
    found = figures(drawn)
    known = np.isfinite(rated[:, 0])
    accuracy, nll, r, polarity = [], [], [], []
    for p, felt in zip(probabilities, affect, strict=True):
        sums = np.stack([p[:, list(group)].sum(axis=1) for group in GROUPED], axis=1)
        accuracy.append((sums.argmax(axis=1) == shares.argmax(axis=1))[7:].mean())
        own = shares[7:] / shares[7:].sum(axis=1, keepdims=True)
        nll.append(-(own * np.log(sums[7:])).sum(axis=1).mean())
        good = p[:, GOOD].sum(axis=1)
        r.append(np.corrcoef(good[known], rated[known, 0])[0, 1])
        polarity.append(((good > 0.5) == (rated[:, 0] > 5))[known].mean())
        assert found.figures["valence_r"].ci95[0] < found.figures["valence_r"].ci95[1]
        assert felt.shape == (200, 2)
    values = {name: own.value for name, own in found.figures.items()}
    assert values["accuracy"] == pytest.approx(np.mean(accuracy))
    assert values["nll"] == pytest.approx(np.mean(nll))
    assert values["valence_r_of_positive"] == pytest.approx(np.mean(r))
    assert values["polarity_accuracy"] == pytest.approx(np.mean(polarity))
    inside = (np.abs(affect[..., 1] - rated[:, 1]) <= 2)[:, known].mean()
    assert values["arousal_coverage"] == pytest.approx(inside)
    assert found.counts["accuracy"] == 193
    assert found.counts["valence_r"] == known.sum()


def test_ties_of_the_viewers_are_no_truth(drawn):
    probabilities, shares, rated, affect = drawn
    shares = shares.copy()
    shares[7] = [0.4, 0.4, 0, 0, 0]
    found = figures((probabilities, shares, rated, affect))
    assert found.counts["accuracy"] == 192
    assert found.counts["nll"] == 193


def test_without_ratings_the_polarity_is_that_of_what_viewers_named(drawn):
    probabilities, shares, *_ = drawn
    found = figures(drawn, rated=None, affect=None)
    side = shares[:, 0] - shares[:, 1:].sum(axis=1)
    right = (probabilities[..., GOOD].sum(axis=-1) > 0.5) == (side > 0)
    assert found.figures["polarity_accuracy"].value == pytest.approx(right[:, 7:].mean())
    assert set(found.figures) == {"accuracy", "nll", "polarity_accuracy"}


def test_copies_are_drawn_together(drawn):
    alone = figures(drawn).figures["accuracy"]
    probabilities, shares, rated, affect = drawn
    twice = [np.repeat(own, 2, axis=axis) for own, axis in (
        (probabilities, 1), (shares, 0), (rated, 0), (affect, 1))]  # fmt: skip
    found = source_figures(
        "six", LABELS, GROUPED, twice[1], twice[0], np.repeat(np.arange(200), 2),
        rated=twice[2], affect=twice[3], middle=5.0, draws=200,
    ).figures["accuracy"]  # fmt: skip
    assert found.value == pytest.approx(alone.value)
    assert found.ci95 == pytest.approx(alone.ci95)


def test_a_figure_of_the_first_source_has_the_interval_of_the_report(drawn):
    """It was drawn again, and one figure had two intervals."""
    probabilities = drawn[0]
    truth = np.random.default_rng(1).integers(0, 8, 200)
    report = evaluate_predictions(truth, probabilities, LABELS, draws=200)
    alone = [(i,) for i in range(8)]
    found = source_figures(
        "first", LABELS, alone, np.eye(8)[truth], probabilities, np.arange(200), draws=199
    )
    same = as_reported(found, report).figures
    assert set(same) == {"accuracy", "nll", "polarity_accuracy"}
    assert all(same[name] == report[name] != found.figures[name] for name in same)
    # Of other images, or of groups of labels, it is another figure.
    fewer = evaluate_predictions(truth[1:], probabilities[:, 1:], LABELS, draws=200)
    assert as_reported(found, fewer) == found
    coarse = source_figures(
        "first", LABELS, [(0, 1), *alone[2:]], np.eye(8)[truth][:, 1:], probabilities,
        np.arange(200), draws=199,
    )  # fmt: skip
    assert as_reported(coarse, report) == coarse


def test_what_is_read_back_is_what_was_written(drawn):
    found = figures(drawn)
    assert SourceFigures.from_dict(found.to_dict()) == found


def test_labels_are_told_apart_as_far_as_both_sides_can():
    assert common_groups(4, [(0,), (1,), (2,), (3,)]) == ((0,), (1,), (2,), (3,))
    assert common_groups(4, [(0, 1), (2,), (3,)], [(1, 2), (0,), (3,)]) == ((0, 1, 2), (3,))


def test_what_is_not_defined_is_left_out(drawn):
    probabilities, shares, rated, affect = drawn
    equal = np.full_like(rated, 4.0)
    found = figures((probabilities, shares, equal, affect))
    assert "valence_r" not in found.figures
    assert "valence_r_of_positive" not in found.figures
    assert found.figures["valence_mae"].value > 0
