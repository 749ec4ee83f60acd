"""The fastest of the engines that give the right outputs, and why."""

import time

import numpy as np
import pytest

import evoca
from evoca.errors import EngineError
from evoca.runtime import choice
from evoca.runtime.bundle import read_bundle
from evoca.runtime.choice import choose_engine
from evoca.runtime.engines import open_engine
from evoca.runtime.fixture import fixture_of

BATCH = fixture_of(read_bundle()).pictures[:2]


class Slow:
    """The reference, after a pause per run, with logits times a factor."""

    def __init__(self, seconds, factor=1.0):
        self.inner = open_engine("onnxruntime", read_bundle(), 1)
        self.seconds, self.factor, self.sizes = seconds, factor, []

    def run(self, batch):
        self.sizes.append(len(batch))
        time.sleep(self.seconds)
        found = self.inner.run(batch)
        return found._replace(logits=found.logits * self.factor)


def chosen(monkeypatch, *engines):
    monkeypatch.setattr(choice, "opened_engines", lambda bundle, threads: iter(engines))
    return choose_engine(read_bundle(), BATCH, 1)


def test_the_fastest_is_taken_and_the_others_are_named(monkeypatch):
    slow, fast = Slow(0.3), Slow(0.0)
    found = chosen(
        monkeypatch,
        ("onnxruntime", "float32", slow),
        ("other", "bf16", fast),
        ("third", "float32", "not installed"),
    )
    assert (found.engine, found.precision) == ("other", "bf16")
    rates = found.rates
    assert list(rates) == [("onnxruntime", "float32"), ("other", "bf16")]
    own, against = rates["other", "bf16"], rates["onnxruntime", "float32"]
    expected = (
        f"other bf16: {own:.0f} images/s here, against {against:.0f} with onnxruntime float32"
    )
    assert found.why == expected
    # The fixture's five, a first run, five in turns: on a CPU an image a run, as later.
    assert slow.sizes == [*[1] * 5, *[1] * 12]
    assert fast.sizes == [5, *[2] * 6]


def test_the_reference_stays_where_nothing_is_clearly_faster(monkeypatch):
    monkeypatch.setattr(choice, "_rates", lambda engines, pixels: dict.fromkeys(engines, 100.0))
    found = chosen(monkeypatch, ("other", "float32", Slow(0)), ("onnxruntime", "float32", Slow(0)))
    assert found.engine == "onnxruntime"


def test_a_fast_engine_with_wrong_outputs_is_left_out(monkeypatch):
    found = chosen(
        monkeypatch,
        ("onnxruntime", "float32", Slow(0.05)),
        ("other", "float32", Slow(0, factor=1.01)),
    )
    assert found.engine == "onnxruntime"
    assert found.why.endswith("; other float32 left out, whose outputs are wrong")
    with pytest.raises(EngineError, match=r"no engine .* \(other float32 differ\)"):
        chosen(monkeypatch, ("other", "float32", Slow(0, factor=1.01)))


def test_what_is_chosen_can_be_loaded():
    found = choose_engine(read_bundle(), BATCH, 1)
    assert ("onnxruntime", "float32") in found.rates
    model = evoca.load(engine=found.engine, precision=found.precision, threads=1)
    assert model.predict(np.zeros((8, 8, 3), np.uint8)).emotion in model.labels


def test_nothing_to_measure_with_is_an_error():
    with pytest.raises(ValueError, match="no pixels"):
        choose_engine(read_bundle(), BATCH[:0])
