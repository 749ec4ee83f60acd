"""Timelines smoothed over time, within shots.

What a film evokes does not flicker from frame to frame, while predictions do: each is of a frame
alone. So every row becomes a mean of its neighbours in time, weighted by a Gaussian kernel: the
estimator of Nadaraya (1964) and Watson (1964), which holds for rows at uneven times. The mean is of
log probabilities, followed by a softmax: the normalised geometric mean, a "logarithmic opinion
pool" (Genest and Zidek 1986), in which one overconfident frame weighs less than where probabilities
are added. Neighbours of another shot have no weight: a cut is a change of picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoca.softmax import softmax

__all__ = ["smooth_distributions", "smooth_values"]

Floats = NDArray[np.float64]

_REACH = 4.0  # standard deviations, beyond which a weight is below 0.0004
_LEAST = 1e-9


def smooth_distributions(
    probabilities: Floats, times: Floats, shots: NDArray[np.intp], seconds: float
) -> Floats:
    """Return distributions smoothed over time within shots.

    Args:
        probabilities: (N, K), each row summing to 1.
        times: (N,), in seconds, ascending.
        shots: (N,), the number of each row's shot, ascending.
        seconds: standard deviation of the kernel; 0 leaves everything as it is.

    Returns:
        (N, K), each row summing to 1.

    >>> rows = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    >>> smooth_distributions(rows, np.arange(3.0), np.array([0, 1, 1]), 1.0).round(3)
    array([[0.9, 0.1],
           [0.1, 0.9],
           [0.1, 0.9]])
    """
    if seconds <= 0:
        return probabilities
    logs = np.log(np.maximum(probabilities, _LEAST))
    return softmax(smooth_values(logs, times, shots, seconds))


def smooth_values(values: Floats, times: Floats, shots: NDArray[np.intp], seconds: float) -> Floats:
    """Return values (N, D) averaged over time within shots; see :func:`smooth_distributions`."""
    if seconds <= 0:
        return values
    smoothed = np.empty_like(values)
    for rows in _parts(shots):
        at, own = times[rows], values[rows]
        for i in range(len(at)):
            low, high = np.searchsorted(at, [at[i] - _REACH * seconds, at[i] + _REACH * seconds])
            near = slice(int(low), max(int(high), i + 1))
            weights = np.exp(-0.5 * ((at[near] - at[i]) / seconds) ** 2)
            smoothed[rows.start + i] = weights @ own[near] / weights.sum()
    return smoothed


def _parts(shots: NDArray[np.intp]) -> list[slice]:
    """Return the rows of each shot."""
    edges = np.flatnonzero(np.diff(shots, prepend=shots[:1] - 1)).tolist()
    return [slice(a, b) for a, b in zip(edges, [*edges[1:], len(shots)], strict=True)]
