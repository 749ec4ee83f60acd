"""Class frequencies: read, applied to probabilities and sets, estimated, and by the commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evoca
from evoca.emotions import MIKELS8
from evoca.errors import DataError
from evoca.metrics import label_shift
from evoca.metrics.conformal import set_threshold
from evoca.metrics.label_shift import em_frequencies, estimate_frequencies
from evoca.priors import (
    Prior,
    PriorError,
    as_prior,
    balanced,
    natural,
    read_prior,
    reweight,
    weighted_threshold,
)
from evoca.runtime.bundle import read_bundle
from evoca.runtime.card import CalibrationRows
from evoca.runtime.operating_point import operating_point
from evoca.softmax import softmax

LABELS = tuple(str(emotion) for emotion in MIKELS8)
SKEWED = np.array([0.40, 0.25, 0.12, 0.08, 0.06, 0.04, 0.03, 0.02])


def drawn(
    rng: np.random.Generator, frequencies: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures as points around eight centres: probabilities under equal frequencies, truth."""
    k = len(frequencies)
    truth = rng.choice(k, size=n, p=frequencies)
    points = 1.6 * np.eye(k)[truth] + rng.normal(size=(n, k))
    return softmax(1.6 * points), truth  # the true posterior under equal frequencies


def test_bayes_rule_is_what_the_optimal_classifier_does() -> None:
    rng = np.random.default_rng(0)
    alike = np.full(8, 1 / 8)
    probabilities, truth = drawn(rng, SKEWED, 40_000)
    found = reweight(probabilities, alike, SKEWED)
    np.testing.assert_allclose(found.sum(axis=1), 1)

    def loss(p: np.ndarray) -> float:
        return float(-np.log(p[np.arange(len(truth)), truth]).mean())

    assert loss(found) < loss(probabilities) - 0.1
    # It is calibrated again: the mean of what it says is how frequent each label is.
    np.testing.assert_allclose(found.mean(axis=0), SKEWED, atol=0.01)
    back = reweight(found, SKEWED, alike)
    np.testing.assert_allclose(back, probabilities)


def test_with_equal_weights_the_threshold_is_the_conformal_one() -> None:
    probabilities, truth = drawn(np.random.default_rng(1), np.full(8, 1 / 8), 500)
    scores = probabilities[np.arange(500), truth]
    for coverage in (0.5, 0.8, 0.9, 0.95, 0.999):
        expected = set_threshold(probabilities, truth, coverage)
        assert weighted_threshold(scores, np.ones(500), 1.0, coverage) == expected
    assert weighted_threshold(scores[:5], np.ones(5), 1.0, 0.9) == 0.0


def test_sets_hold_their_coverage_under_another_prior() -> None:
    """By simulation: 200 calibration sets of 400 rows, each tried on 400 new images."""
    rng = np.random.default_rng(2)
    alike = np.full(8, 1 / 8)
    shifted, kept = [], []
    for _ in range(200):
        rows, truth = drawn(rng, alike, 400)
        calibrated = reweight(rows, alike, SKEWED)
        weights = (SKEWED / (np.bincount(truth, minlength=8) / 400))[truth]
        scores = calibrated[np.arange(400), truth]
        threshold = weighted_threshold(scores, weights, float(weights.max()), 0.9)
        old = set_threshold(rows, truth, 0.9)
        new, labels = drawn(rng, SKEWED, 400)
        own = reweight(new, alike, SKEWED)[np.arange(400), labels]
        shifted.append((own >= threshold).mean())
        kept.append((own >= old).mean())
    assert 0.895 <= np.mean(shifted) <= 0.925
    assert abs(np.mean(kept) - 0.9) > 0.01  # the threshold of equal frequencies does not


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"awe": 1.0}, "no frequency of amusement, anger, contentment"),
        ({**dict.fromkeys(LABELS, 0.125), "joy": 0}, "joy: none of the model's labels"),
        ({**dict.fromkeys(LABELS, 0.125), "awe": -0.1}, "awe: -0.1 is no share from 0 to 1"),
        ({**dict.fromkeys(LABELS, 0.125), "awe": "x"}, "awe: 'x' is no share"),
        ({**dict.fromkeys(LABELS, 0.125), "awe": float("nan")}, "awe: nan is no share"),
        (dict.fromkeys(LABELS, 0.2), "the frequencies sum to 1.6, not to 1"),
        ([0.125] * 8, "not a JSON object of shares"),
        (None, "not JSON"),
        ('{"awe": 0.5, "awe": 0.5}', "not JSON: a label is there twice"),
    ],
)
def test_a_file_that_is_no_prior_is_one_line(content: object, message: str, tmp_path: Path) -> None:
    file = tmp_path / "prior.json"
    text = content if isinstance(content, str) else json.dumps(content)
    file.write_text("{" if content is None else text)
    with pytest.raises(PriorError, match=message) as caught:
        read_prior(file, LABELS)
    assert "\n" not in str(caught.value)
    with pytest.raises(PriorError, match="cannot be read: No such file"):
        read_prior(tmp_path / "none.json", LABELS)


def test_merged_emotions_have_the_sum_of_their_shares() -> None:
    merged = [label for label in LABELS if label not in {"anger", "fear"}] + ["anger+fear"]
    found, whole = natural(merged).frequencies, natural(LABELS).frequencies
    assert found["anger+fear"] == pytest.approx(whole["anger"] + whole["fear"])
    assert sum(found.values()) == pytest.approx(1)
    with pytest.raises(PriorError, match="known for the eight emotions alone"):
        natural(["positive", "negative"])
    assert as_prior(dict.fromkeys(LABELS, 0.1249), LABELS, "mine").frequencies["awe"] == 0.125


def test_frequencies_are_found_again_from_predictions() -> None:
    rng = np.random.default_rng(3)
    alike = np.full(8, 1 / 8)
    probabilities, _ = drawn(rng, SKEWED, 3000)
    found = estimate_frequencies(probabilities, alike, drawn(rng, alike, 600))
    assert np.abs(found.frequencies - SKEWED).max() < 0.03
    assert ((found.low <= SKEWED) & (found.high >= SKEWED)).sum() >= 7
    assert found.is_label_shift
    np.testing.assert_allclose(em_frequencies(probabilities, alike).sum(), 1)


def test_pictures_of_other_kinds_are_told_from_other_frequencies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(label_shift, "_DRAWS", 2)  # of the interval, which is not looked at here
    rng = np.random.default_rng(4)
    alike = np.full(8, 1 / 8)
    calibration = drawn(rng, alike, 600)
    false_alarms = sum(
        not estimate_frequencies(drawn(rng, SKEWED, 300)[0], alike, calibration).is_label_shift
        for _ in range(20)
    )
    assert false_alarms <= 2
    blurred = softmax(0.4 * np.log(drawn(rng, alike, 300)[0]))  # as sure of nothing as of fog
    assert not estimate_frequencies(blurred, alike, calibration).is_label_shift
    with pytest.raises(DataError, match="needs 50 images that can be read, not 1"):
        estimate_frequencies(blurred[:1], alike)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model with class frequencies and drawn calibration rows of its labels."""
    shipped = read_bundle("default")
    folder = tmp_path_factory.mktemp("priors") / "bundle"
    folder.mkdir()
    for name in ("model.onnx", "README.md"):
        (folder / name).write_bytes((shipped.path / name).read_bytes())
    rng = np.random.default_rng(5)
    truth = rng.integers(8, size=400)
    logits = 1.5 * np.eye(8)[truth] + rng.normal(size=(400, 8))
    changes = {
        "prior": None,
        "training_frequencies": dict.fromkeys(shipped.card.labels, 0.125),
        "calibration": CalibrationRows.of(logits, truth),
    }
    card = shipped.card.model_copy(update=changes)
    (folder / "model.json").write_text(card.model_dump_json())
    return folder


def test_a_prediction_is_given_for_the_prior_in_force(bundle: Path, examples: Path) -> None:
    photo = examples / "chelsea.jpg"
    plain, under = evoca.load(bundle), evoca.load(bundle, prior="natural")
    before, after = plain.predict(photo), under.predict(photo)
    assert (before.prior.name, after.prior.name) == ("trained", "natural")
    expected = np.array(list(before.probabilities.values())) * natural(LABELS).shares(LABELS)
    np.testing.assert_allclose(list(after.probabilities.values()), expected / expected.sum())
    assert after.to_dict()["prior"]["frequencies"] == natural(LABELS).frequencies
    threshold = under.operating_point.threshold
    assert set(after.prediction_set) >= {
        label for label, p in after.probabilities.items() if p >= threshold
    }
    own = evoca.load(bundle, prior=dict.fromkeys(LABELS, 0.125)).predict(photo)
    assert own.probabilities == before.probabilities
    # The same prior, from a pickle and after a fork.
    import pickle

    assert pickle.loads(pickle.dumps(under)).predict(photo).prior == after.prior


def test_a_bundle_without_frequencies_takes_no_prior() -> None:
    card = read_bundle("default").card.model_copy(
        update={"training_frequencies": None, "prior": None, "calibration": None}
    )
    assert operating_point(card).prior is None
    with pytest.raises(PriorError, match="does not record the class frequencies"):
        operating_point(card, "natural")
    known = card.model_copy(update={"training_frequencies": dict.fromkeys(LABELS, 0.125)})
    assert operating_point(known, balanced(LABELS)).threshold == card.set_threshold
    with pytest.raises(PriorError, match="has no calibration rows"):
        operating_point(known, "natural")
    with pytest.raises(PriorError, match="no JSON file of frequencies, and no name of any"):
        operating_point(known, "none.json")
    assert operating_point(known, Prior("x", dict.fromkeys(LABELS, 0.125))).threshold


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    main = "from evoca.cli import main; main()"
    command = [sys.executable, "-c", main, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_the_commands_take_a_prior(bundle: Path, examples: Path, tmp_path: Path) -> None:
    (tmp_path / "prior.json").write_text(json.dumps(natural(LABELS).frequencies))
    photo = examples / "chelsea.jpg"
    found = {}
    for prior in ("natural", "balanced", "prior.json"):
        arguments = ("predict", photo, "--model", bundle, "--prior", prior, "--format", "json")
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (found[prior],) = json.loads(done.stdout)
    assert found["prior.json"]["probabilities"] == found["natural"]["probabilities"]
    assert found["balanced"]["probabilities"] != found["natural"]["probabilities"]
    for prior, message in (
        ("natral", "no name of any; did you mean natural?"),
        ("estimate", "needs 50 images that can be read, not 1"),
    ):
        done = run("predict", photo, "--model", bundle, "--prior", prior, cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) in {(1, 1), (1, 2)}
        assert message in done.stderr


def test_estimate_and_evaluation_by_command(
    bundle: Path, shared_data: Path, tmp_path: Path
) -> None:
    """Sixty photographs of FI, most of them of two emotions."""
    for label in LABELS:
        count = {"awe": 24, "contentment": 20}.get(label, 3)
        folder = tmp_path / "set" / label
        folder.mkdir(parents=True, exist_ok=True)
        for photo in sorted((shared_data / "fi" / label).glob("*.jpg"))[:count]:
            (folder / photo.name).symlink_to(photo)
    done = run(
        *("predict", "set", "--model", bundle, "--prior", "estimate", "--format", "json"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "class frequencies estimated from 62 images, 95% interval: amusement" in done.stderr
    assert {item["prior"]["name"] for item in json.loads(done.stdout)} == {"estimate"}
    done = run("evaluate", bundle, "--data", "set", "--prior", "balanced", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "otherwise frequent than the prior in force (balanced): accuracy" in done.stderr
    done = run(
        *("evaluate", bundle, "--data", "set", "--prior", "natural", "--out", "run"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert described["system"]["prior"]["name"] == "natural"
    again = run("evaluate", "run", "--data", "set", "--prior", "natural", cwd=tmp_path)
    assert again.returncode == 1
    assert "holds predictions that are made already" in again.stderr
    rows = [
        f"{photo},polarity,{'positive' if label in {'awe', 'contentment'} else 'negative'}"
        for label in ("awe", "fear")
        for photo in sorted((shared_data / "fi" / label).glob("*.jpg"))[:30]
    ]
    (tmp_path / "polarity.csv").write_text("\n".join(["image,taxonomy,emotion", *rows]) + "\n")
    done = run("evaluate", bundle, "--data", "polarity.csv", "--prior", "natural", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "prior in force" not in done.stderr
