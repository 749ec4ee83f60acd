from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from evoca.commands.data.app import app
from evoca.data.crowd import Annotations, cautions, crowdlab, dawid_skene, read_annotations
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
    """The same model, written out with loops: one coin an annotator, then whole matrices."""
    n, a, k = len(votes.images), len(votes.annotators), len(votes.labels)
    cast = list(
        zip(votes.image.tolist(), votes.annotator.tolist(), votes.label.tolist(), strict=True)
    )
    voters = [sum(i == image for i, _, _ in cast) for image in range(n)]
    told = [(i, w, label) for i, w, label in cast if voters[i] > 1]
    start = [[0.0] * k for _ in range(n)]
    for i, _, label in cast:
        start[i][label] += 1.0
    start = [[x / sum(row) for x in row] for row in start]

    def coins_of(t: list[list[float]]) -> list[float]:
        average = (1 + sum(t[i][label] for i, _, label in told)) / (2 + len(told))
        own = [[t[i][label] for i, voter, label in told if voter == w] for w in range(a)]
        return [(4 * average + sum(right)) / (4 + len(right)) for right in own]

    def table_of(coin: float, weight: float) -> list[list[float]]:
        off = weight * (1 - coin) / (k - 1)
        return [[weight * coin if j == m else off for m in range(k)] for j in range(k)]

    def rounds_of(matrices: Callable[[list[list[float]]], list[list[list[float]]]]) -> Any:
        t = start
        for _ in range(rounds):
            pi = matrices(t)
            prior = [(1 + sum(row[j] for row in t)) / (n + k) for j in range(k)]
            log = [[math.log(p) for p in prior] for _ in range(n)]
            for i, w, label in cast:
                for j in range(k):
                    log[i][j] += math.log(pi[w][j][label])
            t = [[math.exp(x - max(row)) for x in row] for row in log]
            t = [[x / sum(row) for x in row] for row in t]
        return t

    coins = coins_of(rounds_of(lambda t: [table_of(coin, 1) for coin in coins_of(t)]))

    def full(t: list[list[float]]) -> list[list[list[float]]]:
        pi = [table_of(coin, k / 2) for coin in coins]
        for i, w, label in told:
            for j in range(k):
                pi[w][j][label] += t[i][j]
        return [[[x / sum(row) for x in row] for row in table] for table in pi]

    return rounds_of(full)


def test_dawid_skene_is_its_equations() -> None:
    votes, _, _ = _simulated(40, 6)
    # Images that one annotator saw say nothing of that annotator.
    alone = np.arange(40, 43), np.array([0, 1, 1]), np.array([3, 4, 4])
    votes = Annotations(
        (*votes.images, "a", "b", "c"),
        votes.annotators,
        LABELS,
        *(
            np.concatenate(pair)
            for pair in zip((votes.image, votes.annotator, votes.label), alone, strict=True)
        ),
    )
    found = dawid_skene(votes, iterations=7, tolerance=0.0)
    assert found.posterior is not None
    assert np.allclose(found.posterior, _slowly(votes, 7), atol=1e-9)


def _published(votes: Annotations, rounds: int = 100) -> np.ndarray:
    """Dawid and Skene's maximum likelihood as published, without priors: the reference."""
    image, annotator, label = votes.image, votes.annotator, votes.label
    counts = votes.counts().astype(float)
    t = counts / counts.sum(axis=1, keepdims=True)
    k = len(votes.labels)
    for _ in range(rounds):
        pi = np.zeros((len(votes.annotators), k, k))
        np.add.at(pi.transpose(0, 2, 1), (annotator, label), t[image])
        total = pi.sum(axis=2, keepdims=True)
        pi = np.divide(pi, total, out=np.full_like(pi, 1 / k), where=total > 0)
        log = np.tile(np.log(t.mean(axis=0) + 1e-12), (len(t), 1))
        np.add.at(log, image, np.log(pi + 1e-12)[annotator, :, label])
        t = np.exp(log - log.max(axis=1, keepdims=True))
        t /= t.sum(axis=1, keepdims=True)
    return t


def _crowd(shape: str, seed: int) -> tuple[Annotations, np.ndarray]:
    """Crowds whose annotators have few votes, are careless, or confuse some emotions."""
    random = np.random.default_rng(seed)
    n, a, v, shares = 200, 60, 3, np.full(8, 1 / 8)
    skill = random.beta(6, 3, 60)
    match shape:
        case "few votes, rare emotions":
            shares = np.array([0.4, 0.05, 0.2, 0.15, 0.03, 0.1, 0.05, 0.02])
        case "two votes an image":
            v = 2
        case "a third says one word":
            a, v, skill = 30, 5, np.where(np.arange(30) < 10, 0.0, 0.7)
        case "most are poor":
            a, v, skill = 10, 5, np.where(np.arange(10) < 6, 0.15, 0.9)
        case "half confuse two pairs":
            n, a, v, skill = 400, 12, 5, np.full(12, 0.7)
        case "all see all":
            n, a, v, skill = 300, 8, 8, random.beta(5, 4, 8)
    confusion = np.repeat(((1 - skill) / 7)[:, None, None], 8, axis=1).repeat(8, axis=2)
    confusion[:, np.arange(8), np.arange(8)] = skill[:, None]
    if shape == "a third says one word":
        confusion[:10] = np.eye(8)[np.arange(10) % 8][:, None, :]
    if shape == "half confuse two pairs":
        confusion[:6] = 0.8 * np.eye(8) + 0.025
        confusion[:6, 1] = 0.1 * np.eye(8)[1] + 0.9 * np.eye(8)[6]
        confusion[:6, 2] = 0.2 * np.eye(8)[2] + 0.8 * np.eye(8)[3]
    truth = random.choice(8, n, p=shares)
    image = np.repeat(np.arange(n), v)
    annotator = np.concatenate([random.choice(a, v, replace=False) for _ in range(n)])
    rows = confusion[annotator, truth[image]]
    label = np.array([random.choice(8, p=row / row.sum()) for row in rows])
    names = tuple(f"{i}.jpg" for i in range(n)), tuple(f"w{i}" for i in range(a))
    return Annotations(*names, LABELS, image, annotator, label), truth


def _right(shares: np.ndarray, truth: np.ndarray) -> float:
    """Share of images whose likeliest label is the truth; a tie of m counts 1 / m."""
    tied = shares.max(axis=1, keepdims=True) - shares <= 1e-6
    return float((tied[np.arange(len(truth)), truth] / tied.sum(axis=1)).mean())


@pytest.mark.parametrize(
    ("shape", "above_plurality", "above_published"),
    [
        ("few votes", -0.02, 0.1),
        ("few votes, rare emotions", 0.02, 0.1),
        ("two votes an image", 0.02, 0.1),
        ("a third says one word", 0.02, -0.02),
        ("most are poor", 0.1, 0.02),
        ("half confuse two pairs", 0.06, -0.02),
        ("all see all", -0.02, -0.01),
    ],
)
def test_dawid_skene_beside_plurality_and_the_published_method(
    shape: str, above_plurality: float, above_published: float
) -> None:
    crowds = [_crowd(shape, seed) for seed in range(3)]
    own, plurality, published = np.mean(
        [
            [
                _right(dawid_skene(votes).posterior, truth),
                _right(votes.counts().astype(float), truth),
                _right(_published(votes, 40), truth),
            ]
            for votes, truth in crowds
        ],
        axis=0,
    )
    assert own >= plurality + above_plurality, (own, plurality, published)
    assert own >= published + above_published, (own, plurality, published)


def test_with_many_votes_the_priors_hardly_count() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 8, 1500)
    image, annotator = np.repeat(np.arange(1500), 5), np.tile(np.arange(5), 1500)
    right = random.random(7500) < np.array([0.9, 0.8, 0.7, 0.6, 0.5])[annotator]
    label = np.where(right, truth[image], random.integers(0, 8, 7500))
    names = tuple(map(str, range(1500))), tuple("abcde")
    votes = Annotations(*names, LABELS, image, annotator, label)
    same = dawid_skene(votes).truth == _published(votes, 40).argmax(axis=1)
    assert same.mean() > 0.99


def test_dawid_skene_learns_whom_to_trust() -> None:
    votes, truth, skill = _simulated()
    found = dawid_skene(votes)
    plurality = votes.counts().argmax(axis=1)
    assert (found.truth == truth).mean() > (plurality == truth).mean()
    assert np.corrcoef(found.reliability, skill)[0, 1] > 0.95
    assert found.posterior is not None
    assert np.allclose(found.posterior.sum(axis=1), 1.0)


@pytest.mark.parametrize("rule", ["dawid-skene", "crowdlab"])
@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([(i, f"w{i % 3}", "awe") for i in range(9)], "no image has votes of two annotators"),
        ([(i, "w", "awe") for i in range(9)], "no image has votes of two annotators"),
    ],
)
def test_votes_that_share_no_image_are_refused(
    tmp_path: Path, rule: str, rows: list[tuple[int, str, str]], says: str
) -> None:
    done = _votes(tmp_path, rows, rule)
    assert done.exit_code == 1
    assert f"votes.csv: {says}: nothing shows whom to trust" in done.stderr
    assert not (tmp_path / "out.csv").exists()
    # What the message says to do can be done.
    done = _votes(tmp_path, rows, "plurality")
    assert done.exit_code == 0, done.stderr
    assert "9 labelled by plurality" in done.stdout
    assert (tmp_path / "out.csv").read_text().count("awe,") == 9 + 1  # the votes' column


@pytest.mark.parametrize("rule", ["dawid-skene", "crowdlab"])
def test_annotators_who_never_agree_are_refused(tmp_path: Path, rule: str) -> None:
    said = (("a", "awe"), ("b", "fear"), ("c", "anger"))
    done = _votes(tmp_path, [(i, w, label) for i in range(20) for w, label in said], rule)
    assert done.exit_code == 1
    assert "votes.csv: no two annotators agree on any image" in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_agreement_no_better_than_chance_is_told(tmp_path: Path) -> None:
    # One of three differs on every image: 33% of pairs agree, 50% of votes drawn at random.
    rows = [(i, w, LABELS[(i + (w == "c")) % 2]) for i in range(40) for w in "abc"]
    done = _votes(tmp_path, rows, "dawid-skene")
    assert done.exit_code == 0
    assert "agree in 33% of the cases, no more than the 50% of votes cast at random" in done.stderr
    alike = [(i, w, LABELS[i % 8]) for i in range(40) for w in "abc"]
    assert "rest on nothing" not in _votes(tmp_path, alike, "dawid-skene").stderr


def test_labels_on_little_are_told(tmp_path: Path) -> None:
    """Sixty annotators, three votes an image: what nobody gave, and few votes each."""
    votes, _ = _crowd("few votes", 0)
    rows = [
        (int(i), f"w{a}", LABELS[k])
        for i, a, k in zip(votes.image, votes.annotator, votes.label, strict=True)
    ]
    done = _votes(tmp_path, [*rows, (0, "new", "awe")][-400:], "dawid-skene")
    assert done.exit_code == 0, done.stderr
    assert "half of the annotators have at most" in done.stderr
    found = dawid_skene(votes)
    counts = votes.counts()
    unsaid = int((counts[np.arange(200), found.truth] == 0).sum())
    told = [line for line in cautions(votes, found.truth) if "none of their annotators" in line]
    assert len(told) == int(unsaid > 0)
    made_up = np.full(200, 7)
    unsaid = int((counts[:, 7] == 0).sum())
    assert cautions(votes, made_up)[0] == (
        f"{unsaid:,} of 200 images have a label that none of their annotators gave"
    )


def test_annotators_who_share_no_image_count_as_the_average(tmp_path: Path) -> None:
    rows = [(i, w, "awe") for i in range(12) for w in "abc"]
    rows += [(i, "alone", "fear") for i in range(12, 20)]
    done = _votes(tmp_path, rows, "dawid-skene")
    assert done.exit_code == 0
    assert "1 of 4 annotators shares no image with another" in done.stderr
    text = (tmp_path / "out.csv").read_text()
    assert text.count(",fear,") == 8
    votes = read_annotations(tmp_path / "votes.csv")
    one, *_, alone = dawid_skene(votes).reliability
    assert 0.5 < alone < one


def _votes(folder: Path, rows: list[tuple[int, str, str]], rule: str) -> Result:
    images = sorted({i for i, _, _ in rows})
    table = "".join(f"{i}.jpg,{a},{k}\n" for i, a, k in rows)
    (folder / "votes.csv").write_text(f"image,annotator,emotion\n{table}")
    (folder / "m.csv").write_text("image\n" + "".join(f"{i}.jpg\n" for i in images))
    head = ",".join(f"p_{label}" for label in LABELS)
    equal = ",".join(["0.125"] * 8)
    shares = "".join(f"{i}.jpg,{equal}\n" for i in images)
    (folder / "p.csv").write_text(f"image,{head}\n{shares}")
    given = ["votes", "m.csv", "--rule", rule, "--votes", "votes.csv", "--out", "out.csv"]
    given += ["--predictions", "p.csv"] if rule == "crowdlab" else []
    done = CliRunner().invoke(app, [str(folder / g) if g.endswith("csv") else g for g in given])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_a_tie_between_like_annotators_stays_a_tie() -> None:
    cast = [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0), (2, 0, 0), (2, 1, 0), (3, 0, 1), (3, 1, 1)]
    votes = Annotations(tuple("abcd"), ("x", "y"), LABELS, *np.array(cast).T)
    assert dawid_skene(votes).truth.tolist() == [-1, -1, 0, 1]


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
