"""The table of ``evoca predict`` on terminals of every width, and in a pipe."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from evoca.commands.terminal import columns_for, detailed, heading, one_line
from evoca.emotions import MIKELS8
from evoca.prediction import Prediction, prediction_set

LONG = "a/rather/long/way/to/a/photograph/of/the/sea-in-the-evening.jpg"
NAMES = ("sea.jpg", LONG)
WARNINGS = ((), ("animated: first frame", "unlike a photograph: screenshot"))


def predictions():
    rng = np.random.default_rng(0)
    for i in range(60):
        shares = rng.dirichlet(np.full(8, 0.3 + i / 20))
        probabilities = dict(zip(map(str, MIKELS8), map(float, shares), strict=True))
        yield Prediction(
            probabilities,
            prediction_set(probabilities, 0.06),
            "model",
            path=NAMES[i % 2],
            warnings=WARNINGS[i % 3 == 0],
        )


def console(width, *, terminal=True):
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None)


def printed(width, text):
    page = console(width)
    page.print(text)
    return page.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [50, 60, 72, 80, 100, 120, 200])
def test_every_line_fits_and_counts_what_it_does_not_name(width):
    columns = columns_for(console(width), len(LONG))
    assert max(map(len, printed(width, heading(columns)))) <= width
    start = heading(columns).plain.index("plausible")
    for prediction in predictions():
        line, *notes = printed(width, one_line(prediction, console(width), columns))
        assert max(map(len, (line, *notes))) <= width
        told = re.sub(r"  \(.*", "", line[start:]).strip()
        named = [label for label in re.sub(r" \+\d$", "", told).split(", ") if label in MIKELS8]
        more = re.search(r"(?: \+|^)(\d)", told)
        assert named == list(prediction.prediction_set[: len(named)])
        assert len(named) + (int(more[1]) if more else 0) == len(prediction.prediction_set)
        assert all(warning in " ".join((line, *notes)) for warning in prediction.warnings)


@pytest.mark.parametrize(
    ("width", "strip", "least"), [(200, 24, 44), (120, 8, 44), (80, 8, 22), (60, 0, 22)]
)
def test_the_bars_give_way_before_the_prediction_set(width, strip, least):
    columns = columns_for(console(width), 22)
    assert columns.strip >= strip
    assert columns.plausible >= least
    assert columns.name >= min(22, width // 6)


def test_a_pipe_gets_every_line_whole():
    pipe = console(200, terminal=False)
    columns = columns_for(pipe, 400)
    for prediction in predictions():
        (line,) = one_line(prediction, pipe, columns).plain.splitlines()
        assert line.startswith(prediction.path)
        assert ", ".join(prediction.prediction_set) in line
        assert all(f"({warning})" in line for warning in prediction.warnings)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_single_prediction_fits_too(width):
    page = console(width)
    for prediction in predictions():
        page.print(detailed(prediction, page, None))
        assert detailed(prediction, page, None).plain.count("%") == 10
    lines = page.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    bars = [line for line in lines if re.search(r"\d%", line)]
    assert len(bars) == 60 * 9  # no bar has broken onto a line of its own
