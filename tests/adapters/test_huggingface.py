"""The shape of a pipeline of transformers, held against the real one on a tiny network."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import evoca
from evoca.adapters import labels_and_scores
from evoca.cli import app

ROOT = Path(__file__).resolve().parents[2]
CHINA, ROCKET = (str(ROOT / "examples" / f"{name}.jpg") for name in ("china", "rocket"))


@pytest.fixture(scope="module")
def ours():
    return evoca.pipeline("image-classification")


@pytest.fixture(scope="module")
def theirs(ours):
    transformers = pytest.importorskip("transformers", reason="needs the extra caption")
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
        id2label=dict(enumerate(ours.predictor.labels)),
    )
    return transformers.pipeline(
        "image-classification",
        model=transformers.ViTForImageClassification(config),
        image_processor=transformers.ViTImageProcessorPil(size={"height": 32, "width": 32}),
    )


def shape(found):
    """What code written for a pipeline relies on, whatever the scores are."""
    if isinstance(found, dict):
        assert 0 <= found["score"] <= 1
        return {key: type(value) for key, value in found.items()}
    if isinstance(found, list):
        scores = [one["score"] for one in found if isinstance(one, dict)]
        assert scores == sorted(scores, reverse=True)
    return type(found), [shape(one) for one in found]


CALLS = {
    "a path": lambda pipe: pipe(CHINA),
    "a picture": lambda pipe: pipe(Image.open(CHINA)),
    "a list of one": lambda pipe: pipe([CHINA]),
    "a list": lambda pipe: pipe([CHINA, ROCKET], batch_size=2),
    "pictures": lambda pipe: pipe([Image.open(CHINA), Image.open(ROCKET)]),
    "the top two": lambda pipe: pipe(CHINA, top_k=2),
    "more than there are": lambda pipe: pipe(CHINA, top_k=99),
    "softmax": lambda pipe: pipe(CHINA, function_to_apply="softmax"),
    "base64": lambda pipe: pipe(
        "data:image/jpeg;base64," + base64.b64encode(Path(CHINA).read_bytes()).decode()
    ),
    "a generator": lambda pipe: list(pipe(path for path in (CHINA, ROCKET))),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_output_has_the_shape_of_the_real_one(ours, theirs, call):
    assert shape(call(ours)) == shape(call(theirs))


def test_scores_are_the_probabilities(ours):
    prediction = ours.predictor.predict(CHINA)
    found = ours(CHINA, top_k=8)
    assert {one["label"]: one["score"] for one in found} == prediction.probabilities
    assert found[0]["label"] == prediction.emotion
    assert found[:5] == ours(np.asarray(Image.open(CHINA))) == labels_and_scores(prediction)


def test_a_generator_is_not_read_to_its_end(ours):
    def endless():
        while True:
            yield CHINA

    found = ours(endless())
    assert next(found) == next(found) == ours(CHINA)
    found.close()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: evoca.pipeline("text-classification"), "image-classification alone"),
        (lambda: evoca.pipeline(device="cuda:0"), "onnxruntime-cuda"),
        (lambda: evoca.pipeline(function_to_apply="sigmoid"), "calibrated"),
        (lambda: evoca.pipeline(top_k=0), "1 or more"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_cannot_be_read_is_raised(ours, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    for bad in (str(tmp_path / "bad.jpg"), "data:image/png;base64,!!!"):
        with pytest.raises(evoca.ImageError):
            ours([CHINA, bad])
    with pytest.raises(evoca.ImageError, match=r"127\.0\.0\.1"):
        ours("http://127.0.0.1:9/a.jpg")


def test_the_command_prints_one_list_per_image(ours, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    arguments = ["predict", CHINA, str(tmp_path / "bad.jpg"), ROCKET, "--format", "hf"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "bad.jpg" in done.stderr
    china, bad, rocket = json.loads(done.stdout)
    assert bad == []
    assert [len(china), len(rocket)] == [5, 5]
    assert [one["label"] for one in china] == [one["label"] for one in ours(CHINA)]
    done = CliRunner().invoke(app, [*arguments, "--top", "2"])
    assert [len(one) for one in json.loads(done.stdout)] == [2, 0, 2]
