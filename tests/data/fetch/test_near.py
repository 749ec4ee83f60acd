from __future__ import annotations

import numpy as np
import pytest

from evoca.data.near import join_groups, near_pairs


def counted_in_python(
    hashes: list[list[int]], mirrored: list[list[int]] | None, threshold: int
) -> list[list[int]]:
    """Compare all pairs with Python's own integers: the independent reference."""

    def near(a: list[int], b: list[int]) -> bool:
        return sum((x ^ y).bit_count() for x, y in zip(a, b, strict=True)) <= threshold

    sides = [hashes] if mirrored is None else [hashes, mirrored]
    n = len(hashes)
    return [
        [i, j]
        for i in range(n)
        for j in range(i + 1, n)
        if any(near(hashes[i], side[j]) for side in sides)
    ]


@pytest.mark.parametrize("words", [1, 2])
@pytest.mark.parametrize("threshold", [0, 3, 20])
@pytest.mark.parametrize("with_mirrored", [False, True])
def test_finds_what_brute_force_finds(words, threshold, with_mirrored, monkeypatch):
    # Blocks smaller than the input, so that pairs lie across and on their borders.
    monkeypatch.setattr("evoca.data.near._ROWS", 7)
    monkeypatch.setattr("evoca.data.near._COLUMNS", 32)
    rng = np.random.default_rng(threshold)
    hashes = rng.integers(0, 2**64, (300, words), dtype=np.uint64)
    mirrored = rng.integers(0, 2**64, (300, words), dtype=np.uint64)
    for _ in range(200):  # copies with 0 to 24 bits changed, of either side
        a, b = rng.choice(300, 2, replace=False)
        side = mirrored if with_mirrored and rng.random() < 0.5 else hashes
        side[b] = hashes[a]
        for bit in rng.integers(0, 64, rng.integers(0, 25)).tolist():
            side[b, rng.integers(words)] ^= np.uint64(1 << bit)
    other = mirrored if with_mirrored else None

    found = near_pairs(hashes, threshold, mirrored=other, threads=2)

    expected = counted_in_python(
        hashes.tolist(), None if other is None else other.tolist(), threshold
    )
    assert expected, "the test must have pairs to find"
    assert found.tolist() == expected


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
