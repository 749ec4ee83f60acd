"""Find near pairs among binary hashes, exactly, and join them into groups."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["as_they_appear", "join_groups", "near_pairs", "near_to_any"]

# 16 x 8192 distances stay in a core's cache: about 0.5 ns per pair, against 0.9 for squares.
_ROWS, _COLUMNS = 16, 8192


def near_pairs(
    hashes: NDArray[np.uint64],
    threshold: int,
    *,
    others: NDArray[np.uint64] | None = None,
    threads: int | None = None,
) -> NDArray[np.int64]:
    """Return every pair of hashes within a Hamming distance.

    All pairs are compared, so none is missed, whatever the hashes are. Two popcounts
    per nanosecond make that cheaper, at the sizes of image data sets, than an index that
    leaves pairs out: see ``benchmarks/duplicates.py``.

    Args:
        hashes: uint64 (N, W), a hash of 64 W bits per row.
        threshold: the largest distance in bits that counts as near, 0..64 W.
        others: uint64 (N, S, W), the hashes of each picture in S other orientations, such
            as mirrored; a pair is then also near where one is near to an orientation of
            the other.
        threads: how many to use; one per core if omitted.

    Returns:
        int64 (M, 2), rows ``i < j`` in ascending order, each once.

    >>> near_pairs(np.array([[0b0000], [0b1111], [0b0001]], np.uint64), threshold=1)
    array([[0, 2]])
    """
    n = len(hashes)
    sides = [np.ascontiguousarray(hashes.T)]
    if others is not None:
        sides += [np.ascontiguousarray(side.T) for side in others.swapaxes(0, 1)]
    words = sides[0]

    def below(start: int) -> NDArray[np.int64]:
        return _pairs_of_rows(words, sides, start, threshold)

    # NumPy releases the interpreter's lock inside each block.
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        found = list(pool.map(below, range(0, n, _ROWS)))
    pairs = np.concatenate([*found, np.empty((0, 2), np.int64)])
    return np.unique(pairs, axis=0)


def _pairs_of_rows(
    words: NDArray[np.uint64], sides: list[NDArray[np.uint64]], start: int, threshold: int
) -> NDArray[np.int64]:
    """Return the near pairs of ``_ROWS`` hashes from ``start`` and all later ones."""
    rows = slice(start, start + _ROWS)
    left = words[:, rows, None]
    found = []
    for side in sides:
        for column in range(start, side.shape[1], _COLUMNS):
            block = side[:, column : column + _COLUMNS]
            # The first word alone rules nearly all pairs out. The flat search for what
            # remains takes a tenth of the time of the one in two dimensions.
            close = np.flatnonzero(np.bitwise_count(left[0] ^ block[0]) <= threshold)
            i, j = np.divmod(close, block.shape[1])
            later = start + i < column + j
            i, j = i[later], j[later]
            distance = np.bitwise_count(left[:, i, 0] ^ block[:, j]).sum(axis=0)
            near = distance <= threshold
            found.append(np.column_stack((start + i[near], column + j[near])))
    return np.concatenate(found)


def near_to_any(
    hashes: NDArray[np.uint64], known: NDArray[np.uint64], threshold: int
) -> NDArray[np.bool_]:
    """Return whether each hash is within a Hamming distance of any known one, bool (N,).

    Args:
        hashes: uint64 (N, W).
        known: uint64 (M, W), what they are compared with.
        threshold: the largest distance in bits that counts as near, 0..64 W.
    """
    columns = np.ascontiguousarray(known.T)

    def of_rows(start: int) -> NDArray[np.bool_]:
        left = hashes[start : start + _ROWS]
        found = np.zeros(len(left), dtype=np.bool_)
        for column in range(0, columns.shape[1], _COLUMNS):
            block = columns[:, column : column + _COLUMNS]
            # As above: the first word rules nearly all out.
            close = np.flatnonzero(np.bitwise_count(left[:, :1] ^ block[0]) <= threshold)
            i, j = np.divmod(close, block.shape[1])
            near = np.bitwise_count(left[i].T ^ block[:, j]).sum(axis=0) <= threshold
            found[i[near]] = True
        return found

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = list(pool.map(of_rows, range(0, len(hashes), _ROWS)))
    return np.concatenate([*found, np.empty(0, np.bool_)])


def join_groups(n: int, pairs: Iterable[tuple[int, int]] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Return groups of pairs joined transitively (union-find with path halving).

    Args:
        n: how many items there are.
        pairs: pairs of items 0..n-1 that belong together.

    Returns:
        int64 (n,): the smallest member of each item's group.

    >>> join_groups(5, [(3, 4), (4, 1)])
    array([0, 1, 2, 1, 1])
    """
    parent = list(range(n))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for a, b in pairs.tolist() if isinstance(pairs, np.ndarray) else pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(item) for item in range(n)], dtype=np.int64)


def as_they_appear(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return groups numbered from 0 in the order of their first members, int64 (n,).

    >>> as_they_appear(np.array([7, 2, 7, 5]))
    array([0, 1, 0, 2])
    """
    _, first, codes = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[codes], dtype=np.int64)
