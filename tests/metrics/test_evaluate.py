"""The report: its figures, its intervals against a bootstrap done by hand, its errors."""

from __future__ import annotations

import json
from statistics import NormalDist

import numpy as np
import pytest

from evoca.emotions import MIKELS8
from evoca.errors import DataError
from evoca.metrics import NO_LABEL, Affect, Report, encode_labels, evaluate_predictions
from evoca.metrics import functional as metrics
from evoca.metrics.bootstrap import draw_counts

sk = pytest.importorskip("sklearn.metrics")

LABELS = [str(e) for e in MIKELS8]
SUMMARY = [
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "polarity_accuracy",
    "ece",
    "nll",
    "brier",
]
CONTRACT = ["schema_version", "n", "labels", *SUMMARY, "per_emotion", "confusion"]
DISTRIBUTION = ["kl", "chebyshev", "clark", "canberra", "cosine", "intersection"]
AFFECT = ["ccc", "pearson", "mae"]


def made_up(n=240, runs=1, seed=3):
    """Truth, probabilities of each run, groups of one to three rows, votes, affect."""
    random = np.random.default_rng(seed)
    truth = random.permutation(np.arange(n) % 8)
    logits = random.normal(size=(runs, n, 8)) + 1.5 * np.eye(8)[truth]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    groups = [f"g{i}" for i in random.integers(n // 2, size=n)]
    votes = random.multinomial(9, np.full(8, 1 / 8), size=n) / 9
    rated = random.normal(4, 1, (n, 2))
    affect = Affect(rated, rated + random.normal(size=(runs, n, 2)))
    return truth, probabilities, groups, votes, affect


def by_hand(truth, p, votes, affect):
    """Each figure of one run from another implementation, or from the plain function."""
    top = p.argmax(axis=1)
    correct = (top == truth).astype(float)
    rated, felt = affect
    return {
        "accuracy": sk.accuracy_score(truth, top),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, top),
        "macro_f1": sk.f1_score(truth, top, average="macro", labels=np.unique(truth)),
        "weighted_f1": sk.f1_score(truth, top, average="weighted"),
        "polarity_accuracy": metrics.polarity_hits(truth, p, LABELS).mean(),
        "ece": metrics.ece(p.max(axis=1), correct),
        "ece_equal_width": metrics.ece_equal_width(p.max(axis=1), correct),
        "nll": sk.log_loss(truth, p, labels=range(8)),
        "brier": ((p - np.eye(8)[truth]) ** 2).sum(axis=1).mean(),
        "top2_accuracy": sk.top_k_accuracy_score(truth, p, k=2, labels=range(8)),
        "top3_accuracy": sk.top_k_accuracy_score(truth, p, k=3, labels=range(8)),
        "wheel_distance": metrics.wheel_matrix(LABELS)[truth, top].mean(),
        "ecc": (1 / metrics.severity_matrix(LABELS)[truth, top]).mean(),
        "emc": (1 / (metrics.severity_matrix(LABELS)[truth, top][top != truth] - 1)).mean(),
        **{name: getattr(metrics, name)(votes, p).mean() for name in DISTRIBUTION},
        "random_rater": metrics.random_rater(votes, p).mean(),
        **{
            name: np.mean([getattr(metrics, name)(rated[:, i], felt[:, i]) for i in range(2)])
            for name in AFFECT
        },
    }


@pytest.mark.parametrize("runs", [1, 3])
def test_figures_and_intervals_are_those_of_a_bootstrap_by_hand(runs):
    truth, p, groups, votes, affect = made_up(runs=runs)
    report = evaluate_predictions(
        truth, p, LABELS, groups, distributions=votes, affect=affect, draws=30, seed=5
    )
    names = list(dict.fromkeys(groups))
    members = {name: [i for i, g in enumerate(groups) if g == name] for name in names}

    def averaged(rows):
        felt = np.asarray(affect.predicted)[:, rows]
        found = [
            by_hand(truth[rows], p[r][rows], votes[rows], (affect.rated[rows], felt[r]))
            for r in range(runs)
        ]
        return {name: np.mean([one[name] for one in found]) for name in found[0]}

    expected = averaged(np.arange(len(truth)))
    assert {name: f.value for name, f in report.figures.items()} == pytest.approx(expected)

    drawn = []
    for counts in np.concatenate(list(draw_counts(len(names), 30, 5))):
        copies = [i for name, k in zip(names, counts, strict=True) for i in members[name] * int(k)]
        drawn.append(averaged(np.array(copies)))
    for name, figure in report.figures.items():
        values = np.array([one[name] for one in drawn])
        if name in {"ece", "ece_equal_width"}:  # moved by their bias, not below 0
            values = np.maximum(values - np.median(values) + expected[name], 0)
        tails = [2.5, 97.5]
        if name in {"macro_f1", "weighted_f1"}:  # bias corrected (Efron 1981)
            normal = NormalDist()
            bias = normal.inv_cdf(float((values < expected[name]).mean()))
            tails = [100 * normal.cdf(2 * bias + normal.inv_cdf(t / 100)) for t in tails]
        low, high = np.percentile(values, tails)
        assert figure.ci95 == pytest.approx((low, high)), name


def test_per_emotion_and_confusion_average_over_the_repeats():
    truth, p, groups, *_ = made_up(runs=3)
    report = evaluate_predictions(truth, p, LABELS, groups, draws=20)
    tables = [sk.confusion_matrix(truth, run.argmax(axis=1)) for run in p]
    np.testing.assert_allclose(report.confusion, np.mean(tables, axis=0))
    recalls = [sk.recall_score(truth, run.argmax(axis=1), average=None) for run in p]
    precisions = [sk.precision_score(truth, run.argmax(axis=1), average=None) for run in p]
    for i, label in enumerate(LABELS):
        found = report.per_emotion[label]
        assert found.recall.value == pytest.approx(np.mean(recalls, axis=0)[i])
        assert found.precision.value == pytest.approx(np.mean(precisions, axis=0)[i])
        assert found.support == (truth == i).sum()
        assert found.f1.ci95[0] <= found.f1.value <= found.f1.ci95[1]


def test_interval_has_the_width_that_theory_gives():
    truth, p, *_ = made_up(n=800)
    report = evaluate_predictions(truth, p, LABELS, draws=1000)
    accuracy = report["accuracy"]
    half = 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / 800)
    assert accuracy.ci95 == pytest.approx((accuracy.value - half, accuracy.value + half), abs=0.006)


def test_copies_in_a_group_add_no_certainty():
    truth, p, *_ = made_up()
    once = evaluate_predictions(truth, p, LABELS, draws=50)
    twice = evaluate_predictions(
        np.tile(truth, 2), np.tile(p, (1, 2, 1)), LABELS, list(range(240)) * 2, draws=50
    )
    assert twice["accuracy"].ci95 == pytest.approx(once["accuracy"].ci95)
    ungrouped = evaluate_predictions(np.tile(truth, 2), np.tile(p, (1, 2, 1)), LABELS, draws=50)
    assert np.diff(ungrouped["accuracy"].ci95) < np.diff(once["accuracy"].ci95)


def test_draws_are_seeded():
    truth, p, *_ = made_up()
    one, same, other = (
        evaluate_predictions(truth, p, LABELS, draws=50, seed=seed) for seed in (1, 1, 2)
    )
    assert one.to_dict() == same.to_dict()
    assert one["nll"].ci95 != other["nll"].ci95


def test_json_is_the_contract_and_reads_back():
    truth, p, groups, votes, affect = made_up(runs=2)
    report = evaluate_predictions(
        truth, p, LABELS, groups, distributions=votes, affect=affect, draws=20
    )
    text = json.dumps(report.to_dict(), allow_nan=False)
    content = json.loads(text)
    assert list(content)[:10] == CONTRACT[:10]
    assert {*CONTRACT, *DISTRIBUTION, *AFFECT} <= set(content)
    for name in [*SUMMARY, *DISTRIBUTION, *AFFECT]:
        assert set(content[name]) >= {"value", "ci95"}
        assert content[name]["ci95"][0] <= content[name]["ci95"][1]
    assert set(content["ccc"]) == {"value", "ci95", "valence", "arousal"}
    assert list(content["per_emotion"]) == content["labels"] == LABELS
    row = content["per_emotion"]["awe"]
    assert {type(row[k]) for k in ("precision", "recall", "f1")} == {float}
    assert row["support"] == 30
    assert np.array(content["confusion"]).sum(axis=1) == pytest.approx([30] * 8)
    assert json.dumps(Report.from_dict(content).to_dict()) == text


def test_one_run_counts_whole_rows():
    truth, p, *_ = made_up()
    confusion = evaluate_predictions(truth, p, LABELS, draws=2).to_dict()["confusion"]
    assert all(isinstance(cell, int) for row in confusion for cell in row)


def test_rows_may_lack_any_kind_of_truth():
    truth, p, groups, votes, affect = made_up()
    truth, votes, rated = truth.copy(), votes.copy(), np.array(affect.rated)
    truth[:40], votes[20:100], rated[10:, 0], rated[10:30, 1] = NO_LABEL, np.nan, np.nan, np.nan
    report = evaluate_predictions(
        truth,
        p,
        LABELS,
        groups,
        distributions=votes,
        affect=Affect(rated, affect.predicted),
        draws=20,
    )
    # Rows 20..29 have no truth of any kind.
    assert report.n == 230
    assert report["accuracy"].value == pytest.approx(
        sk.accuracy_score(truth[40:], p[0, 40:].argmax(axis=1))
    )
    voted = np.r_[0:20, 100:240]
    assert report["kl"].value == pytest.approx(metrics.kl(votes[voted], p[0, voted]).mean())
    valence = report["mae"].parts["valence"].value
    assert valence == pytest.approx(np.abs(rated - affect.predicted[0])[:10, 0].mean())


def test_only_votes_leave_the_label_figures_undefined():
    _, p, _, votes, _ = made_up()
    report = evaluate_predictions(np.full(240, NO_LABEL), p, LABELS, distributions=votes, draws=5)
    content = report.to_dict()
    assert content["accuracy"] is content["confusion"] is None
    assert content["per_emotion"] == {}
    assert content["kl"]["value"] > 0
    assert Report.from_dict(content).to_dict() == content


def test_other_taxonomies_have_no_wheel_and_no_polarity():
    report = evaluate_predictions([0, 1], [[0.9, 0.1], [0.2, 0.8]], ["joy", "fear"], draws=5)
    assert report.to_dict()["polarity_accuracy"] is None
    assert "wheel_distance" not in report.figures


def test_missing_labels_can_be_allowed():
    truth, p, *_ = made_up()
    kept = truth < 5
    report = evaluate_predictions(truth[kept], p[0, kept], LABELS, allow_missing=True, draws=20)
    recall = sk.recall_score(
        truth[kept], p[0, kept].argmax(axis=1), average="macro", labels=range(5)
    )
    assert report["balanced_accuracy"].value == pytest.approx(recall)
    assert report.to_dict()["per_emotion"]["sadness"]["recall"] is None


GOOD = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": [*GOOD[:2], [np.nan, 1]]}, r"row 2 \(c\): probabilities: not a finite"),
        ({"probabilities": [[0.5, 0.4], *GOOD[1:]]}, r"row 0 \(a\): .*does not sum to 1"),
        ({"probabilities": [GOOD, [GOOD[0], [0.2, 0.2], GOOD[2]]]}, r"row 1 \(b\)"),
        ({"probabilities": [[1.5, -0.5], *GOOD[1:]]}, r"row 0 \(a\): .*outside 0..1"),
        ({"probabilities": [[1.0]] * 3}, "but there are 2 labels"),
        ({"probabilities": GOOD[:2], "names": None}, "truth must be 2 integers"),
        ({"probabilities": GOOD[:2]}, "3 names are given for 2 rows"),
        ({"truth": [0, 1, 2]}, r"row 2 \(c\): true label outside 0..1"),
        ({"truth": [0, 1, -2]}, r"row 2 \(c\): true label outside"),
        ({"truth": [0.0, 1.0, 1.0]}, "truth must be 3 integers"),
        ({"truth": [0, 0, 0]}, "labelled fear"),
        ({"truth": [-1, -1, -1]}, "0 of 3 rows have a truth"),
        ({"groups": ["one", "one", "one"]}, "at least two groups"),
        ({"groups": ["one"]}, "1 group is given for 3 rows"),
        ({"distributions": [[0.5, 0.5]]}, "distributions have shape"),
        (
            {"distributions": [GOOD[0], [np.nan, 0.1], GOOD[2]]},
            r"row 1 \(b\): distributions: not a",
        ),
        ({"distributions": [[np.nan] * 2, [0.5, 0.1], GOOD[2]]}, r"row 1 \(b\): distributions: d"),
        ({"affect": Affect([[1], [2], [3]], [[1], [np.inf], [3]], ("valence",))}, r"row 1 \(b\)"),
        ({"affect": Affect([[1], [2], [3]], [[1], [2], [3]])}, "ratings have shape"),
        (
            {"affect": Affect([[1, np.nan]] * 3, [[1, 2]] * 3)},
            "no row is rated on arousal",
        ),
        ({"draws": 0}, "at least one"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    arguments = {"truth": [0, 1, 1], "probabilities": GOOD, "labels": ["awe", "fear"]}
    arguments |= {"names": ["a", "b", "c"], "draws": 5}
    evaluate_predictions(**arguments)
    with pytest.raises(DataError, match=message) as caught:
        evaluate_predictions(**(arguments | change))
    assert "\n" not in str(caught.value)


def test_labels_outside_the_taxonomy_name_their_rows():
    with pytest.raises(DataError, match=r"rows 1 \(b\), 3 \(d\): labelled joy, surprise"):
        encode_labels(["awe", "joy", None, "surprise"], LABELS, ["a", "b", "c", "d"])


def test_every_kind_of_truth_is_counted():
    votes = [[1.0, 0.0], [0.5, 0.5], [0.2, 0.8], [np.nan, np.nan]]
    report = evaluate_predictions(
        [0, -1, 1, 1], [[0.7, 0.3]] * 4, ["awe", "fear"], distributions=votes, draws=10
    )
    content = report.to_dict()
    counts = {key: content[key] for key in ("n", "n_labelled", "n_distributions", "n_rated")}
    assert counts == {"n": 4, "n_labelled": 3, "n_distributions": 3, "n_rated": 0}
    assert Report.from_dict(content).labelled == 3
    for key in ("n_labelled", "n_distributions", "n_rated"):
        del content[key]  # a run from before they were counted
    assert Report.from_dict(content).labelled == 3


def test_an_interval_without_width_is_said_to_be_none():
    truth = np.arange(48) % 8
    even = np.full((48, 8), 1 / 8)
    report = evaluate_predictions(truth, even, LABELS, draws=200)
    low, high = report["balanced_accuracy"].ci95
    assert low == high
    assert {"balanced_accuracy", "nll", "brier"} <= set(report.unvaried)
    assert any("every bootstrap draw gives the same" in note for note in report.notes())
