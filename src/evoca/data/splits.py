"""Divide images into splits or folds: stratified by label, whole groups, a fixed seed.

Every step works on whole arrays, so millions of images take seconds.

How it works: split ``s`` with share ``w`` should get every ``1/w``-th item of any
sequence, at the ideal times ``(j + 1/2) / w``. Taking the splits in the order of these
times keeps every prefix of the sequence within one item of its share. The groups are
laid out by size (largest first) and then by label in random order, so that each run of
equal size and label, a prefix minus a prefix, is divided evenly. Single images come last
and are dealt out per label to what each split still lacks, which makes up for the uneven
sizes of the groups before them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.errors import DataError
from evoca.words import counted

__all__ = ["RATIOS", "assign_folds", "assign_splits", "parse_ratio", "repeated_folds"]

RATIOS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "90/5/5": (0.90, 0.05, 0.05),  # Sreenivas et al. (2018)
        "80/5/15": (0.80, 0.05, 0.15),  # You et al. (2016), Najid et al. (2018)
        "85/15": (0.85, 0.0, 0.15),  # Rapolu et al. (2023)
        "80/20": (0.80, 0.0, 0.20),  # Agarwal et al. (2019)
        "80/10/10": (0.80, 0.10, 0.10),  # Jacobson et al. (2019)
    }
)
"""The papers' ratios by name: shares of train, val and test."""

_SPLITS = ("train", "val", "test")


def parse_ratio(text: str) -> tuple[float, float, float]:
    """Return the shares of train, val and test.

    Args:
        text: ``train/test`` or ``train/val/test`` in percent, summing to 100.

    >>> parse_ratio("85/15")
    (0.85, 0.0, 0.15)

    Raises:
        DataError: not such a ratio.
    """
    if text in RATIOS:
        return RATIOS[text]
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        parts = []
    if len(parts) not in {2, 3} or min(parts) < 0 or abs(sum(parts) - 100) > 1e-6 or not parts[0]:
        known = ", ".join(RATIOS)
        raise DataError(f"no ratio {text!r}; give train/val/test in percent, such as {known}")
    train, *middle, test = (part / 100 for part in parts)
    return train, middle[0] if middle else 0.0, test


def assign_splits(
    labels: NDArray[np.integer[Any]],
    groups: NDArray[np.integer[Any]],
    ratio: str | Sequence[float] = "80/10/10",
    *,
    seed: int = 0,
) -> NDArray[np.str_]:
    """Return the split of n images: train, val or test.

    Args:
        labels: int (n,), the label of each; -1 for none.
        groups: int (n,); images of one group get the same split.
        ratio: name of a ratio, or the shares of train, val and test.
        seed: of the random order.

    Returns:
        str (n,), ``train``, ``val`` or ``test``.

    Raises:
        DataError: no such ratio.
    """
    shares = parse_ratio(ratio) if isinstance(ratio, str) else tuple(ratio)
    return np.array(_SPLITS)[_assign(labels, groups, np.asarray(shares), seed)]


def assign_folds(
    labels: NDArray[np.integer[Any]],
    groups: NDArray[np.integer[Any]],
    folds: int = 5,
    *,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Return the fold of n images, folds of equal size, int64 (n,), 0..folds - 1.

    Arguments are those of :func:`assign_splits`.

    Raises:
        DataError: fewer than 2 folds, or fewer groups than folds.
    """
    found = len(np.unique(groups))
    if not 2 <= folds <= found:
        raise DataError(
            f"{counted(folds, 'fold')} of {counted(found, 'group')}: give 2 to {found:,}"
        )
    return _assign(labels, groups, np.full(folds, 1 / folds), seed)


def repeated_folds(
    labels: NDArray[np.integer[Any]],
    groups: NDArray[np.integer[Any]],
    folds: int = 5,
    repeats: int = 1,
    *,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Return folds assigned several times with different orders, int64 (repeats, n).

    Raises:
        DataError: as :func:`assign_folds`.
    """
    seeds = np.random.SeedSequence(seed).generate_state(repeats) if repeats > 1 else [seed]
    return np.stack([assign_folds(labels, groups, folds, seed=int(s)) for s in seeds])


def _assign(
    labels: NDArray[np.integer[Any]],
    groups: NDArray[np.integer[Any]],
    shares: NDArray[np.float64],
    seed: int,
) -> NDArray[np.int64]:
    _, group_of, size = np.unique(groups, return_inverse=True, return_counts=True)
    label = _group_labels(np.asarray(labels), group_of, size)
    order = np.random.default_rng(seed).permutation(len(size))
    order = order[np.lexsort((label[order], -size[order]))]
    chosen = np.empty(len(size), dtype=np.int64)
    several = order[size[order] > 1]
    chosen[several] = _evenly(_quotas(len(several), shares), shares)
    single = order[size[order] == 1]
    chosen[single] = _deal(label, size, chosen, several, single, shares)
    return np.asarray(chosen[group_of], dtype=np.int64)


def _group_labels(
    labels: NDArray[Any], group_of: NDArray[np.int64], size: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the most frequent label of each group, the lowest of equally frequent ones."""
    kinds, codes = np.unique(labels, return_inverse=True)
    pairs, counts = np.unique(group_of * len(kinds) + codes, return_counts=True)
    by_count = np.lexsort((-(pairs % len(kinds)), counts))
    result = np.empty(len(size), dtype=np.int64)
    # The last write wins: the highest count, then the lowest label.
    result[pairs[by_count] // len(kinds)] = pairs[by_count] % len(kinds)
    return result


def _quotas(n: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return whole numbers that sum to n, closest to the shares (largest remainder)."""
    ideal = n * shares / shares.sum()
    result: NDArray[np.int64] = np.floor(ideal + 1e-9).astype(np.int64)
    largest = np.argsort(-(ideal - result), kind="stable")[: n - result.sum()]
    result[largest] += 1
    return result


def _evenly(quotas: NDArray[np.int64], shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return ``quotas[s]`` items of each split, in an order whose prefixes keep the shares."""
    split = np.repeat(np.arange(len(quotas)), quotas)
    within = np.arange(len(split)) - np.repeat(np.cumsum(quotas) - quotas, quotas)
    times = (within + 0.5) / np.repeat(np.maximum(shares, 1e-12), quotas)
    return np.asarray(split[np.argsort(times, kind="stable")])


def _deal(
    label: NDArray[np.int64],
    size: NDArray[np.int64],
    chosen: NDArray[np.int64],
    several: NDArray[np.int64],
    single: NDArray[np.int64],
    shares: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return splits for single images, which come sorted by label and else at random."""
    kinds = int(label.max(initial=0)) + 1
    total = np.bincount(label, weights=size, minlength=kinds)
    placed = np.zeros((kinds, len(shares)))
    np.add.at(placed, (label[several], chosen[several]), size[several])
    free = np.bincount(label[single], minlength=kinds)
    lacking = _fill(np.outer(total, shares / shares.sum()) - placed, free)
    found = np.empty(len(single), dtype=np.int64)
    start = 0
    for kind in range(kinds):
        end = start + int(free[kind])
        found[start:end] = np.repeat(np.arange(len(shares)), lacking[kind])
        start = end
    return found


def _fill(requested: NDArray[np.float64], free: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return whole numbers near ``requested`` (kinds, splits), row sums ``free``, none below 0.

    What a label cannot give a split, for want of single images or in rounding, is carried
    on to the labels that have more of them: the sums over all labels come right first.
    """
    possible = np.maximum(requested, 0.0)
    sums = np.maximum(possible.sum(axis=1, keepdims=True), 1e-12)
    possible *= free[:, None] / sums
    result: NDArray[np.int64] = np.floor(possible + 1e-9).astype(np.int64)
    # A split without a share stays empty, whatever the others still need.
    owed = np.where((requested != 0).any(axis=0), 0.0, -np.inf)
    for kind in np.argsort(free, kind="stable"):
        owed += requested[kind] - result[kind]
        missing = int(free[kind] - result[kind].sum())
        largest = np.argsort(-owed, kind="stable")[:missing]
        result[kind, largest] += 1
        owed[largest] -= 1
    return result
