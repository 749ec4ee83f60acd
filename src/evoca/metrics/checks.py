"""Checks of predictions and labels before a figure is computed from them.

Every error is one line that names the rows, by index and, where known, by image.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoca.emotions import SUM_TOLERANCE
from evoca.errors import DataError
from evoca.words import by_number, counted

__all__ = [
    "NO_LABEL",
    "FloatArray",
    "IntArray",
    "as_probabilities",
    "as_truth",
    "check_support",
    "divide",
    "encode_labels",
    "group_index",
    "rescaled",
    "row_weights",
    "rows_where",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def divide(top: FloatArray, bottom: FloatArray, empty: float = np.nan) -> FloatArray:
    """Return the quotient of each element, with ``empty`` where the divisor is 0.

    >>> divide(np.array([1.0, 0.0]), np.array([2.0, 0.0]), empty=0.0)
    array([0.5, 0. ])
    """
    top, bottom = np.broadcast_arrays(top, bottom)
    out = np.full(top.shape, empty)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def row_weights(weights: FloatArray | None, n: int) -> FloatArray:
    """Return the weight of each of ``n`` rows; 1 each where nothing is given.

    Raises:
        ValueError: not one finite number >= 0 per row, or all are 0.
    """
    if weights is None:
        return np.ones(n)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (n,):
        raise ValueError(f"weights have shape {given.shape}, but there are {n} rows")
    if not (np.isfinite(given).all() and (given >= 0).all() and given.any()):
        raise ValueError("weights must be finite, at least 0, and not all 0")
    return given


NO_LABEL = -1
"""The truth of a row that has no single true label."""

# Files have eight digits: a sum this near to 1 is 1, and is not rescaled.
_ROUNDED = 1e-6
_SHOWN_ROWS = 5


def rows_where(
    bad: NDArray[np.bool_],
    names: Sequence[str] | None = None,
    numbers: NDArray[np.int64] | None = None,
) -> str:
    """Return the names of the rows that a mask selects, the first few in full.

    Args:
        bad: bool (n,).
        names: n image names.
        numbers: int (n,), what to call the rows, such as the rows of a file; their
            positions if omitted.

    >>> rows_where(np.array([False, True, True]), ["a.jpg", "b.jpg", "c.jpg"])
    'rows 1 (b.jpg), 2 (c.jpg)'
    >>> rows_where(np.ones(9, dtype=bool))
    'rows 0, 1, 2, 3, 4 and 4 more'
    """
    rows = np.flatnonzero(bad)
    called = rows if numbers is None else np.asarray(numbers)[rows]
    shown = [
        f"{number} ({names[row]})" if names is not None else str(number)
        for row, number in zip(rows[:_SHOWN_ROWS], called, strict=False)
    ]
    more = f" and {len(rows) - _SHOWN_ROWS} more" if len(rows) > _SHOWN_ROWS else ""
    return f"{by_number(len(rows), 'row')} {', '.join(shown)}{more}"


def encode_labels(
    values: Sequence[str | None],
    labels: Sequence[str],
    names: Sequence[str] | None = None,
    numbers: NDArray[np.int64] | None = None,
) -> IntArray:
    """Return the positions of label names.

    Args:
        values: n label names; empty or ``None`` where a row has none.
        labels: the K names of the taxonomy.
        names: n image names, for errors.
        numbers: int (n,), what errors call the rows.

    Returns:
        int (n,), 0..K-1, or :data:`NO_LABEL`.

    Raises:
        DataError: a value is not one of the labels.

    >>> encode_labels(["awe", "", "fear"], ["awe", "fear"])
    array([ 0, -1,  1])
    """
    position = {label: i for i, label in enumerate(labels)}
    position[""] = NO_LABEL
    unknown = len(labels)
    codes = np.array([position.get(value or "", unknown) for value in values], dtype=np.int64)
    bad = codes == unknown
    if bad.any():
        found = sorted({str(value) for value, wrong in zip(values, bad, strict=True) if wrong})
        raise DataError(
            f"{rows_where(bad, names, numbers)}: labelled {', '.join(found[:_SHOWN_ROWS])}, "
            f"which is not one of {', '.join(labels)}; map the labels first, or leave these "
            "rows out"
        )
    return codes


def as_truth(truth: ArrayLike, rows: int, classes: int, names: Sequence[str] | None) -> IntArray:
    """Return true labels as int (n,), checked.

    Raises:
        DataError: not ``rows`` integers, or outside 0..classes-1 and not
            :data:`NO_LABEL`.
    """
    codes = np.asarray(truth)
    if codes.shape != (rows,) or not np.issubdtype(codes.dtype, np.integer):
        raise DataError(
            f"truth must be {rows} integers, one for each row of the predictions, but has "
            f"shape {codes.shape} and type {codes.dtype}"
        )
    bad: NDArray[np.bool_] = (codes < NO_LABEL) | (codes >= classes)
    if bad.any():
        raise DataError(f"{rows_where(bad, names)}: true label outside 0..{classes - 1}")
    return codes.astype(np.int64)


def as_probabilities(
    values: ArrayLike,
    classes: int,
    what: str,
    names: Sequence[str] | None = None,
    numbers: NDArray[np.int64] | None = None,
) -> FloatArray:
    """Return distributions over labels as float64, checked, each summing to 1.

    Args:
        values: (..., n, K).
        classes: K.
        what: names the values in errors.
        names: n image names, for errors.
        numbers: int (n,), what errors call the rows.

    Returns:
        float (..., n, K); what :func:`rescaled` selects is divided by its sum.

    Raises:
        DataError: not K numbers per row; not finite, outside 0..1, or a sum that is off 1
            by more than :data:`evoca.emotions.SUM_TOLERANCE` (rows named, with the sum).
    """
    found = np.asarray(values, dtype=np.float64)
    if found.ndim < 2 or found.shape[-1] != classes:
        raise DataError(f"{what}: shape {found.shape}, but there are {classes} labels")
    sums = found.sum(axis=-1)
    off = np.abs(sums - 1) > SUM_TOLERANCE
    problems = (
        ("not a finite number", ~np.isfinite(found).all(axis=-1)),
        ("outside 0..1", ((found < -1e-9) | (found > 1 + SUM_TOLERANCE)).any(axis=-1)),
        (f"does not sum to 1 within {SUM_TOLERANCE:g}, {_sum_in_words(sums, off)}", off),
    )
    for problem, bad in problems:
        if bad.any():
            anywhere = np.asarray(bad.reshape(-1, bad.shape[-1]).any(axis=0))
            raise DataError(f"{rows_where(anywhere, names, numbers)}: {what}: {problem}")
    uneven = rescaled(found)
    return np.where(uneven[..., None], found / sums[..., None], found) if uneven.any() else found


def rescaled(values: FloatArray) -> NDArray[np.bool_]:
    """Return which distributions (..., K) are scaled to sum to 1: those off by over 1e-6."""
    return np.asarray(np.abs(values.sum(axis=-1) - 1) > _ROUNDED)


def _sum_in_words(sums: FloatArray, off: NDArray[np.bool_]) -> str:
    """Return the sum of the first row that is off, in words."""
    by_row = np.moveaxis(np.where(off, sums, np.nan), -1, 0).ravel()
    known = by_row[~np.isnan(by_row)]
    return f"but to {known[0]:.4g}" if len(known) == 1 else f"the first to {known[:1].sum():.4g}"


def check_support(truth: IntArray, labels: Sequence[str]) -> None:
    """Require at least one row of every label.

    Raises:
        DataError: names the labels that no row has.
    """
    counts = np.bincount(truth[truth != NO_LABEL], minlength=len(labels))
    missing = [label for label, count in zip(labels, counts, strict=True) if not count]
    if missing:
        raise DataError(
            f"no row of {counts.sum()} is labelled {', '.join(missing)}: averages over emotions "
            "would leave them out in silence; choose other rows, or allow it (--allow-missing)"
        )


def group_index(groups: Sequence[Hashable] | NDArray[Any] | None, rows: int) -> IntArray:
    """Return the group number of each row; a row without a group is one of its own.

    Returns:
        int (n,), 0..G-1, every number used.

    Raises:
        DataError: not one group per row.

    >>> group_index(["a", "", "a", ""], 4)
    array([0, 1, 0, 2])
    """
    if groups is None:
        return np.arange(rows, dtype=np.int64)
    if len(groups) != rows:
        raise DataError(
            f"{counted(len(groups), 'group is', 'groups are')} given for {counted(rows, 'row')}"
        )
    number: dict[Hashable, int] = {}
    # A row's position, wrapped in a tuple, cannot be confused with a named group.
    keys = ((row,) if group is None or group == "" else group for row, group in enumerate(groups))
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.int64)
