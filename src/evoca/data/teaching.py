"""What labelled images of several sources teach about the emotions that are learnt.

Every source has its own vocabulary. A coarser label says that one of several emotions was
evoked, not which, so it teaches their sum; a label without a counterpart says nothing, and the
image counts by what remains. Ratings of valence teach how likely a pleasant emotion is, by the
images of other sources that have both, never an emotion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from evoca.data.manifest.labelled import LabelledImages

__all__ = [
    "PolarityOfValence",
    "Teaching",
    "fit_polarity",
    "shares_with_polarity",
    "source_offsets",
]

FEWEST_WITH_BOTH = 30
"""Images with emotions and a rating of valence that a fit of one on the other needs."""


@dataclass(frozen=True, eq=False)
class Teaching:
    """What n images of several sources teach about K labels.

    Attributes:
        sources: name of each source, the one whose labels are learnt first.
        of: int64 (n,), the source of each image.
        columns: C sets of labels by their positions; the first K hold one label each.
        shares: float64 (n, C), the share of the viewers who named one of a set's labels; a row
            sums to the share that remains, 0 where an image says nothing about emotions.
        vocabularies: the columns that each source's labels have shares in.
        pleasant: float64 (n,), the share of the viewers who rate an image above the middle of
            their scale, from mean and standard deviation; NaN where unknown.
        scale: lowest and highest rating that all ratings were brought to; ``None`` without.
        polarity: the columns of all unpleasant and all pleasant labels; ``None`` where ratings
            teach no polarity.
    """

    sources: tuple[str, ...]
    of: NDArray[np.int64]
    columns: tuple[tuple[int, ...], ...]
    shares: NDArray[np.float64]
    vocabularies: tuple[tuple[int, ...], ...]
    pleasant: NDArray[np.float64]
    scale: tuple[float, float] | None = None
    polarity: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, chosen: NDArray[Any]) -> Teaching:
        return replace(
            self,
            of=self.of[chosen],
            shares=self.shares[chosen],
            pleasant=self.pleasant[chosen],
        )

    @property
    def labels(self) -> int:
        """K."""
        return sum(len(column) == 1 for column in self.columns)

    def matrix(self) -> NDArray[np.float64]:
        """Return which label belongs to which set, (C, K) of 0 and 1."""
        found = np.zeros((len(self.columns), self.labels))
        for row, column in enumerate(self.columns):
            found[row, list(column)] = 1.0
        return found

    def in_words(self, image: int) -> str:
        """Return what an image teaches as text, for fingerprints."""
        sets = ("+".join(map(str, column)) for column in self.columns)
        taught = zip(sets, self.shares[image].tolist(), strict=True)
        known = " ".join(f"{column}:{share:.6f}" for column, share in taught if share)
        pleasant = self.pleasant[image]
        return f"{self.sources[self.of[image]]}\0{known}\0" + (
            "" if np.isnan(pleasant) else f"{pleasant:.6f}"
        )


@dataclass(frozen=True)
class PolarityOfValence:
    """The share of pleasant emotions by valence: a logistic curve.

    Attributes:
        intercept: where valence is the lowest of the scale.
        slope: from the lowest to the highest.
        scale: lowest and highest rating.
        images: how many it was fitted on; 0 where it was not.
    """

    intercept: float
    slope: float
    scale: tuple[float, float]
    images: int

    def __call__(self, valence: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share of pleasant emotions, 0..1, of ratings (n,)."""
        low, high = self.scale
        z = self.intercept + self.slope * (valence - low) / (high - low)
        return np.asarray(1 / (1 + np.exp(-z)))


def fit_polarity(images: LabelledImages) -> PolarityOfValence | None:
    """Return how the share of pleasant emotions depends on valence, by maximum likelihood.

    It is fitted on the images that have both, each weighing as much as the share of its viewers
    who named an emotion with a polarity.

    Args:
        images: of several sources, to learn from.

    Returns:
        ``None`` where too few images have both, so that nothing can be fitted.
    """
    teaching = images.teaching
    if teaching is None or teaching.polarity is None or images.affect is None:
        return None
    assert teaching.scale is not None  # there are ratings
    sides = [set(teaching.columns[column]) for column in teaching.polarity]
    within = [
        [i for i, column in enumerate(teaching.columns) if set(column) <= side] for side in sides
    ]
    bad, good = (teaching.shares[:, columns].sum(axis=1) for columns in within)
    low, high = teaching.scale
    x = (images.affect[:, 0] - low) / (high - low)
    both = np.isfinite(x) & (bad + good > 0)
    if both.sum() < FEWEST_WITH_BOTH or not (bad[both].any() and good[both].any()):
        return None
    intercept, slope = _logistic(x[both], good[both], bad[both])
    return PolarityOfValence(intercept, slope, teaching.scale, int(both.sum()))


def _logistic(
    x: NDArray[np.float64], good: NDArray[np.float64], bad: NDArray[np.float64]
) -> tuple[float, float]:
    """Return intercept and slope of a weighted logistic regression (Newton's method)."""
    design = np.stack([np.ones_like(x), x], axis=1)
    found = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-(design @ found)))
        gradient = design.T @ (good - (good + bad) * p)
        weight = (good + bad) * p * (1 - p)
        # A little ridge keeps the curve finite where valence separates the two.
        hessian = (design * weight[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(hessian, gradient - 1e-3 * found)
        found = found + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-9:
            break
    return float(found[0]), float(found[1])


def shares_with_polarity(
    images: LabelledImages, fitted: PolarityOfValence | None
) -> NDArray[np.float64]:
    """Return what images teach, with the polarity of those that are only rated.

    Args:
        images: of several sources.
        fitted: on images to learn from. Without, the share of the raters above the middle of
            the scale counts where standard deviations are known, and ratings teach no polarity
            where they are not.

    Returns:
        float64 (n, C), see :attr:`Teaching.shares`.
    """
    teaching = images.teaching
    assert teaching is not None  # of several sources
    shares = teaching.shares.copy()
    if teaching.polarity is None or images.affect is None:
        return shares
    pleasant = teaching.pleasant if fitted is None else fitted(images.affect[:, 0])
    silent = (shares.sum(axis=1) == 0) & np.isfinite(pleasant)
    unpleasant_column, pleasant_column = teaching.polarity
    shares[silent, pleasant_column] = pleasant[silent]
    shares[silent, unpleasant_column] = 1 - pleasant[silent]
    return shares


def source_offsets(
    shares: NDArray[np.float64], source: NDArray[np.int64], matrix: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each source's log frequencies of the emotions, less those of the first source.

    The share of a coarser label is divided evenly among its emotions, and an emotion that no
    image of a source has counts as half an image. The first source is the first that teaches
    emotions: its frequencies are those that a model answers for.

    Args:
        shares: float64 (n, C), what images teach.
        source: int64 (n,), of each image.
        matrix: (C, K), which emotion belongs to which column.

    Returns:
        float64 (S, K); 0 for a source that teaches no emotions.
    """
    count = int(source.max(initial=0)) + 1
    evenly = matrix / matrix.sum(axis=1, keepdims=True)
    totals = np.stack([shares[source == i].sum(axis=0) @ evenly for i in range(count)])
    teaches = totals.sum(axis=1) > 0
    whole = np.maximum(totals, 0.5)
    logs = np.log(whole / whole.sum(axis=1, keepdims=True))
    logs -= logs[int(np.argmax(teaches))]
    logs[~teaches] = 0.0
    return np.asarray(logs)
