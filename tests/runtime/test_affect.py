"""A bundle that predicts valence and arousal: the shipped one with another such output."""

import hashlib
import json
import shutil

import numpy as np
import pytest

import evoca
from evoca.runtime.bundle import bundled_models

onnx = pytest.importorskip("onnx", reason="needs the extra train")


@pytest.fixture
def bundle(tmp_path):
    """Valence and arousal are the first two logits."""
    folder = shutil.copytree(bundled_models()["default"], tmp_path / "bundle")
    model = onnx.load(folder / "model.onnx")
    first_two = onnx.numpy_helper.from_array(np.array([0, 1]), "first_two")
    model.graph.initializer.append(first_two)
    node = onnx.helper.make_node("Gather", ["logits", "first_two"], ["affect"], axis=1)
    for own in model.graph.node:  # what made the output makes another tensor now
        for i, name in enumerate(own.output):
            if name == "affect":
                own.output[i] = "learnt_affect"
    model.graph.node.append(node)
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    edit(folder, sha256=digest, affect_range=[1, 7], affect_intervals=None)
    return folder


def edit(folder, **changes):
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(content | changes))


def test_valence_and_arousal_come_with_the_prediction(bundle, examples):
    model = evoca.load(bundle, prior="trained")
    found = model.predict(examples / "coffee.jpg")
    assert model.card.affect_range == (1, 7)
    logits = np.log([found.probabilities[name] for name in model.labels]) * model.card.temperature
    assert found.affect[0] - found.affect[1] == pytest.approx(logits[0] - logits[1], abs=1e-4)
    assert found.affect_errors is None
    own = evoca.load().predict(examples / "coffee.jpg")
    assert 1 <= own.affect[0] <= 9
    assert own.affect_coverage == 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"affect_range": None}, "go together"),
        ({"affect_range": [7, 1]}, "affect_range must be the lowest and the highest"),
    ],
)
def test_a_range_goes_with_the_output(bundle, change, message):
    edit(bundle, **change)
    with pytest.raises(evoca.BundleError, match=message):
        evoca.load(bundle)
