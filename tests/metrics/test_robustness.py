"""How far predictions move: known movements, and movements that must not happen."""

import json

import numpy as np
import pytest

from evoca.errors import DataError
from evoca.metrics.robustness import Masking, Movement, masking, movements

RANDOM = np.random.default_rng(0)


def distributions(n=40, k=4):
    return RANDOM.dirichlet(np.ones(k), n)


BEFORE = distributions()
TRUTH = RANDOM.integers(-1, 4, 40)


def test_what_stays_moves_nothing_exactly():
    accuracy, (same,) = movements(BEFORE, {"none": BEFORE}, TRUTH)
    assert same.accuracy == accuracy
    for figure, value in (
        (same.accuracy_change, 0.0),
        (same.distance, 0.0),
        (same.drop, 0.0),
    ):
        assert (figure.value, figure.ci95) == (value, (value, value))
    # That none of 40 flips does not say that none ever would: Clopper and Pearson.
    assert (same.same_emotion.value, same.flipped.value) == (1.0, 0.0)
    assert same.same_emotion.ci95 == pytest.approx((0.025 ** (1 / 40), 1.0))
    assert same.flipped.ci95 == pytest.approx((0.0, 1 - 0.025 ** (1 / 40)))


@pytest.mark.parametrize(
    ("after", "same", "distance", "drop"),
    [
        ([[0.7, 0.2, 0.1]], 1.0, 0.0, 0.0),
        ([[0.2, 0.7, 0.1]], 0.0, 0.5, 0.5),
        ([[0.5, 0.2, 0.3]], 1.0, 0.2, 0.2),
        ([[0.9, 0.1, 0.0]], 1.0, 0.2, -0.2),
        ([[0.7, 0.1, 0.2]], 1.0, 0.1, 0.0),
    ],
    ids=["stays", "flips", "doubts", "surer", "below the top"],
)
def test_known_movements(after, same, distance, drop):
    _, (found,) = movements([[0.7, 0.2, 0.1]] * 2, {"change": after * 2})
    assert found.same_emotion.value == same
    assert found.distance.value == pytest.approx(distance)
    assert found.drop.value == pytest.approx(drop)
    assert found.accuracy is None
    assert found.accuracy_change is None


def test_accuracy_is_of_rows_with_a_label_and_its_change_is_paired():
    before = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.5, 0.5]]
    after = [[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9]]
    accuracy, (found,) = movements(before, {"change": after}, [0, 0, 0, -1])
    assert accuracy.value == pytest.approx(2 / 3)
    assert found.accuracy.value == pytest.approx(1 / 3)
    assert found.accuracy_change.value == pytest.approx(-1 / 3)


def test_figures_hold_whatever_the_order_of_rows_and_changes():
    after = {"one": distributions(), "two": distributions()}
    order = RANDOM.permutation(40)
    _, found = movements(BEFORE, after, TRUTH)
    turned = {name: after[name][order] for name in reversed(after)}
    _, again = movements(BEFORE[order], turned, TRUTH[order])
    for one, other in zip(found, reversed(again), strict=True):
        assert one.change == other.change
        assert one.distance.value == pytest.approx(other.distance.value)
        assert one.accuracy.value == pytest.approx(other.accuracy.value)


def test_copies_in_one_group_widen_the_interval():
    after = distributions()
    twice = np.repeat(BEFORE, 2, axis=0), np.repeat(after, 2, axis=0)
    _, (apart,) = movements(twice[0], {"change": twice[1]})
    _, (grouped,) = movements(twice[0], {"change": twice[1]}, groups=np.repeat(np.arange(40), 2))
    assert grouped.distance.value == pytest.approx(apart.distance.value)
    assert np.diff(grouped.distance.ci95) > 1.2 * np.diff(apart.distance.ci95)


def test_masking_is_the_paired_difference():
    faces, elsewhere = distributions(), distributions()
    found = masking(BEFORE, faces, elsewhere, TRUTH, with_faces=50)
    assert (found.n, found.with_faces) == (40, 50)
    for name in ("same_emotion", "distance", "drop"):
        gap = getattr(found.faces, name).value - getattr(found.elsewhere, name).value
        assert getattr(found, name).value == pytest.approx(gap)
    nothing = masking(BEFORE, faces, faces, with_faces=40)
    assert nothing.distance.ci95 == (0.0, 0.0)


@pytest.mark.parametrize("truth", [None, TRUTH], ids=["unlabelled", "labelled"])
def test_json_and_back(truth):
    _, (moved,) = movements(BEFORE, {"change": distributions()}, truth)
    hidden = masking(BEFORE, distributions(), distributions(), truth, with_faces=41)
    assert Movement.from_dict(json.loads(json.dumps(moved.to_dict()))) == moved
    assert Masking.from_dict(json.loads(json.dumps(hidden.to_dict()))) == hidden


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (np.empty((0, 4)), {}, "one distribution per row"),
        (BEFORE, {"blur": BEFORE[1:]}, "blur: 39 predictions for 40 pictures"),
        (BEFORE, {"blur": BEFORE * 2}, "blur: outside|blur: does not sum"),
        (BEFORE, {"blur": BEFORE * np.nan}, "row.*blur: not a finite number"),
        (BEFORE, {"blur": distributions(k=5)}, "blur: shape"),
    ],
)
def test_bad_predictions_are_refused(before, after, message):
    with pytest.raises(DataError, match=message):
        movements(before, after)
