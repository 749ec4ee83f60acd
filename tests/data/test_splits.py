from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoca.data.splits import RATIOS, assign_folds, assign_splits, parse_ratio, repeated_folds
from evoca.errors import DataError

SPLITS = ("train", "val", "test")


def _counts(split: np.ndarray) -> list[int]:
    return [int((split == name).sum()) for name in SPLITS]


@pytest.mark.parametrize("name", RATIOS)
def test_single_images_meet_a_ratio_to_the_image_in_all_and_in_each_label(name: str) -> None:
    # FI's counts by label, as Sreenivas et al. (2018) have them.
    sizes = [4751, 1185, 2946, 5169, 1570, 2739, 952, 2666]
    labels = np.repeat(np.arange(8), sizes)
    split = assign_splits(labels, np.arange(len(labels)), name)
    shares = np.array(RATIOS[name])
    assert np.abs(_counts(split) - shares * len(labels)).max() < 1
    for label, size in enumerate(sizes):
        assert np.abs(_counts(split[labels == label]) - shares * size).max() <= 1


groups_of_images = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-1, 3), min_size=n, max_size=n),
        st.lists(st.integers(0, n), min_size=n, max_size=n),
    )
)


@settings(deadline=None)
@given(groups_of_images, st.sampled_from(list(RATIOS)), st.integers(0, 3))
def test_no_group_is_divided_and_no_share_is_off_by_more_than_two_groups(
    data: tuple[list[int], list[int]], ratio: str, seed: int
) -> None:
    labels, groups = np.array(data[0]), np.array(data[1])
    split = assign_splits(labels, groups, ratio, seed=seed)
    for group in set(data[1]):
        assert len(set(split[groups == group])) == 1
    largest = np.bincount(groups).max()
    off = np.abs(_counts(split) - np.array(RATIOS[ratio]) * len(labels))
    assert off.max() <= 2 * largest
    assert "/".join(ratio.split("/")[1:-1]) or "val" not in split
    assert np.array_equal(split, assign_splits(labels, groups, ratio, seed=seed))


def test_duplicate_clusters_are_divided_by_size_and_label_too() -> None:
    random = np.random.default_rng(0)
    sizes = random.choice([1, 1, 1, 2, 3, 5], 4000)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.repeat(random.integers(0, 8, len(sizes)), sizes)
    split = assign_splits(labels, groups, "80/10/10", seed=1)
    assert np.abs(_counts(split) - np.array([0.8, 0.1, 0.1]) * len(labels)).max() <= 1
    for label in range(8):
        rows = labels == label
        assert np.abs(_counts(split[rows]) / rows.sum() - [0.8, 0.1, 0.1]).max() < 0.01


def test_the_seed_decides_and_the_order_of_groups_does_not_matter_to_the_sizes() -> None:
    labels, groups = np.repeat(np.arange(4), 50), np.arange(200)
    first, second = (assign_splits(labels, groups, seed=s) for s in (0, 1))
    assert not np.array_equal(first, second)
    assert _counts(first) == _counts(second) == [160, 20, 20]


@pytest.mark.parametrize("folds", [2, 5, 7])
def test_folds_are_of_equal_size_in_all_and_in_each_label(folds: int) -> None:
    labels = np.repeat(np.arange(8), 75)
    fold = assign_folds(labels, np.arange(600), folds)
    sizes = np.bincount(fold, minlength=folds)
    assert sizes.max() - sizes.min() <= 1
    for label in range(8):
        within = np.bincount(fold[labels == label], minlength=folds)
        assert within.max() - within.min() <= 2


def test_repeats_differ_and_one_repeat_is_the_plain_folds() -> None:
    labels, groups = np.repeat(np.arange(2), 20), np.arange(40) // 2
    several = repeated_folds(labels, groups, 5, 3, seed=4)
    assert several.shape == (3, 40)
    assert len({tuple(row) for row in several.tolist()}) == 3
    assert all((row[::2] == row[1::2]).all() for row in several)
    assert np.array_equal(
        repeated_folds(labels, groups, 5, seed=4)[0], assign_folds(labels, groups, 5, seed=4)
    )


@pytest.mark.parametrize(
    ("text", "shares"),
    [("85/15", (0.85, 0.0, 0.15)), ("70/10/20", (0.7, 0.1, 0.2)), ("60/40", (0.6, 0.0, 0.4))],
)
def test_ratios(text: str, shares: tuple[float, ...]) -> None:
    assert parse_ratio(text) == pytest.approx(shares)


@pytest.mark.parametrize("text", ["", "80", "80/10", "0/50/50", "110/-10", "a/b", "20/20/20/40"])
def test_what_is_no_ratio(text: str) -> None:
    with pytest.raises(DataError, match="90/5/5"):
        parse_ratio(text)


@pytest.mark.parametrize("folds", [1, 4])
def test_folds_need_as_many_groups(folds: int) -> None:
    with pytest.raises(DataError, match="give 2 to 3"):
        assign_folds(np.zeros(6, dtype=int), np.arange(6) // 2, folds)
