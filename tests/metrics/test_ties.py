"""Labels that are equally likely, sums near 1, and intervals where nothing varies."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from evoca.cli import app
from evoca.emotions import MIKELS8, polarity_of
from evoca.errors import DataError
from evoca.metrics import evaluate_predictions
from evoca.metrics.significance import compare_predictions

EIGHT = [str(emotion) for emotion in MIKELS8]
N = 40


def evoca(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def data(tmp_path):
    rows = [f"{i}.jpg,{EIGHT[i % 8]}" for i in range(N)]
    (tmp_path / "data.csv").write_text("\n".join(["image,emotion", *rows]) + "\n")
    return tmp_path / "data.csv"


@pytest.fixture
def table(tmp_path):
    """Write a table of predictions (N, 8), with the columns in some order."""

    def write(p, labels=EIGHT, name="table.csv"):
        with (tmp_path / name).open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["image", *(f"p_{label}" for label in labels)])
            for i, row in enumerate(p):
                writer.writerow([f"{i}.jpg", *(row[EIGHT.index(label)] for label in labels)])
        return tmp_path / name

    return write


def tied_predictions():
    """Two or more labels share the top of each row; the positive ones often hold just half."""
    random = np.random.default_rng(1)
    p = np.full((N, 8), 0.1)
    for row in p:
        row[random.choice(8, 2, replace=False)] = 0.2
    return p.round(3)


def test_the_order_of_the_columns_changes_nothing(data, table):
    found = []
    for name, labels in (
        ("a.csv", EIGHT),
        ("b.csv", EIGHT[::-1]),
        ("c.csv", EIGHT[3:] + EIGHT[:3]),
    ):
        file = table(tied_predictions(), labels, name)
        done = evoca("evaluate", file, "--data", data, "--format", "json", "--draws", 30)
        assert done.exit_code == 0, done.output
        assert f"{N} of {N} images have no single likeliest label" in done.stderr
        one = json.loads(done.stdout)
        found.append(
            {k: v for k, v in one.items() if k not in {"fingerprint", "test_uses", "notes"}}
        )
    assert found[0] == found[1] == found[2]
    assert (found[0]["ties"], found[0]["labels"]) == (N, EIGHT)
    assert found[0]["polarity_ties"] > 0


def test_equal_labels_go_by_the_taxonomy_in_the_library_too():
    p, truth = tied_predictions(), np.arange(N) % 8
    report = evaluate_predictions(truth, p, EIGHT, draws=20)
    turned = evaluate_predictions(7 - truth, p[:, ::-1], EIGHT[::-1], draws=20)
    assert {k: v.value for k, v in report.figures.items()} == pytest.approx(
        {k: v.value for k, v in turned.figures.items()}, abs=1e-12
    )
    np.testing.assert_array_equal(report.confusion, turned.confusion[::-1, ::-1])
    assert report.per_emotion["awe"].recall == turned.per_emotion["awe"].recall
    other = np.random.default_rng(0).dirichlet(np.ones(8), N)
    one = compare_predictions(truth, p, other, EIGHT, draws=20)
    two = compare_predictions(7 - truth, p[:, ::-1], other[:, ::-1], EIGHT[::-1], draws=20)
    assert one["accuracy"] == two["accuracy"]


def test_half_is_half_in_whichever_order_it_is_added_up():
    shares = dict(zip(EIGHT, (0.1, 0.1, 0.3, 0.05, 0.2, 0.05, 0.1, 0.1), strict=True))
    for labels in (EIGHT, EIGHT[::-1]):
        assert polarity_of({label: shares[label] for label in labels})[0] == "positive"


def test_three_decimals_are_scaled_and_it_is_said(data, table):
    p = np.full((N, 8), 0.125)
    p[:, 0] = 0.121
    done = evoca("evaluate", table(p), "--data", data, "--format", "json", "--draws", 20)
    assert done.exit_code == 0, done.output
    assert f"the probabilities of {N} rows sum to 1 only within" in done.stderr
    exact = p / p.sum(axis=1, keepdims=True)
    nll = -np.log(exact[np.arange(N), np.arange(N) % 8]).mean()
    assert json.loads(done.stdout)["nll"]["value"] == pytest.approx(nll, abs=1e-12)


def test_a_sum_that_is_refused_is_named(data, table):
    p = np.full((N, 8), 0.125)
    p[3, 0] = 0.08
    done = evoca("evaluate", table(p), "--data", data)
    assert done.exit_code == 1
    assert "3.jpg" in done.stderr
    assert "does not sum to 1 within 0.01, but to 0.955" in done.stderr
    with pytest.raises(DataError, match=r"within 0\.01, the first to 0\.5"):
        evaluate_predictions([0, 1], [[0.25, 0.25], [0.2, 0.3]], ["awe", "fear"])


def test_where_all_are_right_the_interval_is_exact_and_said(data, table):
    p = np.full((N, 8), 0.05)
    p[np.arange(N), np.arange(N) % 8] = 0.65
    done = evoca("evaluate", table(p), "--data", data, "--format", "json", "--draws", 30)
    found = json.loads(done.stdout)
    assert found["accuracy"]["ci95"] == pytest.approx([0.025 ** (1 / N), 1])
    assert found["balanced_accuracy"]["ci95"] == pytest.approx([0.025 ** (1 / N), 1])
    assert found["polarity_accuracy"]["ci95"][0] < 0.95
    assert found["per_emotion"]["awe"]["ci95"]["recall"] == pytest.approx([0.025 ** (1 / 5), 1])
    assert {"accuracy", "macro_f1", "awe recall"} <= set(found["exact_intervals"])
    assert "wheel_distance" in found["unvaried"]
    covered = found["prediction_sets"]["class_conditional"]["coverage"]
    assert (covered["value"], covered["ci95"][1]) == (1, 1)
    assert covered["ci95"][0] == pytest.approx(0.025 ** (1 / N))
    assert "exact one (Clopper and Pearson) over groups" in done.stderr


def test_copies_are_one_trial_of_the_exact_interval():
    p = np.tile([[0.9, 0.1], [0.1, 0.9]], (6, 1))
    groups = np.repeat(np.arange(6), 2)
    report = evaluate_predictions([0, 1] * 6, p, ["awe", "fear"], groups, draws=30)
    assert report["accuracy"].ci95 == pytest.approx((0.025 ** (1 / 6), 1))


def test_a_calibration_error_stands_beside_the_band_of_chance(data, table):
    random = np.random.default_rng(0)
    p = random.dirichlet(np.ones(8), N)
    done = evoca("evaluate", table(p), "--data", data, "--draws", 50)
    line = next(one for one in done.stdout.splitlines() if one.split()[:1] == ["ece"])
    assert "chance" in line
    assert "[" not in line
    shown = evoca("evaluate", table(p), "--data", data, "--draws", 50, "--format", "json")
    found = json.loads(shown.stdout)
    assert found["ece"]["chance_band"] == found["calibration"]["chance_band"]
    assert found["ece"]["ci95"][0] <= found["ece"]["value"] <= found["ece"]["ci95"][1]
