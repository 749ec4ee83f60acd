"""The engines of a loaded bundle, and work in order by several threads."""

import pickle
import threading

import numpy as np
import pytest

from evoca.errors import BundleError
from evoca.runtime.bundle import read_bundle
from evoca.runtime.sessions import Sessions, in_order


@pytest.fixture
def sessions():
    return Sessions(read_bundle(), "onnxruntime", 2, None)


@pytest.fixture(scope="module")
def pixels():
    size = read_bundle().card.preprocessing
    shape = (1, size.height, size.width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_one_run_and_many_runs_compute_the_same(sessions, pixels):
    one, many = sessions.for_one_run(), sessions.for_many_runs()
    assert one is not many
    np.testing.assert_allclose(one.run(pixels).logits, many.run(pixels).logits, atol=1e-4)


def test_an_engine_that_only_checked_the_graph_is_given_up(sessions):
    checked = sessions.for_few_runs()
    many = sessions.for_many_runs()
    assert sessions.for_few_runs() is many is not checked


def test_an_engine_that_is_used_is_kept(sessions):
    one = sessions.for_one_run()
    sessions.for_many_runs()
    assert sessions.for_one_run() is one


def test_of_one_thread_there_is_one_engine():
    sessions = Sessions(read_bundle(), "onnxruntime", 1, None)
    checked = sessions.for_few_runs()
    assert sessions.for_many_runs() is checked
    assert sessions.for_one_run() is checked


def test_what_was_abandoned_opens_anew(sessions, pixels):
    before = sessions.for_one_run()
    sessions.abandon()
    with pytest.raises(BundleError):
        before.run(pixels)
    assert sessions.for_one_run().run(pixels).logits.shape == (1, 8)


def test_they_are_pickled_without_their_engines(sessions, pixels):
    again = pickle.loads(pickle.dumps(sessions))
    expected = sessions.for_one_run().run(pixels).logits
    np.testing.assert_array_equal(again.for_one_run().run(pixels).logits, expected)


def test_results_come_in_order_though_work_ends_in_another():
    second = threading.Event()

    def work(i, item):
        if i == 0:
            assert second.wait(60)
        if i == 1:
            second.set()
        return i, item

    found = in_order(work, "abcdef", 2, lambda: None)
    assert list(found) == list(enumerate("abcdef"))


def test_few_items_are_taken_ahead():
    taken = []

    def items():
        for i in range(1_000):
            taken.append(i)
            yield i

    found = in_order(lambda i, _: i, items(), 2, lambda: None)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    assert len(taken) <= 3 + 4 * 2
    found.close()


def test_an_error_in_a_thread_is_raised_in_its_place():
    def work(i, item):
        return 1 / item

    found = in_order(work, [1, 1, 0, 1], 2, lambda: None)
    assert [next(found), next(found)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_work_that_goes_on_after_an_interrupt_is_abandoned():
    abandoned, begun = threading.Event(), threading.Event()

    def work(i, item):
        begun.set()
        assert abandoned.wait(60)

    def items():
        yield 0
        assert begun.wait(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_order(work, items(), 2, abandoned.set))
    assert abandoned.is_set()
