"""Figures of held-out predictions: what is compared, and that it is held out too."""

from pathlib import Path

import numpy as np
import pytest

from evoca.data.manifest.labelled import LabelledImages
from evoca.emotions import MIKELS8
from evoca.lab.experiments.results import RepeatedPredictions, result_of
from evoca.metrics.calibration_check import CalibrationCheck
from evoca.softmax import softmax

N, FOLDS = 160, 4


def images(labels=8):
    truth = np.arange(N) % labels
    names = tuple(f"{i}.png" for i in range(N))
    return LabelledImages(
        paths=tuple(Path(name) for name in names),
        names=names,
        truth=truth,
        groups=np.arange(N),
        labels=tuple(MIKELS8),
        has_groups=False,
        split=np.full(N, ""),
        distribution=None,
        agreement=None,
        affect=None,
        recorded_hashes=tuple(f"{i:064x}" for i in range(N)),
        taxonomy="mikels8",
        source="drawn",
    )


def predictions(data, heat=1.0, fold=None):
    """Two repeats of predictions that lean towards the truth."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, N, 8)) + 1.5 * np.eye(8)[data.truth]
    folds = np.stack([rng.permutation(N) % FOLDS for _ in range(2)]) if fold is None else fold
    return RepeatedPredictions(
        softmax(logits, heat), folds, np.full((2, N), 0.1), np.full((2, N), heat)
    )


def test_a_cross_validation_is_compared_fold_by_fold():
    data = images()
    own = predictions(data)
    found = result_of(data, own, 0.9)
    assert set(found.calibration.methods) >= {"model", "none", "temperature", "vector"}
    assert found.conditional.coverage.value == pytest.approx(0.9, abs=0.06)
    figures = found.to_dict()
    assert set(figures["prediction_sets"]) == {"model", "class_conditional"}
    assert CalibrationCheck.from_dict(figures["calibration"]) == found.calibration


def test_a_label_that_one_fold_holds_alone_finds_no_threshold_there():
    data = images()
    fold = np.tile(np.where(data.truth == 0, 0, np.arange(N) // 8 % FOLDS), (2, 1))
    found = result_of(data, predictions(data, fold=fold), 0.5)
    by_emotion = found.conditional.by_emotion
    assert by_emotion["amusement"].value == 1  # no other fold has chosen: it is in every set
    assert all(by_emotion[label].value < 0.8 for label in MIKELS8[1:])


def test_uncalibrated_is_what_the_logits_say():
    data = images()
    found = result_of(data, predictions(data, heat=2.0), 0.9)
    plain = result_of(data, predictions(data), 0.9)
    none, cold = (one.calibration.methods["none"] for one in (found, plain))
    assert none.nll.value == pytest.approx(cold.nll.value)
    assert found.calibration.methods["model"].nll.value > none.nll.value


def test_images_that_chose_are_not_compared():
    data = images()
    once = RepeatedPredictions.once(
        predictions(data).probabilities[0], threshold=0.1, temperature=1.0
    )
    chose = result_of(data, once, 0.9, notes=("they flatter",), chose=True)
    assert (chose.conditional, chose.calibration) == (None, None)
    assert chose.to_dict()["calibration"] is None
    assert chose.to_dict()["notes"] == ["they flatter"]
    tested = result_of(data, once, 0.9)
    assert tested.calibration.methods
    assert (tested.predictions.fold == -1).all()


def test_a_label_without_images_has_no_threshold_of_its_own():
    data = images(labels=7)
    found = result_of(data, predictions(data), 0.9)
    assert found.conditional is None
    assert found.calibration is not None
