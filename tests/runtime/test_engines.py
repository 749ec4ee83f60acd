"""Every engine and precision gives what the reference gives, or says in a line why it cannot."""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import evoca
from evoca.errors import EngineError, MissingExtraError
from evoca.runtime.bundle import read_bundle
from evoca.runtime.engines import ENGINES, PRECISIONS, engine_names, open_engine
from evoca.runtime.engines import onnxruntime as ort_engine
from samples import EXAMPLES


def opened(engine, precision, threads=1):
    """The engine with the bundled model, or a skip that says why there is none here."""
    try:
        return open_engine(engine, read_bundle(), threads, precision)
    except (EngineError, MissingExtraError) as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(0).integers(0, 256, (6, 320, 320, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def exact(batch):
    return open_engine("onnxruntime", read_bundle(), 1).run(batch)


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_float32_is_that_of_the_reference_in_every_output(engine, batch, exact):
    for name, values in opened(engine, "float32").run(batch)._asdict().items():
        assert np.abs(values - getattr(exact, name)).max() <= 1e-3, name


def test_bf16_is_near_the_reference_and_not_the_same(batch, exact):
    found = opened("openvino", "bf16").run(batch)
    difference = np.abs(found.logits - exact.logits).max()
    assert 1e-4 < difference < 0.05 * np.ptp(exact.logits)


@pytest.mark.parametrize("precision", PRECISIONS[:2])
def test_threads_share_an_engine_and_batches_may_differ_in_size(precision, batch):
    engine = opened("openvino", precision)
    alone = [engine.run(batch[:n]).logits for n in (1, 2, 3, 6)]
    with ThreadPoolExecutor(4) as pool:
        sizes = [1, 2, 3, 6] * 4
        together = list(pool.map(lambda n: engine.run(batch[:n]).logits, sizes))
    for found, n in zip(together, sizes, strict=True):
        assert np.array_equal(found, alone[(1, 2, 3, 6).index(n)])


@pytest.mark.parametrize("engine", ENGINES[:2])
def test_a_stopped_engine_runs_no_more(engine, batch):
    running = opened(engine, "float32")
    running.run(batch[:1])
    running.stop()
    with pytest.raises(evoca.BundleError, match=r"model\.onnx failed"):
        running.run(batch[:1])


def test_a_predictor_keeps_engine_and_precision_in_another_process():
    opened("openvino", "bf16")
    model = evoca.load(engine="openvino", precision="bf16", threads=1)
    copy = pickle.loads(pickle.dumps(model))
    picture = EXAMPLES / "rocket.jpg"
    first = model.predict(picture).probabilities
    assert copy.predict(picture).probabilities == first
    assert evoca.load(threads=1).predict(picture).probabilities != first


BUNDLED = "this bundle has no integers: make one that has, with evoca models quantize"
REFUSED = {
    ("onnxruntme", None): "engine onnxruntme: no such engine; did you mean onnxruntime",
    ("onnxruntime", "bf16"): "engine onnxruntime: it has no bf16 here",
    ("onnxruntime", "float16"): "precision float16: no such precision",
    ("onnxruntime", "int8"): f"precision int8: {BUNDLED}",
}


@pytest.mark.parametrize("asked", REFUSED)
def test_what_there_is_not_is_refused_in_a_line(asked):
    engine, precision = asked
    with pytest.raises(EngineError) as caught:
        evoca.load(engine=engine, precision=precision)
    assert REFUSED[asked] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_provider_that_the_build_lacks_is_named_with_what_it_has(monkeypatch):
    monkeypatch.setitem(ort_engine.PROVIDERS, "onnxruntime-cuda", ("NoneSuch", "some-package", {}))
    with pytest.raises(EngineError, match=r"has no NoneSuch \(it has .*CPU.*\): install some-pack"):
        open_engine("onnxruntime-cuda", read_bundle())


def test_a_cpu_without_bf16_is_told(monkeypatch):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    from evoca.runtime.engines import openvino as engine

    monkeypatch.setitem(engine._CAPABILITIES, "bf16", "BF1")
    with pytest.raises(EngineError, match="engine openvino: this CPU has no bf16"):
        open_engine("openvino", read_bundle(), 1, "bf16")


def test_without_openvino_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match="engine openvino needs the package openvino"):
        open_engine("openvino", read_bundle())


class Plain:
    """As another package offered an engine before there were precisions."""

    def __init__(self, bundle, threads):
        self.threads = threads


def test_an_engine_of_another_package_may_know_no_precision(monkeypatch):
    group = {"plain": "nowhere:Plain"}
    monkeypatch.setattr("evoca.runtime.engines.plugin_names", lambda _: group)
    monkeypatch.setattr("evoca.runtime.engines.plugins", lambda _: {"plain": Plain})
    assert "plain" in engine_names()
    assert open_engine("plain", read_bundle(), 3).threads == 3
    assert open_engine("plain", read_bundle(), 3, "float32").threads == 3
    with pytest.raises(
        EngineError, match="engine plain: it computes in float32 alone, not in bf16"
    ):
        open_engine("plain", read_bundle(), 3, "bf16")


def test_openvino_writes_no_id_of_the_user(tmp_path):
    pytest.importorskip("openvino", reason="needs the extra openvino")
    script = "from evoca.privacy import openvino; print(openvino().__version__)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_takes_engine_and_precision():
    opened("openvino", "bf16")
    command = [sys.executable, "-m", "evoca", "predict", str(EXAMPLES / "rocket.jpg")]
    said = [
        subprocess.run([*command, *more], capture_output=True, text=True)
        for more in (
            ["--engine", "openvino", "--precision", "bf16", "--format", "json"],
            ["--precision", "bf16"],
        )
    ]
    assert said[0].returncode == 0, said[0].stderr
    assert said[1].returncode == 1
    assert said[1].stderr.startswith("evoca: engine onnxruntime: it has no bf16 here")


def test_a_signal_after_several_models_is_handled():
    pytest.importorskip("openvino", reason="needs the extra openvino")
    script = (
        "import pickle, signal, evoca\n"
        "model = evoca.load(engine='openvino', threads=1)\n"
        "copy = pickle.loads(pickle.dumps(model))\n"
        f"found = [one.predict({str(EXAMPLES / 'rocket.jpg')!r}) for one in (model, copy)]\n"
        "del model, copy\n"
        "signal.signal(signal.SIGINT, lambda *_: print('handled'))\n"
        "signal.raise_signal(signal.SIGINT)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n"), done.stderr
