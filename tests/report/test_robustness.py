"""The section on robustness of a report, against the result it was made from."""

import json

import numpy as np
import pytest

from evoca.errors import DataError
from evoca.metrics.robustness import masking, movements
from evoca.report import build_report
from evoca.report.sections.robustness import robustness
from evoca.runs.robustness import ROBUSTNESS_FILE, RobustnessResult, read_robustness
from report_samples import silent, write_run

HEADING = "When pictures change"
BEFORE = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]])
TURNED = BEFORE.copy()
TURNED[0] = [0.1, 0.9]


def result_of(truth=(0, 1, 0, 0), faces=True):
    """The robustness test of four pictures, of which one change turns the first."""
    accuracy, moved = movements(BEFORE, {"none": BEFORE, "turn <b>": TURNED}, truth, draws=50)
    mask = masking(BEFORE, TURNED, BEFORE, truth, with_faces=5, draws=50) if faces else None
    return RobustnessResult(
        model="tiny",
        data="small",
        n=4,
        groups=4,
        basis="identical files",
        accuracy=accuracy,
        labelled=4,
        trained_on=0,
        copies_of_training=0,
        movements=moved,
        masking=mask,
        unreadable=(),
        notes=("a note <b>",),
        version="0.1.0",
        draws=50,
        seed=0,
    )


def page(folder, run, **options):
    out = folder / "page.html"
    build_report([run], out, None, silent, models=[None], images=False, **options)
    return out.read_text()


def test_rows_say_what_moved():
    found = robustness(result_of())
    still, turned = found.rows
    assert (still.flipped, still.moved[:4], still.accuracy[:4]) == ("0.0%", "0.0%", "+0.0")
    # One of four turns, from the right to the wrong emotion, and moves 0.8 of its probability.
    assert (turned.flipped, turned.moved[:5], turned.accuracy[:5]) == ("25.0%", "20.0%", "-25.0")
    assert found.lead.startswith("tiny on 4 pictures of small; accuracy as they are 75.0%")


def test_hidden_faces_are_set_against_as_much_elsewhere():
    found = robustness(result_of())
    hidden, elsewhere, difference = found.faces
    assert (hidden.flipped, elsewhere.flipped, difference.flipped) == ("25.0%", "0.0%", "+25.0")
    assert difference.moved.startswith("+20.0 (")
    assert found.compared.startswith("4 of the 5 pictures with a face")


def test_without_labels_no_accuracy_is_shown():
    found = robustness(result_of(truth=None, faces=False))
    assert not found.labelled
    assert not found.faces
    assert {row.accuracy for row in found.rows} == {""}
    assert found.lead.endswith("which have no labels.")


def test_the_page_shows_the_result_of_the_run_directory_or_the_named_one(tmp_path, names_run):
    assert HEADING not in page(tmp_path, names_run())
    run = names_run()
    (run.path / ROBUSTNESS_FILE).write_text(json.dumps(result_of().to_dict()))
    text = page(tmp_path, run)
    assert HEADING in text
    assert "turn &lt;b&gt;" in text
    assert "a note &lt;b&gt;" in text
    assert '<a href="#run-0-robustness">' in text
    assert HEADING in page(tmp_path, names_run(), robustness=result_of(faces=False))


@pytest.fixture
def names_run(tmp_path, run):
    count = iter(range(9))
    return lambda: write_run(tmp_path / f"run{next(count)}", run.predictions)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        ("{", "not valid JSON"),
        ("[]", "not the result of a robustness test"),
        ('{"schema_version": 9}', "install a newer one"),
        (
            '{"schema_version": 1, "accuracy": null, "masking": null}',
            "not the result of a robustness test",
        ),
    ],
)
def test_what_is_no_probe_is_refused(tmp_path, content, message):
    file = tmp_path / "found.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DataError, match=f"found.json: .*{message}"):
        read_robustness(file)
