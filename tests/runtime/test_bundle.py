"""A bundle that is missing, damaged, too new, or untrue about itself."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import evoca
from evoca.emotions import MIKELS8
from evoca.runtime.bundle import bundled_models, find_bundle, read_bundle
from evoca.runtime.card import ModelCard

SHIPPED = bundled_models()["default"]


@pytest.fixture
def bundle(tmp_path):
    return Path(shutil.copytree(SHIPPED, tmp_path / "bundle"))


def edit(bundle, **changes):
    file = bundle / "model.json"
    content = json.loads(file.read_text())
    content.update(changes)
    file.write_text(json.dumps(content))


def remove(bundle, name):
    (bundle / name).unlink()


def write(bundle, name, data):
    (bundle / name).write_bytes(data)


def with_hash(bundle, data):
    write(bundle, "model.onnx", data)
    edit(bundle, sha256=hashlib.sha256(data).hexdigest())


EIGHT = [str(emotion) for emotion in MIKELS8]
NO_PRIOR = {"training_frequencies": None, "prior": None, "calibration": None}
SEVEN = ["amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear"]
CASES = {
    "no json": (lambda b: remove(b, "model.json"), "model.json: missing"),
    "no onnx": (lambda b: remove(b, "model.onnx"), "model.onnx is missing"),
    "not json": (lambda b: write(b, "model.json", b"{"), "not valid JSON"),
    "not utf-8": (lambda b: write(b, "model.json", b'"\xff\xfe"'), "not valid JSON"),
    "deep json": (lambda b: write(b, "model.json", b"[" * 200_000), "not valid JSON"),
    "a list": (lambda b: write(b, "model.json", b"[]"), "invalid at the whole file"),
    "a perceptual hash that is too short": (
        lambda b: edit(b, training_perceptual_hashes=["0" * 31]),
        "invalid at training_perceptual_hashes.0",
    ),
    "a validation image that is no hash": (
        lambda b: edit(b, validation_images=["x" * 16]),
        "invalid at validation_images.0",
    ),
    "newer": (lambda b: edit(b, format_version=99), "bundle format 99 is newer"),
    "old": (lambda b: edit(b, format_version=0), "invalid at format_version"),
    "a version in quotes": (lambda b: edit(b, format_version="2"), "invalid at format_version"),
    "a number in quotes": (lambda b: edit(b, temperature="1.0"), "invalid at temperature"),
    "unknown taxonomy": (lambda b: edit(b, taxonomy="nonsense"), "known: mikels8, ekman6"),
    "a label from elsewhere": (lambda b: edit(b, taxonomy="ekman6"), "ekman6 has no label amuse"),
    "a key that breaks the line": (lambda b: edit(b, **{"a\nb": 1}), "invalid at a\\nb"),
    "unknown key": (lambda b: edit(b, colour="red"), "invalid at colour"),
    "temperature": (lambda b: edit(b, temperature=0), "invalid at temperature"),
    "temperature nan": (lambda b: edit(b, temperature=float("nan")), "temperature"),
    "threshold": (lambda b: edit(b, set_threshold=1.5), "invalid at set_threshold"),
    "labels repeat": (lambda b: edit(b, labels=["awe", "awe"]), "labels repeat"),
    "hash": (lambda b: edit(b, sha256="0" * 64), "SHA-256 differs"),
    "truncated": (
        lambda b: write(b, "model.onnx", (b / "model.onnx").read_bytes()[:-1]),
        "SHA-256 differs",
    ),
    "not onnx": (lambda b: with_hash(b, b"hello"), "cannot load model.onnx"),
    "empty onnx": (lambda b: with_hash(b, b""), "cannot load model.onnx"),
    "fewer labels": (
        lambda b: edit(b, labels=SEVEN, evidence_bias=[0.0] * 7, analysis=None, **NO_PRIOR),
        "has 7 labels, but the logits of model.onnx have 8",
    ),
    "other size": (
        lambda b: edit(b, preprocessing={"height": 64, "width": 64}),
        "model.onnx takes",
    ),
    "no bias": (lambda b: edit(b, evidence_bias=None), "evidence_bias"),
    "a prior without training frequencies": (
        lambda b: edit(b, training_frequencies=None, calibration=None),
        "prior goes with training_frequencies",
    ),
    "frequencies of other labels": (
        lambda b: edit(b, training_frequencies={"awe": 1.0}),
        "training_frequencies does not have one share per label",
    ),
    "frequencies that miss 1": (
        lambda b: edit(b, training_frequencies=dict.fromkeys(EIGHT, 0.2)),
        "training_frequencies does not sum to 1",
    ),
    "a label that was never learnt": (
        lambda b: edit(b, training_frequencies={**dict.fromkeys(EIGHT, 0.0), "awe": 1.0}),
        "training_frequencies are above 0",
    ),
    "calibration cut short": (
        lambda b: edit(b, calibration={"rows": 2, "logits": "AAAA", "truth": "AAA="}),
        "model.json is invalid at",
    ),
    "calibration that is no base64": (
        lambda b: edit(b, calibration={"rows": 1, "logits": "?!", "truth": "AAA="}),
        "model.json is invalid at",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_bundle_is_refused_in_one_line(bundle, case):
    change, expected = CASES[case]
    change(bundle)
    with pytest.raises(evoca.BundleError) as caught:
        evoca.load(bundle)
    message = str(caught.value)
    assert expected in message
    assert str(bundle) in message
    assert "\n" not in message


def test_evidence_that_does_not_add_up_is_noticed(bundle):
    edit(bundle, evidence_bias=[1.0] * 8)
    model = evoca.load(bundle)
    with pytest.raises(evoca.BundleError, match="do not add up"):
        model.predict(np.zeros((8, 8, 3), np.uint8))


def test_a_missing_bundle_names_what_there_is(tmp_path):
    with pytest.raises(evoca.BundleError, match=r"no such model bundle.*default"):
        evoca.load(tmp_path / "none")


def test_the_environment_names_the_default(bundle, monkeypatch):
    monkeypatch.setenv("EVOCA_MODEL", str(bundle))
    assert find_bundle() == bundle
    assert find_bundle("default") == SHIPPED
    monkeypatch.setenv("EVOCA_MODEL", "/none")
    with pytest.raises(evoca.BundleError, match="EVOCA_MODEL=/none"):
        evoca.load()


def test_a_folder_named_like_a_model_can_be_given_by_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").mkdir()
    assert find_bundle() == find_bundle("default") == SHIPPED
    assert find_bundle("./default") == find_bundle(Path("default")) == Path("default")


@pytest.mark.parametrize("name", bundled_models())
def test_what_ships_keeps_its_promises(name):
    bundle = read_bundle(name)
    card = bundle.card
    assert ModelCard.model_validate_json(card.model_dump_json()) == card
    assert sum(f.stat().st_size for f in bundle.path.iterdir()) < 25_000_000
    assert card.metrics["accuracy"].value >= 0.53
    assert card.licence.weights != card.licence.code
    test = card.deletion_test
    assert test is not None
    assert test.evidence_minus_random.ci95[1] < 0
    assert test.evidence_minus_centre.ci95[1] < 0
    words = (bundle.path / "README.md").read_text(encoding="utf-8")
    assert f"{card.metrics['accuracy'].value:.3f}" in words
    low, high = card.metrics["set_coverage"].ci95
    assert low <= card.set_coverage <= high
