"""PyTorch and ONNX agree on real images, for the shipped model and for a new one."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
onnx = pytest.importorskip("onnx", reason="needs the extra train")

import evoca  # noqa: E402
from evoca.images import Preprocessing, load_image  # noqa: E402
from evoca.lab.backbones import load_backbone  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402
from evoca.lab.export import PARITY  # noqa: E402
from evoca.lab.heads.linear import (  # noqa: E402
    AdditiveClassifier,
    LinearHead,
)
from evoca.lab.models.onnx_export import export_system, parity  # noqa: E402
from evoca.runtime.bundle import read_bundle  # noqa: E402

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.jpg"))


def pixels_of(paths, preprocessing):
    return torch.from_numpy(np.stack([load_image(path, preprocessing).pixels for path in paths]))


@pytest.fixture(scope="module")
def shipped():
    """The shipped model again in PyTorch: its recipe's backbone, the head of its graph."""
    bundle = read_bundle("default")
    graph = onnx.load(str(bundle.path / "model.onnx"), load_external_data=False).graph
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    weight = next(a for a in arrays.values() if a.shape == (8, 2136))
    model = load_recipe(bundle.card.provenance.recipe).model
    backbone = load_backbone(model.backbone, stages=model.stages)
    head = LinearHead(weight, np.array(bundle.card.evidence_bias), 1.0)
    return bundle, AdditiveClassifier(backbone, head).eval()


def check(shipped, paths):
    bundle, system = shipped
    pixels = pixels_of(paths, bundle.card.preprocessing)
    differences = parity(system, bundle.path / "model.onnx", pixels)
    assert set(differences) == {"logits", "evidence", "embedding"}
    assert max(differences.values()) < PARITY


def test_the_shipped_model_is_what_pytorch_computes(shipped):
    check(shipped, EXAMPLES)


def test_the_shipped_model_is_what_pytorch_computes_on_research_photographs(shipped, shared_data):
    check(shipped, sorted((shared_data / "fi").glob("*/*.jpg"))[::75])


def test_the_predictor_gives_the_softmax_of_pytorchs_logits(shipped):
    bundle, system = shipped
    with torch.inference_mode():
        logits = system(pixels_of(EXAMPLES, bundle.card.preprocessing)).logits
    expected = torch.softmax(logits / bundle.card.temperature, dim=1).numpy()
    learnt = evoca.load(prior="trained").predict(EXAMPLES)
    found = [list(p.probabilities.values()) for p in learnt]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    # Under its own prior: each times prior / training frequency.
    card = bundle.card
    ratio = [card.prior.frequencies[x] / card.training_frequencies[x] for x in card.labels]
    weighted = expected * np.array(ratio)
    found = [list(p.probabilities.values()) for p in evoca.load().predict(EXAMPLES)]
    np.testing.assert_allclose(found, weighted / weighted.sum(axis=1, keepdims=True), atol=1e-3)


def test_the_graph_is_self_contained_and_standard(shipped):
    bundle, _ = shipped
    model = onnx.load(str(bundle.path / "model.onnx"), load_external_data=False)
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    assert not any(t.external_data for t in model.graph.initializer)
    (image,) = model.graph.input
    shape = [d.dim_param or d.dim_value for d in image.type.tensor_type.shape.dim]
    assert shape[1:] == [320, 320, 3]
    assert image.type.tensor_type.elem_type == onnx.TensorProto.UINT8


@pytest.mark.parametrize("stages", ["last", "all"])
def test_every_choice_of_stages_exports(tmp_path, stages):
    backbone = load_backbone("efficientnet_lite0", stages=stages)
    preprocessing = Preprocessing(height=64, width=96)
    pixels = pixels_of(EXAMPLES[:2], preprocessing)
    with torch.inference_mode():
        width = backbone(pixels).shape[1]
    rng = np.random.default_rng(0)
    head = LinearHead(rng.normal(size=(3, width)) / 50, rng.normal(size=3), 1.0)
    system = AdditiveClassifier(backbone, head)
    file = tmp_path / "model.onnx"
    export_system(system, 64, 96, file)
    assert max(parity(system, file, pixels).values()) < PARITY
    with torch.inference_mode():
        out = system(pixels)
    total = out.evidence.mean(dim=(2, 3)) + torch.tensor(head.bias)
    torch.testing.assert_close(total.float(), out.logits, atol=1e-4, rtol=1e-4)


def test_weights_from_files_beside_the_model_are_refused(tmp_path):
    """A graph that asks for external data gets none, wherever it lies."""
    import hashlib
    import json
    import shutil

    bundle = Path(shutil.copytree(read_bundle("default").path, tmp_path / "bundle"))
    model = onnx.load(str(bundle / "model.onnx"))
    onnx.save_model(
        model, str(bundle / "model.onnx"), save_as_external_data=True, location="weights.bin"
    )
    card = json.loads((bundle / "model.json").read_text())
    card["sha256"] = hashlib.sha256((bundle / "model.onnx").read_bytes()).hexdigest()
    (bundle / "model.json").write_text(json.dumps(card))
    with pytest.raises(evoca.BundleError, match="cannot load"):
        evoca.load(bundle)
