"""What an incomplete training says when it is to be exported. Needs no PyTorch."""

import json

import pytest

from evoca.errors import EvocaError
from evoca.lab.config.recipe import load_recipe
from evoca.lab.experiments.run_files import read_training
from evoca.metrics.result import HEADLINE
from evoca.runs import write_json
from evoca.runtime.bundle import read_bundle
from run_samples import write_run


@pytest.fixture
def training(tmp_path):
    run = write_run(
        tmp_path / "run",
        load_recipe("default").model_dump(mode="json"),
        chosen={"c": 0.1, "temperature": 0.7, "set_threshold": 0.06},
        training_images=["0" * 16],
        evoca_version="0.1.0",
    )
    test = read_bundle("default").card.deletion_test
    write_json(run / "deletion_test.json", test.model_dump(mode="json"))
    return run


def test_a_complete_training_is_read(training):
    found = read_training(training)
    assert found.description.taxonomy == "mikels8"
    assert set(found.figures.headline) == {*HEADLINE, "top2_accuracy"}
    assert len(found.figures.per_emotion) == 8


def test_an_emotion_without_test_images_has_no_figures(training):
    """As ``train`` writes it where the test part of a small set has none."""
    content = json.loads((training / "metrics.json").read_text())
    content["per_emotion"]["anger"] |= {"precision": 0.0, "recall": None, "f1": None, "support": 0}
    write_json(training / "metrics.json", content)
    found = read_training(training)
    assert found.figures.per_emotion["anger"].recall is None


@pytest.mark.parametrize(
    ("file", "key", "value", "message"),
    [
        ("run.json", "recipe", None, "run.json: recipe: is missing"),
        ("run.json", "data", None, "run.json: data: is missing"),
        ("run.json", "data", {"images": 3}, "run.json: data.name: is missing"),
        ("run.json", "split", None, "run.json: split: is missing"),
        ("run.json", "labels", None, "run.json: labels: is missing"),
        ("run.json", "labels", ["a", "b"], "not the labels of a taxonomy: a, b"),
        ("run.json", "training_images", None, "run.json: training_images: is missing"),
        ("run.json", "evoca_version", None, "run.json: evoca_version: is missing"),
        ("run.json", "chosen", {}, "run.json: chosen.temperature: is missing"),
        ("run.json", "chosen", None, "a cross-validation, not a training"),
        ("metrics.json", "per_emotion", None, "metrics.json: per_emotion: is missing"),
        ("metrics.json", "accuracy", 0.5, "metrics.json: headline.accuracy: "),
        ("deletion_test.json", "random", None, "deletion_test.json: random: is missing"),
    ],
)
def test_an_incomplete_training_is_one_line(training, file, key, value, message):
    content = json.loads((training / file).read_text())
    del content[key]
    if value is not None:
        content[key] = value
    write_json(training / file, content)
    with pytest.raises(EvocaError) as caught:
        read_training(training)
    assert message in str(caught.value)
    assert str(training) in str(caught.value)
    assert "\n" not in str(caught.value)
