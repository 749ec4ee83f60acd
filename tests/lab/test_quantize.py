"""A float32 bundle to an int8 one, measured on held-out images."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("onnx", reason="needs the extra train")
pytest.importorskip("torch", reason="needs the extra train")

import onnx
from onnx import TensorProto, helper, numpy_helper

import evoca
from evoca.commands import models
from evoca.data.manifest.labelled import load_labelled
from evoca.emotions import MIKELS8
from evoca.errors import DataError, EngineError
from evoca.lab.quantize import is_as_good, quantize_bundle
from evoca.runtime.bundle import read_bundle
from evoca.runtime.card import Metric
from evoca.runtime.conformance import conformance, opened_engines
from evoca.runtime.fixture import fixture_of, write_fixture
from hostile_bundles import write_files

SIDE = 16


def network():
    """Three convolutions and a linear layer, with weights that are drawn."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (8, 3, 3, 3), "w2": (8, 8, 3, 3), "w3": (16, 8, 3, 3), "head": (16, 8)}
    held = [
        numpy_helper.from_array((rng.normal(size=s) / 3).astype(np.float32), name)
        for name, s in shapes.items()
    ]
    held += [numpy_helper.from_array(np.array(1 / 64, np.float32), "unit")]
    held += [numpy_helper.from_array(np.array([2, 3], np.int64), "axes")]
    node = helper.make_node
    nodes = [
        node("Cast", ["image"], ["pixels"], "cast", to=TensorProto.FLOAT),
        node("Mul", ["pixels", "unit"], ["scaled"], "mul"),
        node("Transpose", ["scaled"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
    ]
    last = "planes"
    for i in (1, 2, 3):
        nodes += [
            node("Conv", [last, f"w{i}"], [f"c{i}"], f"conv{i}", pads=[1, 1, 1, 1]),
            node("Relu", [f"c{i}"], [f"r{i}"], f"relu{i}"),
        ]
        last = f"r{i}"
    nodes += [
        node("ReduceMean", ["r3", "axes"], ["means"], "mean", keepdims=0),
        node("MatMul", ["means", "head"], ["logits"], "linear"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 8])],
        held,
    )
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantize")
    size = {"height": SIDE, "width": SIDE, "resize": "squash"}
    bundle = read_bundle(write_files(folder / "bundle", network(), preprocessing=size))
    card = write_fixture(bundle)
    (bundle.path / "model.json").write_text(card.model_dump_json())
    rng = np.random.default_rng(1)
    for emotion in MIKELS8:
        (folder / "set" / emotion).mkdir(parents=True)
        for i in range(4):
            pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels // (i + 1)).save(folder / "set" / emotion / f"{i}.png")
    return folder


@pytest.mark.parametrize("method", ["percentile", "entropy", "minmax"])
def test_an_int8_bundle_states_what_changed_and_conforms(place, method):
    bundle, data = read_bundle(place / "bundle"), load_labelled(place / "set")
    made = quantize_bundle(
        bundle, data, place / method, method=method, images=8, exact_layers=1, data_name="drawn"
    )
    found = made.card.quantisation
    assert (found.calibration, found.calibration_images, found.images) == ("drawn", 8, 24)
    assert found.seen == 0
    assert found.method.startswith(method)
    assert 0.5 < found.same_emotion.value <= 1
    assert abs(found.nll_change.value) < 0.5
    assert made.card.name.endswith("-int8")
    assert "drawn" in (made.path / "README.md").read_text()
    nodes = onnx.load(str(made.path / "model.onnx")).graph.node
    weights = {n.output[0] for n in nodes if n.op_type == "DequantizeLinear"}
    convs = [n for n in nodes if n.op_type == "Conv"]
    assert [conv.input[1] in weights for conv in convs] == [False, True, True]
    assert {n.domain for n in nodes} <= {"", "ai.onnx"}
    for name, precision, engine in opened_engines(made, 1):
        if not isinstance(engine, str):
            assert precision == "int8"
            result = conformance(engine, name, precision, made, fixture_of(made))
            assert result.failures == ()
            assert result.logits > 1e-4  # they are integers after all
    assert evoca.load(made.path).card == evoca.load(made.path, precision="int8").card
    with pytest.raises(EngineError, match="this bundle was quantised, and has int8 alone"):
        evoca.load(made.path, precision="float32")
    with pytest.raises(evoca.BundleError, match="is quantised already"):
        quantize_bundle(made, data, place / "again")
    with pytest.raises(evoca.BundleError, match="keeps the fixture of the one"):
        write_fixture(made)


def test_splits_say_who_calibrates_and_who_is_held_out(place):
    files = sorted((place / "set").glob("*/*.png"))
    rows = [
        f"{file},{file.parent.name},{'train' if i % 2 else 'test' if i % 4 else 'val'}"
        for i, file in enumerate(files)
    ]
    (place / "set.csv").write_text("image,emotion,split\n" + "\n".join(rows) + "\n")
    bundle, data = read_bundle(place / "bundle"), load_labelled(place / "set.csv")
    made = quantize_bundle(bundle, data, place / "split", images=16, exact_layers=0)
    assert made.card.quantisation.images == 8
    only = data.in_split("train")
    rest = quantize_bundle(bundle, only, place / "only", images=8, exact_layers=0)
    assert rest.card.quantisation.images == len(only) - 8
    with pytest.raises(DataError, match="16 images to calibrate with, 24 are needed"):
        quantize_bundle(bundle, data, place / "more", images=24)
    with pytest.raises(DataError, match="a multiple of 8"):
        quantize_bundle(bundle, data, place / "more", images=12)
    with pytest.raises(evoca.BundleError, match="3 convolutions, of which 3 are to stay"):
        quantize_bundle(bundle, data, place / "more", images=8)
    assert not (place / "more").exists()


def test_images_that_the_model_has_learnt_from_are_counted(place):
    file = sorted((place / "set").glob("*/*.png"))[1]
    own = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    bundle = read_bundle(place / "bundle")
    card = bundle.card.model_copy(update={"training_images": (own,)})
    (place / "bundle" / "model.json").write_text(card.model_dump_json())
    asked = f"--data {place / 'set'} --images 8 --exact-layers 1 --out {place / 'seen'}"
    done = CliRunner().invoke(models.app, ["quantize", str(place / "bundle"), *asked.split()])
    assert done.exit_code == 0, done.output
    assert "on 24 held-out images, 1 of which the model had learnt from" in done.stdout
    content = json.loads((place / "seen" / "model.json").read_text())
    assert content["quantisation"]["calibration"] == "set"


def test_int8_takes_no_place_that_it_has_not_earned(place):
    bundle, data = read_bundle(place / "bundle"), load_labelled(place / "set")
    found = quantize_bundle(
        bundle, data, place / "good", images=8, exact_layers=1
    ).card.quantisation
    same = {"same_emotion": Metric(value=0.98, ci95=(0.97, 0.99))}
    worse = {"nll_change": Metric(value=0.02, ci95=(0.01, 0.03))}
    within = {"nll_change": Metric(value=0.02, ci95=(-0.01, 0.05))}
    fewer = {"same_emotion": Metric(value=0.979, ci95=(0.97, 0.99))}
    assert is_as_good(found.model_copy(update=same | within))
    assert not is_as_good(found.model_copy(update=same | worse))
    assert not is_as_good(found.model_copy(update=fewer | within))


def test_the_shipped_int8_bundles_have_earned_their_place():
    for path in evoca.runtime.bundle.bundled_models().values():
        found = read_bundle(Path(path)).card.quantisation
        assert found is None or is_as_good(found)
