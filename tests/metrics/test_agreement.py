"""Bands of vote agreement."""

import numpy as np

from evoca.metrics.agreement import agreement_band


def test_bands_hold_shares_that_a_file_has_rounded():
    votes = np.array([5, 4, 3, 2, 1]) / 5
    expected = ["unanimous", "divided", "strongly divided", "strongly divided", "strongly divided"]
    assert agreement_band(votes, 5).tolist() == expected
    single = votes.astype(np.float32).astype(np.float64)  # three of five is a little over 0.6 here
    assert single[2] > 0.6
    assert agreement_band(single, 5).tolist() == expected


def test_unknown_agreement_has_no_band():
    assert agreement_band(None, 2).tolist() == ["", ""]
    assert agreement_band(np.array([np.nan, 1.0]), 2).tolist() == ["", "unanimous"]
