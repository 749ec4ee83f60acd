from __future__ import annotations

import numpy as np
import pytest

from evoca.data.duplicates.hamming import join_groups, near_pairs, near_to_any


def counted_in_python(
    hashes: list[list[int]], others: list[list[list[int]]], threshold: int
) -> list[list[int]]:
    """Compare all pairs with Python's own integers: the independent reference."""

    def near(a: list[int], b: list[int]) -> bool:
        return sum((x ^ y).bit_count() for x, y in zip(a, b, strict=True)) <= threshold

    n = len(hashes)
    return [
        [i, j]
        for i in range(n)
        for j in range(i + 1, n)
        if any(near(hashes[i], side) for side in (hashes[j], *others[j]))
    ]


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("threshold", [0, 3, 20])
@pytest.mark.parametrize("orientations", [0, 1, 7])
def test_finds_what_brute_force_finds(words, threshold, orientations, monkeypatch):
    # Blocks smaller than the input, so that pairs lie across and on their borders.
    monkeypatch.setattr("evoca.data.duplicates.hamming._ROWS", 7)
    monkeypatch.setattr("evoca.data.duplicates.hamming._COLUMNS", 32)
    rng = np.random.default_rng(threshold)
    hashes = rng.integers(0, 2**64, (300, words), dtype=np.uint64)
    others = rng.integers(0, 2**64, (300, orientations, words), dtype=np.uint64)
    for _ in range(200):  # copies with 0 to 24 bits changed, of either side
        a, b = rng.choice(300, 2, replace=False)
        which = rng.integers(orientations + 1)
        side = hashes if which == orientations else others[:, which]
        side[b] = hashes[a]
        for bit in rng.integers(0, 64, rng.integers(0, 25)).tolist():
            side[b, rng.integers(words)] ^= np.uint64(1 << bit)

    found = near_pairs(hashes, threshold, others=others if orientations else None, threads=2)

    expected = counted_in_python(hashes.tolist(), others.tolist(), threshold)
    assert expected, "the test must have pairs to find"
    assert found.tolist() == expected


def test_finds_which_hashes_have_a_near_one_among_others(monkeypatch):
    monkeypatch.setattr("evoca.data.duplicates.hamming._ROWS", 7)
    monkeypatch.setattr("evoca.data.duplicates.hamming._COLUMNS", 32)
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (40, 2), dtype=np.uint64)
    known = rng.integers(0, 2**64, (100, 2), dtype=np.uint64)
    known[[3, 50, 99]] = hashes[[0, 20, 39]] ^ np.uint64(0b111)
    assert np.flatnonzero(near_to_any(hashes, known, 6)).tolist() == [0, 20, 39]
    assert not near_to_any(hashes, known, 5).any()
    assert near_to_any(hashes[:0], known, 6).shape == (0,)
    assert not near_to_any(hashes, known[:0], 128).any()


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_for_a_pair(n):
    assert near_pairs(np.zeros((n, 2), np.uint64), 128).shape == (0, 2)


@pytest.mark.parametrize(
    ("n", "pairs", "groups"),
    [
        (0, [], []),
        (3, [], [0, 1, 2]),
        (6, [(4, 5), (1, 2), (2, 4)], [0, 1, 1, 3, 1, 1]),
        (4, [(0, 1), (1, 0), (1, 1)], [0, 0, 2, 3]),
    ],
)
def test_groups_are_transitive(n, pairs, groups):
    assert join_groups(n, pairs).tolist() == groups


def test_a_long_chain_is_one_group():
    n = 20_000
    chain = np.column_stack((np.arange(n - 1), np.arange(1, n)))
    assert set(join_groups(n, chain[::-1]).tolist()) == {0}
