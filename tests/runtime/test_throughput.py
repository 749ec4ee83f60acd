"""The size of batches, by measurement."""

import numpy as np
import pytest

from evoca.runtime import throughput


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        (lambda n: 0.02 * n, 1),  # a CPU: nothing is gained
        (lambda n: 0.01 + 0.001 * n, 16),  # an accelerator: a run costs nearly the same
        (lambda n: 0.02 * n if n < 4 else 0.019 * n, 1),  # what comes after is not tried
    ],
)
def test_the_batch_grows_as_long_as_it_gains(monkeypatch, seconds, size):
    clock = [0.0]

    class Timed:
        def run(self, batch):
            clock[0] += seconds(len(batch))

    monkeypatch.setattr(throughput.time, "perf_counter", lambda: clock[0])
    pixels = np.zeros((8, 4, 4, 3), np.uint8)
    assert throughput.best_batch_size(Timed(), pixels, 1) == size
