from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from evoca.data.crowd import Annotations, crowdlab, dawid_skene, read_annotations
from evoca.data.taxonomies import labels_of
from evoca.errors import DataError

LABELS = labels_of("mikels8")


def _simulated(n: int = 200, voters: int = 10) -> tuple[Annotations, np.ndarray, np.ndarray]:
    """More poor annotators than good ones, five votes an image."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 8, n)
    skill = np.where(np.arange(voters) < voters * 0.6, 0.15, 0.9)
    image = np.repeat(np.arange(n), 5)
    annotator = np.concatenate([random.choice(voters, 5, replace=False) for _ in range(n)])
    right = random.random(len(image)) < skill[annotator]
    label = np.where(right, truth[image], random.integers(0, 8, len(image)))
    names = tuple(f"{i}.jpg" for i in range(n)), tuple(f"w{a}" for a in range(voters))
    return Annotations(*names, LABELS, image, annotator, label), truth, skill


def _slowly(votes: Annotations, rounds: int) -> list[list[float]]:
    """Dawid and Skene's equations, written out with loops."""
    n, a, k = len(votes.images), len(votes.annotators), len(votes.labels)
    cast = list(
        zip(votes.image.tolist(), votes.annotator.tolist(), votes.label.tolist(), strict=True)
    )
    t = [[0.0] * k for _ in range(n)]
    for i, _, label in cast:
        t[i][label] += 1.0
    t = [[x / sum(row) for x in row] for row in t]
    for _ in range(rounds):
        pi = [[[0.01] * k for _ in range(k)] for _ in range(a)]
        for i, w, label in cast:
            for j in range(k):
                pi[w][j][label] += t[i][j]
        pi = [[[x / sum(row) for x in row] for row in table] for table in pi]
        prior = [sum(row[j] for row in t) / n + 1e-12 for j in range(k)]
        log = [[math.log(p) for p in prior] for _ in range(n)]
        for i, w, label in cast:
            for j in range(k):
                log[i][j] += math.log(pi[w][j][label])
        t = [[math.exp(x - max(row)) for x in row] for row in log]
        t = [[x / sum(row) for x in row] for row in t]
    return t


def test_dawid_skene_is_its_equations() -> None:
    votes, _, _ = _simulated(40, 6)
    found = dawid_skene(votes, iterations=7, tolerance=0.0)
    assert found.posterior is not None
    assert np.allclose(found.posterior, _slowly(votes, 7), atol=1e-9)


def test_dawid_skene_learns_whom_to_trust() -> None:
    votes, truth, skill = _simulated()
    found = dawid_skene(votes)
    plurality = votes.counts().argmax(axis=1)
    assert (found.truth == truth).mean() > (plurality == truth).mean()
    assert np.corrcoef(found.reliability, skill)[0, 1] > 0.95
    assert found.posterior is not None
    assert np.allclose(found.posterior.sum(axis=1), 1.0)


def test_a_tie_between_like_annotators_stays_a_tie() -> None:
    pair = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0])
    votes = Annotations(("a", "b"), ("x", "y"), LABELS, *pair)
    assert dawid_skene(votes).truth.tolist() == [-1, -1]


def test_crowdlab_weighs_a_classifier_in() -> None:
    pytest.importorskip("cleanlab")
    votes, truth, skill = _simulated()
    good = np.full((len(truth), 8), 0.05)
    good[np.arange(len(truth)), truth] += 0.6
    found = crowdlab(votes, good)
    plurality = votes.counts().argmax(axis=1)
    assert (found.truth == truth).mean() > (plurality == truth).mean()
    assert np.corrcoef(found.reliability, skill)[0, 1] > 0.9
    with pytest.raises(DataError, match=r"shape \(3, 8\), \(200, 8\) wanted"):
        crowdlab(votes, good[:3])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image,annotator\na,w\n", "no column 'emotion'"),
        ("image,annotator,emotion\na,w,awe\nb,w,joy\n", "row 3: unknown emotion 'joy'"),
        ("image,annotator,emotion\na,,awe\n", "row 2: no annotator"),
        ("image,annotator,emotion\na,w,awe\na,w,fear\n", "row 3: this annotator has voted"),
    ],
)
def test_a_bad_table_of_votes(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "votes.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        read_annotations(path)


def test_reads_votes_by_annotator(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("image,annotator,emotion\na,w,Awe\nb,w,fear\na,v,fear\n")
    votes = read_annotations(path)
    assert (votes.images, votes.annotators) == (("a", "b"), ("w", "v"))
    assert votes.counts().sum(axis=1).tolist() == [2, 1]
