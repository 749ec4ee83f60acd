"""How what images evoke goes with an outcome: rank correlations, intervals and p-values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evoca.collection.confounders import TRAITS, traits_of_images
from evoca.collection.outcomes import Joined, join_outcomes
from evoca.collection.tags import Tags
from evoca.errors import DataError
from evoca.images import printable_name
from evoca.metrics import Figure
from evoca.metrics.bootstrap import draw_counts, interval
from evoca.metrics.checks import FloatArray, IntArray, group_index
from evoca.metrics.rank_correlation import (
    Ranked,
    correlations,
    partial_correlation,
    ranks_within,
    shuffled_correlations,
)
from evoca.metrics.significance import holm, p_value
from evoca.progress import Announce, silent
from evoca.words import counted

__all__ = ["LEAST_GROUPS", "LEAST_ROWS", "Association", "Relation", "relate"]

LEAST_ROWS, LEAST_GROUPS = 20, 5
"""Fewer images, or groups of them, give no interval that is worth reading."""


@dataclass(frozen=True)
class Association:
    """How one measure goes with the outcome, as Spearman's rank correlation, -1..1.

    Attributes:
        name: an emotion, ``polarity``, ``valence``, ``arousal``, or a confounder.
        overall: over all images.
        within: of ranks within groups; ``None`` without groups.
        partial: with the confounders held fixed, within groups where there are any; ``None``
            where no confounders were asked for, or for a confounder itself.
        p: of a permutation test of ``within``, or without groups of ``overall``.
        p_holm: corrected for all emotions; ``None`` for what is no emotion.
    """

    name: str
    overall: Figure
    within: Figure | None
    partial: Figure | None
    p: float
    p_holm: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; what is not defined is ``None``."""
        figures = {"spearman": self.overall, "within": self.within, "partial": self.partial}
        return {
            "name": self.name,
            **{name: None if one is None else one.to_dict() for name, one in figures.items()},
            "p": None if math.isnan(self.p) else self.p,
            "p_holm": self.p_holm,
        }


@dataclass(frozen=True)
class Relation:
    """How what images evoke goes with an outcome.

    Attributes:
        outcome: name of its column.
        rows: how many images have both.
        groups: how many groups they form; ``None`` where none were asked for.
        joined: how the tables were joined: ``by_path``, ``by_name``, ``without_prediction``,
            ``without_outcome``, ``empty``, ``unread`` to a number of rows.
        emotions: an association each.
        measures: of polarity, valence and arousal.
        confounders: of the confounders themselves.
    """

    outcome: str
    rows: int
    groups: int | None
    joined: dict[str, int]
    emotions: tuple[Association, ...]
    measures: tuple[Association, ...]
    confounders: tuple[Association, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, as ``evoca relate --format json`` prints it."""
        return {
            "schema_version": 1,
            "outcome": self.outcome,
            "n": self.rows,
            "groups": self.groups,
            "joined": self.joined,
            "emotions": [one.to_dict() for one in self.emotions],
            "measures": [one.to_dict() for one in self.measures],
            "confounders": [one.to_dict() for one in self.confounders],
        }


def relate(
    tags: Tags,
    outcomes: Path,
    column: str,
    *,
    group: str | None = None,
    confounders: Sequence[str] = (),
    draws: int = 1000,
    seed: int = 0,
    announce: Announce = silent,
) -> Relation:
    """Return how each emotion, polarity, valence and arousal go with an outcome.

    Spearman's correlation, with a 95% percentile interval of a bootstrap that draws whole
    groups, and the p-value of a test that shuffles the outcome within groups. It does not say
    what causes what.

    Args:
        tags: predictions.
        outcomes: CSV or Parquet with ``path`` and the column.
        column: of the outcome; numbers.
        group: column that says which images belong together, such as a campaign.
        confounders: ``brightness``, ``faces`` and ``text``, which are read off the images, or
            columns of the outcomes.
        draws: of the bootstrap, and of the test.
        seed: of both.
        announce: shows progress.

    Raises:
        DataError: a column that is not there, fewer than :data:`LEAST_ROWS` images or
            :data:`LEAST_GROUPS` groups, or an outcome that never varies.
        MissingExtraError: faces or text without the extra ``vision``.
    """
    others = [name for name in confounders if name not in TRAITS]
    joined = join_outcomes(tags, outcomes, column, group=group, others=others)
    where = printable_name(outcomes)
    _check_enough(joined, column, where)
    given = {**joined.others, **_traits(tags, joined, confounders, announce)}
    given = {name: given[name] for name in confounders}
    read = ~np.isnan(np.stack([joined.outcome, *given.values()])).any(axis=0)
    groups = None if joined.groups is None else joined.groups[read]
    index = group_index(groups, int(read.sum()))
    _check_groups(index, group, where)
    names = [*joined.measures, *given]
    columns = np.stack([*joined.measures.values(), *given.values(), joined.outcome])[:, read]
    figures = _Figures(columns, names, index, grouped=group is not None, given=len(given))
    found = figures.associations(tags.labels, draws, seed, announce)
    count = len(tags.labels)
    return Relation(
        outcome=column,
        rows=int(read.sum()),
        groups=None if group is None else int(index.max()) + 1,
        joined={
            "by_path": len(joined) - joined.by_name,
            "by_name": joined.by_name,
            "without_prediction": joined.unmatched,
            "without_outcome": joined.without_outcome,
            "empty": joined.empty,
            "unread": int((~read).sum()),
        },
        emotions=found[:count],
        measures=found[count : len(joined.measures)],
        confounders=found[len(joined.measures) :],
    )


def _traits(
    tags: Tags, joined: Joined, confounders: Sequence[str], announce: Announce
) -> dict[str, FloatArray]:
    names = [name for name in confounders if name in TRAITS]
    if not names:
        return {}
    return traits_of_images([tags.file_of(path) for path in joined.paths], names, announce)


def _check_enough(joined: Joined, column: str, where: str) -> None:
    if len(joined) < LEAST_ROWS:
        raise DataError(
            f"{where}: {counted(len(joined), 'image has', 'images have')} a prediction and a "
            f"number in {column}, and at "
            f"least {LEAST_ROWS} are needed "
            f"({counted(joined.unmatched, 'row names', 'rows name')} no image of the "
            f"predictions, {joined.empty:,} have an empty cell)"
        )
    if (joined.outcome == joined.outcome[0]).all():
        raise DataError(
            f"{where}: {column} is {joined.outcome[0]:g} in every row: nothing to relate"
        )


def _check_groups(index: IntArray, group: str | None, where: str) -> None:
    if len(index) < LEAST_ROWS:
        raise DataError(f"{where}: only {len(index)} of the images can be read")
    if group is None:
        return
    groups = int(index.max()) + 1
    if groups < LEAST_GROUPS:
        raise DataError(
            f"{where}: {group} has {counted(groups, 'group')}, and an interval over groups needs "
            f"at least {LEAST_GROUPS}"
        )
    if groups == len(index):
        raise DataError(f"{where}: {group} differs in every row: leave --group out")


class _Figures:
    """The correlations of m columns with the last one, under any weights of groups."""

    def __init__(
        self,
        columns: FloatArray,
        names: Sequence[str],
        index: IntArray,
        *,
        grouped: bool,
        given: int,
    ) -> None:
        self._names, self._index = names, index
        self._ranked = Ranked(columns)
        self._within = ranks_within(columns, index) if grouped else None
        last = len(columns) - 1
        self._given = np.arange(last - given, last)

    def associations(
        self, emotions: Sequence[str], draws: int, seed: int, announce: Announce
    ) -> tuple[Association, ...]:
        groups = int(self._index.max()) + 1
        point = self._of(np.ones(groups))
        advance = announce("drawing groups", draws)
        drawn = []
        for chunk in draw_counts(groups, draws, seed):
            for counts in chunk:
                drawn.append(self._of(counts))
                advance(1)
        ends = interval(np.stack(drawn))
        p_values = self._p_values(point, draws, seed, announce)
        # An emotion that never varies was a comparison too.
        corrected = holm(np.nan_to_num(p_values[: len(emotions)], nan=1.0).tolist())
        return tuple(
            Association(
                name=name,
                overall=_figure(point, ends, 0, i),
                within=None if self._within is None else _figure(point, ends, 1, i),
                partial=_figure(point, ends, 2, i) if self._is_given_others(i) else None,
                p=float(p_values[i]),
                p_holm=float(corrected[i]) if i < len(emotions) else None,
            )
            for i, name in enumerate(self._names)
        )

    def _is_given_others(self, i: int) -> bool:
        return len(self._given) > 0 and i < self._given[0]

    def _of(self, counts: FloatArray) -> FloatArray:
        """Return the correlations overall, within groups and given others, (3, m - 1)."""
        weights = counts[self._index]
        overall = correlations(self._ranked.ranks(weights), weights)
        within = overall if self._within is None else correlations(self._within, weights)
        outcome = len(overall) - 1
        partial = [
            partial_correlation(within, i, outcome, self._given)
            if self._is_given_others(i)
            else np.nan
            for i in range(outcome)
        ]
        return np.stack([overall[:-1, -1], within[:-1, -1], partial])

    def _p_values(self, point: FloatArray, draws: int, seed: int, announce: Announce) -> FloatArray:
        ones = np.ones(len(self._index))
        ranks = self._ranked.ranks(ones) if self._within is None else self._within
        free = np.zeros_like(self._index) if self._within is None else self._index
        advance = announce("shuffling", draws)
        chance = shuffled_correlations(
            ranks[:-1], ranks[-1], free, draws=draws, seed=seed, advance=advance
        )
        return np.array([p_value(float(r), own) for r, own in zip(point[1], chance.T, strict=True)])


def _figure(point: FloatArray, ends: FloatArray, kind: int, i: int) -> Figure:
    low, high = ends[:, kind, i].tolist()
    return Figure(float(point[kind, i]), (low, high))
