"""From raw votes to labels, by rules with names.

Votes are counts, one column per emotion. Where the source also counts how many viewers
*disagreed* that an image evokes an emotion, the rules of the FI papers apply. No rule
breaks a tie: a tied image gets no label and is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from evoca.errors import DataError

__all__ = [
    "AGREE_RULES",
    "COUNT_RULES",
    "RULES",
    "Agreement",
    "Approval",
    "Labels",
    "agreement",
    "apply_rule",
    "approval",
    "distribution",
    "most_likely",
]

Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Labels:
    """The labels of n images by a rule.

    Attributes:
        truth: int64 (n,), index of the label; -1 where the rule gives none.
        kept: bool (n,), whether the image meets the rule, tied images included.
        tied: bool (n,), kept, but without a label because of a tie.
    """

    truth: NDArray[np.int64]
    kept: NDArray[np.bool_]
    tied: NDArray[np.bool_]


@dataclass(frozen=True)
class _Tally:
    """Per image: votes in all, the most votes, and whose they are (-1 if tied or none)."""

    total: Counts
    top: Counts
    winner: NDArray[np.int64]


def _tally(votes: Counts) -> _Tally:
    top = votes.max(axis=1)
    unique = ((votes == top[:, None]).sum(axis=1) == 1) & (top > 0)
    return _Tally(votes.sum(axis=1), top, np.where(unique, votes.argmax(axis=1), -1))


def _labels(winner: NDArray[np.int64], kept: NDArray[np.bool_]) -> Labels:
    return Labels(np.where(kept, winner, -1), kept, kept & (winner < 0))


def _plurality(votes: Counts) -> Labels:
    """Return the unique maximum; all voted images are kept, tied ones without a label."""
    tally = _tally(votes)
    return _labels(tally.winner, tally.total > 0)


def _majority(votes: Counts) -> Labels:
    """Return labels with more than half of all votes."""
    tally = _tally(votes)
    return _labels(tally.winner, 2 * tally.top > tally.total)


def _is_well(tally: _Tally) -> NDArray[np.bool_]:
    return (tally.winner >= 0) & (2 * tally.top >= tally.total)


def _well(votes: Counts) -> Labels:
    """Return labels with at least half of all votes, and untied."""
    tally = _tally(votes)
    return _labels(tally.winner, _is_well(tally))


def _noisy(votes: Counts) -> Labels:
    """Return labels of the voted images that are not ``well``."""
    tally = _tally(votes)
    return _labels(tally.winner, (tally.total > 0) & ~_is_well(tally))


def _unanimous(votes: Counts) -> Labels:
    """Return labels with all votes."""
    tally = _tally(votes)
    return _labels(tally.winner, (tally.top == tally.total) & (tally.total > 0))


@dataclass(frozen=True)
class _Salience:
    """The most salient emotion of each image, and its votes."""

    winner: NDArray[np.int64]
    agrees: Counts
    disagrees: Counts
    asked: NDArray[np.bool_]


def _salience(agrees: Counts, disagrees: Counts) -> _Salience:
    """Return the most salient emotion: the highest share of agrees, then the larger margin.

    Sreenivas et al. (2018) take "the most salient label (least divisive based on number
    of agrees and disagrees)" and print no formula; this is our reading. What is equal in
    both share and margin is a tie.
    """
    votes = agrees + disagrees
    asked = np.asarray(votes.any(axis=1))
    share = np.where(votes > 0, agrees / np.maximum(votes, 1), -1.0)
    # Two shares of at most v votes differ by 1 / v^2 or more; a margin, at most v, over
    # 4 v^3 stays below that and so orders equal shares only.
    largest = max(int(votes.max(initial=1)), 1)
    score = share + (agrees - disagrees) / (4.0 * largest**3)
    close = score.max(axis=1, keepdims=True) - score <= 1e-12
    chosen = score.argmax(axis=1)
    rows = np.arange(len(agrees))
    winner = np.where((close.sum(axis=1) == 1) & asked, chosen, -1)
    return _Salience(winner, agrees[rows, chosen], disagrees[rows, chosen], asked)


def _agree(agrees: Counts, disagrees: Counts) -> Labels:
    """Return the most salient emotion with more agrees than disagrees (Sreenivas et al. 2018)."""
    found = _salience(agrees, disagrees)
    return _labels(found.winner, found.agrees > found.disagrees)


def _agree_well(agrees: Counts, disagrees: Counts) -> Labels:
    """Return labels that at least half agree with, ties included (Agarwal et al. 2019)."""
    found = _salience(agrees, disagrees)
    return _labels(found.winner, found.asked & (found.agrees >= found.disagrees))


def _agree_noisy(agrees: Counts, disagrees: Counts) -> Labels:
    """Return labels of the images that are not ``agree-well`` (Agarwal et al. 2019)."""
    found = _salience(agrees, disagrees)
    return _labels(found.winner, found.asked & (found.agrees < found.disagrees))


COUNT_RULES: Mapping[str, Callable[[Counts], Labels]] = MappingProxyType(
    {
        "plurality": _plurality,
        "majority": _majority,
        "well": _well,
        "noisy": _noisy,
        "unanimous": _unanimous,
    }
)
"""Rules on votes alone."""

AGREE_RULES: Mapping[str, Callable[[Counts, Counts], Labels]] = MappingProxyType(
    {"agree": _agree, "agree-well": _agree_well, "agree-noisy": _agree_noisy}
)
"""Rules on agrees and disagrees; they need disagree counts."""

RULES: tuple[str, ...] = (*COUNT_RULES, *AGREE_RULES)


def apply_rule(rule: str, votes: Counts, disagrees: Counts | None = None) -> Labels:
    """Return the labels of images by a rule.

    Args:
        rule: one of :data:`RULES`.
        votes: int64 (n, K), votes for (agrees with) each emotion.
        disagrees: int64 (n, K), where the source counts them.

    Raises:
        DataError: no such rule, a count below zero, or a rule on agrees and disagrees
            without disagree counts.

    >>> apply_rule("well", np.array([[2, 1, 1], [2, 2, 0], [3, 0, 0]])).truth.tolist()
    [0, -1, 0]
    """
    if rule not in RULES:
        raise DataError(f"no vote rule {rule!r}; the rules are {', '.join(RULES)}")
    for counts in (votes, disagrees):
        if counts is not None and counts.size and counts.min() < 0:
            raise DataError(f"row {int((counts.min(axis=1) < 0).argmax())}: votes below zero")
    if rule in COUNT_RULES:
        return COUNT_RULES[rule](votes)
    if disagrees is None:
        raise DataError(f"the rule {rule} needs disagree counts (columns disagree_<emotion>)")
    return AGREE_RULES[rule](votes, disagrees)


def distribution(votes: Counts) -> NDArray[np.float64]:
    """Return each emotion's share of an image's votes, float64 (n, K); NaN without votes.

    >>> distribution(np.array([[3, 1], [0, 0]])).tolist()
    [[0.75, 0.25], [nan, nan]]
    """
    total = votes.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(votes / np.where(total > 0, total, np.nan))


def most_likely(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the label of the unique maximum, int64 (n,); -1 where it ties or is unknown.

    Args:
        shares: float64 (n, K); NaN counts as 0. Shares within 1e-6 are equal: published
            tables are rounded.

    >>> most_likely(np.array([[0.2, 0.8], [0.5, 0.5], [np.nan, np.nan]])).tolist()
    [1, -1, -1]
    """
    filled = np.nan_to_num(shares, nan=0.0)
    top = filled.max(axis=1, keepdims=True)
    unique = ((top - filled <= 1e-6).sum(axis=1) == 1) & (top[:, 0] > 0)
    return np.where(unique, filled.argmax(axis=1), -1)


@dataclass(frozen=True)
class Agreement:
    """The agreement of viewers; fractions 0..1 over the images with at least two votes.

    Attributes:
        images: how many those are.
        voters: the mean number of votes per image.
        modal_share: mean share of the most voted emotion: how often the best possible
            single label of each image agrees with a viewer taken at random. No model can
            agree more with single viewers.
        pairwise: how often two viewers of one image agree.
        kappa: Fleiss' kappa (1971), pairwise agreement beyond chance, at most 1; ``None``
            where every vote is for one emotion.
        viewer_against_others: how often a viewer's vote is the plurality of all the
            *other* viewers of the image, a tie of m emotions counting 1 / m. This is the
            accuracy of a person on labels that the others made: the human ceiling.
    """

    images: int
    voters: float
    modal_share: float
    pairwise: float
    kappa: float | None
    viewer_against_others: float


def agreement(votes: Counts) -> Agreement | None:
    """Return the agreement of viewers; ``None`` without an image of two votes or more.

    Source of kappa: Fleiss (1971), "Measuring nominal scale agreement among many raters".
    """
    votes = votes[votes.sum(axis=1) >= 2]
    if not len(votes):
        return None
    total = votes.sum(axis=1)
    pairs = (votes * (votes - 1)).sum(axis=1) / (total * (total - 1))
    chance = float(((votes.sum(axis=0) / votes.sum()) ** 2).sum())
    pairwise = float(pairs.mean())
    return Agreement(
        images=len(votes),
        voters=float(total.mean()),
        modal_share=float((votes.max(axis=1) / total).mean()),
        pairwise=pairwise,
        kappa=(pairwise - chance) / (1 - chance) if chance < 1 else None,
        viewer_against_others=_viewer_against_others(votes),
    )


@dataclass(frozen=True)
class Approval:
    """The approval of labels by viewers asked about one emotion each; fractions 0..1.

    Attributes:
        images: whose label some viewer was asked about.
        viewers: the mean number of those per image.
        agree: how often one of them agrees with the label: the human ceiling of a question
            that is answered by yes or no. Nobody chose among all emotions.
        unanimous: share of the images whose label every viewer agrees with.
    """

    images: int
    viewers: float
    agree: float
    unanimous: float


def approval(agrees: Counts, disagrees: Counts, labels: NDArray[np.int64]) -> Approval | None:
    """Return how far viewers approve of the labels; ``None`` where none was asked.

    Args:
        agrees: (n, K) of the viewers asked about each emotion.
        disagrees: (n, K) likewise.
        labels: (n,) positions of the labels; -1 for none.
    """
    known = np.flatnonzero(labels >= 0)
    yes, no = agrees[known, labels[known]], disagrees[known, labels[known]]
    asked = yes + no > 0
    yes, no = yes[asked], no[asked]
    if not len(yes):
        return None
    return Approval(
        images=len(yes),
        viewers=float((yes + no).mean()),
        agree=float((yes / (yes + no)).mean()),
        unanimous=float((no == 0).mean()),
    )


def _viewer_against_others(votes: Counts) -> float:
    """Return how often a vote is the plurality of the rest, each vote left out in turn."""
    hits = np.zeros(len(votes))
    for k in range(votes.shape[1]):
        rest = votes.copy()
        rest[:, k] -= 1
        top = rest.max(axis=1)
        wins = (rest[:, k] == top) / (rest == top[:, None]).sum(axis=1)
        hits += votes[:, k] * np.where(votes[:, k] > 0, wins, 0.0)
    return float((hits / votes.sum(axis=1)).mean())
