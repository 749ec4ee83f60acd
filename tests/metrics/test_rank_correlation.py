"""Rank correlations, held against SciPy, copied rows and residuals."""

from __future__ import annotations

import numpy as np
import pytest

from evoca.metrics.rank_correlation import (
    Ranked,
    correlations,
    partial_correlation,
    ranks_within,
    shuffled_correlations,
    spearman,
)

COLUMNS = np.random.default_rng(0).integers(0, 12, (4, 60)).astype(float)


def test_ranks_and_correlations_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    ranks = Ranked(COLUMNS).ranks(np.ones(60))
    assert ranks == pytest.approx(stats.rankdata(COLUMNS, axis=1))
    assert spearman(COLUMNS) == pytest.approx(stats.spearmanr(COLUMNS, axis=1).statistic)


def test_weights_are_copies_of_rows() -> None:
    weights = np.random.default_rng(1).integers(0, 4, 60)
    copied = np.repeat(COLUMNS, weights, axis=1)
    assert spearman(COLUMNS, weights.astype(float)) == pytest.approx(spearman(copied))


def test_a_constant_column_has_no_correlation() -> None:
    found = spearman(np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]]))
    assert np.isnan(found[0]).all()


def test_partial_correlation_is_that_of_residuals() -> None:
    ranks = Ranked(COLUMNS).ranks(np.ones(60))
    others = np.column_stack([np.ones(60), ranks[2], ranks[3]])
    left = [row - others @ np.linalg.lstsq(others, row, rcond=None)[0] for row in ranks[:2]]
    wanted = np.corrcoef(left)[0, 1]
    assert partial_correlation(spearman(COLUMNS), 0, 1, np.array([2, 3])) == pytest.approx(wanted)


def test_partial_correlation_of_a_copy_is_not_defined() -> None:
    found = spearman(np.stack([COLUMNS[0], COLUMNS[1], COLUMNS[0]]))
    assert np.isnan(partial_correlation(found, 0, 1, np.array([2])))


def test_a_constant_column_is_held_fixed_already() -> None:
    found = spearman(np.stack([COLUMNS[0], COLUMNS[1], np.ones(60), COLUMNS[2]]))
    wanted = partial_correlation(found, 0, 1, np.array([3]))
    assert partial_correlation(found, 0, 1, np.array([2, 3])) == wanted
    assert partial_correlation(found, 0, 1, np.array([2])) == pytest.approx(found[0, 1])
    assert np.isnan(partial_correlation(found, 0, 2, np.array([3])))


def test_ranks_within_groups_are_those_of_each_group() -> None:
    stats = pytest.importorskip("scipy.stats")
    group = np.random.default_rng(2).integers(0, 5, 60)
    found = ranks_within(COLUMNS, group)
    for g in range(5):
        rows = group == g
        wanted = stats.rankdata(COLUMNS[:, rows], axis=1) / (rows.sum() + 1) - 0.5
        assert found[:, rows] == pytest.approx(wanted)


def test_shuffles_keep_groups_and_have_no_correlation_on_average() -> None:
    group = np.repeat([0, 1, 2], 20)
    outcome = group * 100.0 + np.random.default_rng(3).random(60)
    level = shuffled_correlations(group[None].astype(float), outcome, group, draws=50, seed=0)
    # What differs between groups alone is the same in every shuffle.
    assert np.ptp(level) < 1e-12
    assert level[0, 0] == pytest.approx(np.corrcoef(group, outcome)[0, 1])
    free = shuffled_correlations(COLUMNS, outcome, np.zeros(60, dtype=np.int64), draws=2000, seed=0)
    assert np.abs(free.mean(axis=0)).max() < 0.01
    assert free.std(axis=0) == pytest.approx(np.full(4, 1 / np.sqrt(59)), rel=0.1)


def test_correlations_are_numpys() -> None:
    assert correlations(COLUMNS, np.ones(60)) == pytest.approx(np.corrcoef(COLUMNS))
