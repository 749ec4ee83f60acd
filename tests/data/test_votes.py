from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoca.data.votes import (
    AGREE_RULES,
    COUNT_RULES,
    Labels,
    agreement,
    apply_rule,
    distribution,
)
from evoca.errors import DataError

Votes = list[list[int]]
few_votes = st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=6)


def _plainly(rule: str, votes: list[int]) -> tuple[bool, int]:
    """The rules' definitions, read off word by word: (kept, label)."""
    total, top = sum(votes), max(votes)
    winners = [k for k, n in enumerate(votes) if n == top and n > 0]
    unique = winners[0] if len(winners) == 1 else -1
    well = unique >= 0 and Fraction(top, total) >= Fraction(1, 2)
    kept = {
        "plurality": total > 0,
        "majority": top > Fraction(total, 2),
        "well": well,
        "noisy": total > 0 and not well,
        "unanimous": total > 0 and top == total,
    }[rule]
    return kept, unique if kept else -1


@given(few_votes)
@pytest.mark.parametrize("rule", COUNT_RULES)
def test_rules_on_counts_are_their_definitions(rule: str, votes: Votes) -> None:
    found = apply_rule(rule, np.array(votes))
    expected = [_plainly(rule, row) for row in votes]
    assert found.kept.tolist() == [kept for kept, _ in expected]
    assert found.truth.tolist() == [label for _, label in expected]
    assert found.tied.tolist() == [kept and label < 0 for kept, label in expected]


@given(few_votes, st.data())
def test_rules_on_agrees_and_disagrees_are_their_definitions(
    agrees: Votes, data: st.DataObject
) -> None:
    disagrees = [data.draw(st.lists(st.integers(0, 4), min_size=3, max_size=3)) for _ in agrees]
    found = {r: apply_rule(r, np.array(agrees), np.array(disagrees)) for r in AGREE_RULES}
    for i, (yes, no) in enumerate(zip(agrees, disagrees, strict=True)):
        asked = [k for k in range(3) if yes[k] + no[k]]
        rank = {k: (Fraction(yes[k], yes[k] + no[k]), yes[k] - no[k]) for k in asked}
        best = max(rank.values(), default=None)
        winners = [k for k in asked if rank[k] == best]
        label = winners[0] if len(winners) == 1 else -1
        share = best[0] if best else None
        for rule, kept in (
            ("agree", share is not None and share > Fraction(1, 2)),
            ("agree-well", share is not None and share >= Fraction(1, 2)),
            ("agree-noisy", share is not None and share < Fraction(1, 2)),
        ):
            assert bool(found[rule].kept[i]) == kept
            assert found[rule].truth[i] == (label if kept else -1)
            assert bool(found[rule].tied[i]) == (kept and label < 0)


@pytest.mark.parametrize(
    ("agrees", "disagrees", "rule", "label", "kept"),
    [
        # Three agree and two disagree that it evokes awe: awe (Sreenivas et al.).
        ([3, 0, 0], [2, 0, 0], "agree", 0, True),
        ([2, 0, 0], [3, 0, 0], "agree", -1, False),
        # An image under two emotions keeps the one it is least divided over.
        ([3, 4, 0], [2, 1, 0], "agree", 1, True),
        # Equal shares: more votes on the same share are a clearer case.
        ([2, 4, 0], [1, 2, 0], "agree", 1, True),
        # As many agree as disagree: in "well" (Agarwal et al.), no majority.
        ([2, 0, 0], [2, 0, 0], "agree-well", 0, True),
        ([2, 0, 0], [2, 0, 0], "agree", -1, False),
        ([1, 0, 0], [4, 0, 0], "agree-noisy", 0, True),
        # Nothing tells these two apart: a tie, never broken.
        ([3, 3, 0], [2, 2, 0], "agree", -1, True),
        ([0, 0, 0], [0, 0, 0], "agree-noisy", -1, False),
    ],
)
def test_the_papers_cases(
    agrees: list[int], disagrees: list[int], rule: str, label: int, kept: bool
) -> None:
    found = apply_rule(rule, np.array([agrees]), np.array([disagrees]))
    assert (found.truth[0], bool(found.kept[0])) == (label, kept)


EXPECTED = {
    "flickr": {"plurality": 10_120, "majority": 7_072, "unanimous": 94},
    "twitter": {"plurality": 9_197, "majority": 6_698, "unanimous": 904},
}
ORDER = ["amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness"]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_real_votes_give_the_published_counts(shared_data: Path, name: str) -> None:
    lines = (shared_data / "ldl" / f"{name}_ldl.txt").read_text().splitlines()
    votes = [[int(n) for n in line.split()[1:]] for line in lines]
    for rule in COUNT_RULES:
        found = apply_rule(rule, np.array(votes))
        plain = Counter(ORDER[k] for _, k in (_plainly(rule, row) for row in votes) if k >= 0)
        assert Counter(ORDER[k] for k in found.truth if k >= 0) == plain
        if rule in EXPECTED[name]:
            assert plain.total() == EXPECTED[name][rule]


@pytest.mark.parametrize(
    ("rule", "votes", "disagrees", "says"),
    [
        ("most", [[1, 0]], None, "no vote rule 'most'; the rules are plurality"),
        ("agree", [[1, 0]], None, "needs disagree counts"),
        ("plurality", [[1, 0], [0, -1]], None, "row 1: votes below zero"),
        ("agree", [[1, 0]], [[-1, 0]], "row 0: votes below zero"),
    ],
)
def test_refuses(rule: str, votes: Votes, disagrees: Votes | None, says: str) -> None:
    with pytest.raises(DataError, match=says):
        apply_rule(rule, np.array(votes), None if disagrees is None else np.array(disagrees))


def test_no_rows() -> None:
    empty = np.zeros((0, 8), dtype=np.int64)
    for rule in COUNT_RULES:
        assert isinstance(apply_rule(rule, empty), Labels)
    assert agreement(empty) is None


def test_a_distribution_is_the_shares_of_votes() -> None:
    found = distribution(np.array([[1, 3, 0], [0, 0, 0]]))
    assert found[0].tolist() == [0.25, 0.75, 0.0]
    assert np.isnan(found[1]).all()


def _by_pairs(votes: Votes) -> tuple[float, float]:
    """Agreement of two viewers, and of one with the rest, by going through them all."""
    pairs, against = [], []
    for row in votes:
        cast = [k for k, n in enumerate(row) for _ in range(n)]
        if len(cast) < 2:
            continue
        same = [a == b for i, a in enumerate(cast) for j, b in enumerate(cast) if i != j]
        pairs.append(sum(same) / len(same))
        hits = []
        for i, own in enumerate(cast):
            others = Counter(cast[:i] + cast[i + 1 :])
            winners = [k for k, n in others.items() if n == max(others.values())]
            hits.append((own in winners) / len(winners))
        against.append(sum(hits) / len(hits))
    return sum(pairs) / len(pairs), sum(against) / len(against)


@given(few_votes)
def test_agreement_is_that_of_going_through_all_viewers(votes: Votes) -> None:
    found = agreement(np.array(votes))
    if found is None:
        assert all(sum(row) < 2 for row in votes)
        return
    pairwise, against = _by_pairs(votes)
    assert found.pairwise == pytest.approx(pairwise)
    assert found.viewer_against_others == pytest.approx(against)
    assert found.images == sum(sum(row) >= 2 for row in votes)


def test_where_all_say_the_same_there_is_no_chance_to_correct_for() -> None:
    found = agreement(np.array([[3, 0], [2, 0]]))
    assert found is not None
    assert (found.kappa, found.pairwise, found.viewer_against_others) == (None, 1.0, 1.0)


def test_fleiss_kappa_of_his_own_example() -> None:
    """Table 1 of Fleiss (1971), as reprinted widely: 10 subjects, 14 raters, kappa 0.210."""
    table = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    found = agreement(np.array(table))
    assert found is not None
    assert found.kappa == pytest.approx(0.210, abs=5e-4)
    assert found.pairwise == pytest.approx(0.378, abs=5e-4)
