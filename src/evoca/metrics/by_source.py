"""Figures of each source of labelled images, in the vocabulary that it has.

Labels are joined into groups: those that the source's viewers could not tell apart, and, where
other sources were learnt from, those that these could not tell apart either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoca.emotions import Polarity, label_polarity
from evoca.metrics.bootstrap import Figures, interval, resample, sum_by_group
from evoca.metrics.checks import FloatArray
from evoca.metrics.result import Figure, Report

__all__ = ["SOURCE_FIGURES", "SourceFigures", "as_reported", "common_groups", "source_figures"]

SOURCE_FIGURES = {
    "accuracy": "top emotion, of those told apart",
    "nll": "NLL, nats",
    "polarity_accuracy": "polarity",
    "valence_r_of_positive": "r of P(positive) with rated valence",
    "valence_r": "r of valence",
    "arousal_r": "r of arousal",
    "valence_mae": "mean error of valence",
    "arousal_mae": "mean error of arousal",
    "valence_coverage": "valence within its interval",
    "arousal_coverage": "arousal within its interval",
}
"""The figures of a source, in words."""

_FEWEST_GROUPS = 2
_TIE = 1e-9
_SAME = 1e-9


@dataclass(frozen=True)
class SourceFigures:
    """What predictions of one source's images scored.

    Attributes:
        source: its name.
        images: how many of its images were predicted.
        groups: the groups of labels that are told apart, each joined by a plus.
        figures: name to figure; what the source does not define is left out.
        counts: name of a figure to the images that it is of.
        without_looking: name of a figure to that of the commonest group, or polarity.
    """

    source: str
    images: int
    groups: tuple[str, ...]
    figures: dict[str, Figure]
    counts: dict[str, int]
    without_looking: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "source": self.source,
            "images": self.images,
            "groups": list(self.groups),
            "figures": {name: own.to_dict() for name, own in self.figures.items()},
            "counts": dict(self.counts),
            "without_looking": dict(self.without_looking),
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> SourceFigures:
        """Return the object from the data of :meth:`to_dict`."""
        return cls(
            str(content["source"]),
            int(content["images"]),
            tuple(map(str, content["groups"])),
            {name: Figure.from_dict(own) for name, own in content["figures"].items()},
            {name: int(own) for name, own in content["counts"].items()},
            {name: float(own) for name, own in content["without_looking"].items()},
        )


def as_reported(found: SourceFigures, report: Report) -> SourceFigures:
    """Return the figures of a source with the report's own in the place of those that it has too.

    A figure of the same name is the same one where the source tells all labels apart and its value
    over as many images is equal: it then has one interval, that of the report's draws.

    Args:
        found: of the source whose labels are predicted.
        report: of the same predictions.
    """
    if found.groups != report.labels:
        return found
    same = {
        name: report.figures[name]
        for name, own in found.figures.items()
        if name in report.figures
        and found.counts.get(name) == report.labelled
        and abs(report.figures[name].value - own.value) < _SAME
    }
    return replace(found, figures={**found.figures, **same})


def common_groups(
    labels: int, *vocabularies: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], ...]:
    """Return the finest groups of labels that each vocabulary can tell apart.

    Args:
        labels: K.
        vocabularies: sets of labels by position, each.

    >>> common_groups(3, [(0,), (1,), (2,)], [(0, 1), (2,)])
    ((0, 1), (2,))
    """
    parent = list(range(labels))

    def root(label: int) -> int:
        while parent[label] != label:
            label = parent[label]
        return label

    for vocabulary in vocabularies:
        for column in vocabulary:
            for label in column[1:]:
                first, second = sorted((root(column[0]), root(label)))
                parent[second] = first
    found: dict[int, list[int]] = {}
    for label in range(labels):
        found.setdefault(root(label), []).append(label)
    return tuple(tuple(group) for group in found.values())


def source_figures(
    name: str,
    labels: Sequence[str],
    grouped: Sequence[Sequence[int]],
    shares: FloatArray,
    probabilities: FloatArray,
    clusters: NDArray[np.int64],
    *,
    rated: FloatArray | None = None,
    affect: FloatArray | None = None,
    half_width: FloatArray | None = None,
    middle: float | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> SourceFigures:
    """Return the figures of one source's images, with 95% intervals over clusters of copies.

    Args:
        name: of the source.
        labels: the K labels that are predicted.
        grouped: G groups of their positions.
        shares: (n, G), what the viewers named; all 0 where an image has no emotion.
        probabilities: (R, n, K), predicted in R repeats.
        clusters: (n,), copies share a number and are resampled together.
        rated: (n, 2), rated valence and arousal, NaN where unknown.
        affect: (R, n, 2), predicted ones.
        half_width: (R, n, 2), half the widths of their intervals.
        middle: of the scale of the ratings.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Returns:
        ``accuracy`` (the likeliest group against the one most viewers named, ties left out),
        ``nll`` (cross-entropy of what they named, nats), ``polarity_accuracy`` (of ratings where
        there are any, else of groups with one polarity), ``valence_r_of_positive`` (correlation
        of rated valence with the probability of the pleasant emotions), ``valence_r``,
        ``arousal_r``, ``valence_mae`` and ``arousal_mae`` (of the ratings predicted),
        ``valence_coverage`` and ``arousal_coverage`` (ratings inside their intervals).
    """
    sums = np.stack([probabilities[..., list(group)].sum(axis=-1) for group in grouped], axis=-1)
    polarity = [label_polarity(label) for label in labels]
    positive = probabilities[..., [p is Polarity.POSITIVE for p in polarity]].sum(axis=-1)
    columns: dict[str, FloatArray] = {}
    pairs: dict[str, tuple[FloatArray, FloatArray]] = {}
    without: dict[str, float] = {}
    named = shares.sum(axis=1) > 0
    if named.any() and len(grouped) > 1:
        order = np.sort(shares, axis=1)
        known = named & (order[:, -1] > order[:, -2] + _TIE)
        top = shares.argmax(axis=1)
        columns["accuracy"] = np.where(known, sums.argmax(axis=-1) == top, np.nan)
        without["accuracy"] = float(np.bincount(top[known]).max(initial=0) / max(known.sum(), 1))
        own = shares / np.where(named, shares.sum(axis=1), 1)[:, None]
        loss = -(own * np.log(np.maximum(sums, 1e-12))).sum(axis=-1)
        columns["nll"] = np.where(named, loss, np.nan)
    pleasant = _pleasant(labels, grouped, shares, rated, middle)
    if None not in polarity and np.isfinite(pleasant).any():
        right = (positive > 0.5) == (pleasant > 0)
        columns["polarity_accuracy"] = np.where(np.isfinite(pleasant), right, np.nan)
        share = float((pleasant[np.isfinite(pleasant)] > 0).mean())
        without["polarity_accuracy"] = max(share, 1 - share)
    if rated is not None and np.isfinite(rated[:, 0]).any():
        if None not in polarity:
            pairs["valence_r_of_positive"] = positive, rated[:, 0]
        for i, scale in enumerate(("valence", "arousal")):
            if affect is None:
                break
            pairs[f"{scale}_r"] = affect[..., i], rated[:, i]
            away = np.abs(affect[..., i] - rated[:, i])
            columns[f"{scale}_mae"] = away
            if half_width is not None:
                inside = away <= half_width[..., i]
                columns[f"{scale}_coverage"] = np.where(np.isfinite(away), inside, np.nan)
    index = np.unique(clusters, return_inverse=True)[1]
    count = int(index.max(initial=-1)) + 1
    if count < _FEWEST_GROUPS:
        return SourceFigures(name, len(shares), _names(labels, grouped), {}, {}, without)
    runs = len(probabilities)
    totals: list[dict[str, FloatArray]] = [{}, {}]
    for run in range(runs):
        found = resample(
            partial(
                _figures,
                {key: _sums_of_mean(_run(own, run), index, count) for key, own in columns.items()},
                {
                    key: _sums_of_pair(_run(x, run), y, index, count)
                    for key, (x, y) in pairs.items()
                },
            ),
            count,
            draws,
            seed,
        )
        for total, one in zip(totals, found, strict=True):
            for key, values in one.items():
                total[key] = total.get(key, 0.0) + values / runs
    figures = {}
    for key, value in totals[0].items():
        low, high = interval(totals[1][key])
        if np.isfinite([value, low, high]).all():  # no correlation with equal ratings
            figures[key] = Figure(float(value), (float(low), float(high)))
    counts = {key: int(np.isfinite(_run(own, 0)).sum()) for key, own in columns.items()}
    counts |= {key: int(np.isfinite(y).sum()) for key, (_, y) in pairs.items()}
    return SourceFigures(name, len(shares), _names(labels, grouped), figures, counts, without)


def _names(labels: Sequence[str], grouped: Sequence[Sequence[int]]) -> tuple[str, ...]:
    return tuple("+".join(labels[i] for i in group) for group in grouped)


def _run(values: FloatArray, run: int) -> FloatArray:
    return values if values.ndim == 1 else values[run]


def _pleasant(
    labels: Sequence[str],
    grouped: Sequence[Sequence[int]],
    shares: FloatArray,
    rated: FloatArray | None,
    middle: float | None,
) -> FloatArray:
    """Return which side an image is on, (n,): above 0 pleasant, NaN where neither or unknown."""
    if rated is not None and middle is not None and np.isfinite(rated[:, 0]).any():
        side = rated[:, 0] - middle
    else:
        side = np.zeros(len(shares))
        for column, group in zip(shares.T, grouped, strict=True):
            found = {label_polarity(labels[i]) for i in group}
            if found == {Polarity.POSITIVE}:
                side = side + column
            elif found == {Polarity.NEGATIVE}:
                side = side - column
    return np.where(np.abs(side) > _TIE, side, np.nan)


def _sums_of_mean(values: FloatArray, index: NDArray[np.int64], count: int) -> FloatArray:
    known = np.isfinite(values)
    rows = np.stack([np.where(known, values, 0.0), known.astype(np.float64)], axis=1)
    return sum_by_group(rows, index, count)


def _sums_of_pair(x: FloatArray, y: FloatArray, index: NDArray[np.int64], count: int) -> FloatArray:
    known = np.isfinite(y)
    # Centred, so that the sums of squares do not cancel.
    x, y = (np.where(known, own - own[known].mean(), 0.0) for own in (x, y))
    rows = np.stack([known.astype(np.float64), x, y, x * x, y * y, x * y], axis=1)
    return sum_by_group(rows, index, count)


def _figures(
    means: dict[str, FloatArray], pairs: dict[str, FloatArray], counts: FloatArray
) -> Figures:
    found: dict[str, FloatArray] = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        for name, sums in means.items():
            total, n = (counts @ sums).T
            found[name] = total / n
        for name, sums in pairs.items():
            n, x, y, xx, yy, xy = (counts @ sums).T
            spread = np.sqrt((xx - x * x / n) * (yy - y * y / n))
            found[name] = np.where(spread > _TIE, (xy - x * y / n) / spread, np.nan)
    return found
