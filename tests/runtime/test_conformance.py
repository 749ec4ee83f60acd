"""The drawn pictures with exact outputs: every engine and precision here comes near enough."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import evoca
from evoca.commands import models
from evoca.runtime.bundle import bundled_models, read_bundle
from evoca.runtime.conformance import conformance, opened_engines
from evoca.runtime.engines import ENGINES, PRECISIONS, open_engine
from evoca.runtime.fixture import drawn_pictures, fixture_of, moments, write_fixture

SHIPPED = bundled_models()["default"]


@pytest.fixture
def bundle(tmp_path):
    return Path(shutil.copytree(SHIPPED, tmp_path / "bundle"))


def checked(engine, precision, bundle, fixture):
    return conformance(engine, "this", precision, bundle, fixture)


@pytest.mark.parametrize("name", bundled_models())
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_engine_conforms(name, engine, precision):
    bundle = read_bundle(name)
    assert bundle.card.conformance is not None
    (found,) = opened_engines(bundle, 1, engine=engine, precision=precision)
    if isinstance(found[2], str):
        pytest.skip(found[2])
    result = checked(found[2], precision, bundle, fixture_of(bundle))
    assert result.failures == ()
    assert result.same_top == result.pictures == 5


def test_the_pictures_are_those_that_are_drawn():
    pictures = drawn_pictures(320, 320)
    assert np.array_equal(fixture_of(read_bundle()).pictures, pictures)


def test_moments_see_a_map_that_is_turned():
    values = np.random.default_rng(0).normal(size=(1, 2, 3, 5)).astype(np.float32)
    for turned in (values[..., ::-1], values[:, :, ::-1], values.transpose(0, 1, 3, 2)):
        assert np.abs(moments(turned) - moments(values)).max() > 1e-2
    height = (np.arange(3) + 0.5) / 3
    expected = (values[0, 0] * height[:, None]).sum() / 15
    assert moments(values)[0, 0, 1] == pytest.approx(expected, abs=1e-6)


class Wrong:
    """An engine whose output is off by a little."""

    def __init__(self, **change):
        self.inner, self.change = open_engine("onnxruntime", read_bundle(), 1), change

    def run(self, batch):
        found = self.inner.run(batch)
        changed = {name: getattr(found, name) * factor for name, factor in self.change.items()}
        return found._replace(**changed)


@pytest.mark.parametrize("output", ["logits", "affect", "evidence"])
@pytest.mark.parametrize(("precision", "factor"), [("float32", 1.01), ("bf16", 1.4)])
def test_an_output_that_is_off_fails(output, precision, factor):
    bundle = read_bundle()
    fixture = fixture_of(bundle)
    assert not checked(Wrong(), precision, bundle, fixture).failures
    failures = checked(Wrong(**{output: factor}), precision, bundle, fixture).failures
    assert failures[0].startswith(f"{output} differ by")


def test_an_output_that_is_missing_or_a_graph_that_fails_is_a_failure():
    bundle = read_bundle()
    fixture = fixture_of(bundle)
    engine = open_engine("onnxruntime", bundle, 1)
    without = replace(fixture, affect=None)
    (failure,) = checked(engine, "float32", bundle, without).failures
    assert failure == "affect are there in one of the two alone"
    engine.stop()
    result = checked(engine, "float32", bundle, fixture)
    assert result.logits == np.inf
    assert "model.onnx failed" in result.failures[0]


def edit(bundle, **changes):
    file = bundle / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_fixture_that_was_changed_is_refused_in_a_line(bundle):
    exact, png = bundle / "conformance.json", bundle / "conformance.png"
    kept = exact.read_bytes(), png.read_bytes()
    cases = {
        "conformance.json is not the file": lambda: exact.write_bytes(kept[0] + b" "),
        "conformance.png is not the file": lambda: png.write_bytes(kept[1] + b" "),
        "conformance.json: missing": exact.unlink,
    }
    for expected, change in cases.items():
        change()
        with pytest.raises(evoca.BundleError, match=expected):
            fixture_of(read_bundle(bundle))
        exact.write_bytes(kept[0])
        png.write_bytes(kept[1])
    assert fixture_of(read_bundle(bundle)).shipped


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"pictures": 4}, "does not hold 4 pictures"),
        ({"logits": [[0.0] * 7] * 5}, r"logits of conformance.json do not have the shape \(5, 8\)"),
        ({"logits": [[1.0], [1.0, 2.0]]}, "logits of conformance.json do not have the shape"),
        ({"colour": "red"}, "conformance.json is invalid at colour"),
        ({"format_version": 2}, "conformance.json is invalid at format_version"),
    ],
)
def test_a_fixture_that_is_untrue_is_refused_in_a_line(bundle, change, expected):
    file = bundle / "conformance.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    edit(bundle, conformance=hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(evoca.BundleError, match=expected) as caught:
        fixture_of(read_bundle(bundle))
    assert "\n" not in str(caught.value)


def test_a_bundle_of_an_earlier_version_is_read_and_compared_with_the_reference(bundle):
    edit(bundle, conformance=None, format_version=5)
    own = read_bundle(bundle)
    fixture = fixture_of(own)
    assert not fixture.shipped
    assert not checked(open_engine("onnxruntime", own, 1), "float32", own, fixture).failures
    evoca.load(bundle)


def test_a_fixture_is_written_again_as_it_was(bundle):
    before = (bundle / "conformance.json").read_bytes(), (bundle / "conformance.png").read_bytes()
    edit(bundle, conformance=None)
    card = write_fixture(read_bundle(bundle))
    shipped = fixture_of(read_bundle())
    edit(bundle, conformance=card.conformance)
    again = fixture_of(read_bundle(bundle))
    assert np.array_equal(again.pictures, shipped.pictures)
    for name in ("logits", "affect", "evidence"):  # the order of sums may differ by machine
        assert np.allclose(getattr(again, name), getattr(shipped, name), atol=1e-3)
    assert len(before[0]) + len(before[1]) < 150_000


def verify(*arguments):
    done = CliRunner().invoke(models.app, ["verify", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_prints_each_engine_and_fails_where_one_differs(bundle, monkeypatch):
    status, printed, _ = verify("default")
    assert status == 0
    assert "onnxruntime float32: conforms; logits differ by" in printed
    assert "not here: engine onnxruntime-coreml" in printed
    content = json.loads((bundle / "conformance.json").read_text())
    content["logits"][0][0] += 1
    (bundle / "conformance.json").write_text(json.dumps(content))
    edit(bundle, conformance=None)
    status, printed, said = verify(bundle, "--engine", "onnxruntime")
    assert status == 0
    assert "has no exact outputs" in said
    digest = hashlib.sha256((bundle / "conformance.json").read_bytes()).hexdigest()
    edit(bundle, conformance=digest)
    status, printed, _ = verify(bundle, "--engine", "onnxruntime", "--precision", "float32")
    assert status == 1
    assert "onnxruntime float32: differs" in printed
    assert "  logits differ by 1, 0.00" in printed
    status, printed, _ = verify(bundle, "--write", "--engine", "onnxruntime")
    assert status == 0
    assert "onnxruntime float32: conforms" in printed


def test_an_engine_that_is_not_here_fails_where_it_was_asked_for():
    status, printed, _ = verify("--engine", "onnxruntime-directml")
    assert status == 1
    assert printed.startswith("not here: engine onnxruntime-directml")
    assert verify("--precision", "float8")[0] == 1
