import csv
from dataclasses import fields

import numpy as np
import pytest

from evoca.errors import DataError
from evoca.runs import Predictions, read_predictions, write_predictions

LABELS = ("awe", "fear", "sadness")
ROWS = [
    {"image": "a.jpg", "truth": "awe", "p_awe": "0.5", "p_fear": "0.5", "p_sadness": "0"},
    {"image": "b.jpg", "truth": "", "p_awe": "0.2", "p_fear": "0.3", "p_sadness": "0.5"},
]


def predictions(**changes) -> Predictions:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), (2, 4))
    known = {
        "images": ("a.jpg", "b,c.jpg", "d.jpg", 'e"f.jpg'),
        "groups": ("1", "1", "", "2"),
        "truth": np.array([0, 2, -1, 1]),
        "labels": LABELS,
        "probabilities": scores,
        "fold": np.array([[0, 0, 1, 1], [1, 1, 0, 0]]),
    }
    return Predictions(**{**known, **changes})


FULL = {
    "in_set": np.random.default_rng(1).random((2, 4, 3)) > 0.4,
    "distribution": np.array([[1, 0, 0], [0, 0.5, 0.5], [np.nan] * 3, [0.25, 0.5, 0.25]]),
    "agreement": np.array([1.0, 0.5, np.nan, 0.5]),
    "rated": np.array([[1.5, 2], [3, 4], [np.nan, np.nan], [7, 1]]),
    "predicted_affect": np.random.default_rng(2).random((2, 4, 2)),
}


@pytest.mark.parametrize("extra", [{}, FULL, {"fold": np.full((2, 4), -1)}])
def test_what_is_written_is_read_back(tmp_path, extra):
    file, written = tmp_path / "predictions.csv", predictions(**extra)
    write_predictions(file, written)
    read = read_predictions(file)
    for field in fields(Predictions):
        one, other = getattr(written, field.name), getattr(read, field.name)
        if isinstance(one, np.ndarray) and one.dtype == np.float64:
            np.testing.assert_allclose(one, other, atol=1e-7, equal_nan=True)
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
        else:
            assert one == other


def test_repeats_in_any_order_are_brought_together(tmp_path):
    file, written = tmp_path / "predictions.csv", predictions()
    write_predictions(file, written)
    head, *rows = file.read_text().splitlines()
    file.write_text("\n".join([head, *rows[:4], *reversed(rows[4:])]) + "\n")
    np.testing.assert_allclose(read_predictions(file).probabilities, written.probabilities, 1e-6)


def write(file, rows):
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def test_a_bare_table_is_enough(tmp_path):
    read = read_predictions(write(tmp_path / "p.csv", ROWS))
    assert read.labels == LABELS
    assert read.images == ("a.jpg", "b.jpg")
    assert read.truth.tolist() == [0, -1]
    assert read.fold.tolist() == [[-1, -1]]
    assert read.groups == ("", "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p_awe": "nan"}, "row 3: p_awe is 'nan', not a finite number"),
        ({"p_awe": "0.9"}, r"row 3 \(b.jpg\): scores: does not sum to 1"),
        ({"p_awe": "-0.2", "p_fear": "0.7"}, r"row 3 \(b.jpg\): scores: outside 0..1"),
        ({"truth": "joy"}, r"row 3 \(b.jpg\): labelled joy, which is not one of awe, fear"),
        ({"image": "a.jpg"}, "row 3: a.jpg is there twice in repeat 0"),
        ({"repeat": "1"}, "repeat 0 has no prediction of b.jpg"),
        ({"prediction_set": "awe"}, "row 3: prediction_set is not a JSON list of labels"),
    ],
)
def test_a_bad_row_is_named(tmp_path, change, message):
    first = {**ROWS[0], "repeat": "0", "prediction_set": '["awe"]'}
    second = {**ROWS[1], "repeat": "0", "prediction_set": '["fear"]', **change}
    with pytest.raises(DataError, match=f"p.csv: {message}"):
        read_predictions(write(tmp_path / "p.csv", [first, second]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"image": "a.jpg", "emotion": "awe"}], "no columns p_<emotion>"),
        ([{"p_awe": "1", "p_fear": "0"}], "no column 'image'"),
    ],
)
def test_a_table_that_is_none_of_predictions_says_so(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_predictions(write(tmp_path / "p.csv", rows))


def test_a_truth_that_changes_between_repeats_is_refused(tmp_path):
    rows = [{**row, "repeat": r} for r in ("0", "1") for row in ROWS]
    rows[2]["truth"] = "fear"
    with pytest.raises(DataError, match="row 2: the truth of this image differs"):
        read_predictions(write(tmp_path / "p.csv", rows))
