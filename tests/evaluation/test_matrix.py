import numpy as np
import pytest

from evoca.errors import DataError, EvocaError
from evoca.evaluation import Options, evaluate_system
from evoca.evaluation.matrix import Row, fill_matrix, named_data, without_copies

FEW = Options(draws=30, allow_missing=True, record=False)


@pytest.fixture
def columns(labelled):
    whole = labelled()
    return {"all": whole, "four": whole.take(np.arange(4))}


def test_every_system_meets_every_data_set(system, columns):
    found = fill_matrix([Row("one", system), Row("two", system)], columns, FEW)
    places = [(cell.row, cell.column, cell.figures["n"]) for cell in found.cells]
    assert places == [("one", "all", 6), ("one", "four", 4), ("two", "all", 6), ("two", "four", 4)]
    expected = evaluate_system(system, columns["four"], FEW).result.report["accuracy"]
    assert found.cells[1].figure("accuracy") == expected
    assert found.to_dict()["columns"] == ["all", "four"]


def test_rows_of_one_name_are_numbered_and_a_figure_must_be_there(system, columns):
    found = fill_matrix([Row("one", system), Row("one", system)], columns, FEW)
    assert found.rows == ("one", "one (2)")
    found.require_figure("accuracy")
    with pytest.raises(DataError, match="no figure 'acuracy' here; there are: accuracy, "):
        found.require_figure("acuracy")


def test_data_sets_are_named_by_their_files(tmp_path):
    places = [tmp_path / "first" / "set.csv", tmp_path / "second" / "set.csv"]
    for place in places:
        place.parent.mkdir()
        place.write_text("image,emotion\na.png,awe\n")
    found = named_data(places)
    assert list(found) == ["set", "second/set"]
    assert found["set"].names == ("a.png",)
    with pytest.raises(DataError, match="given twice, or named like another"):
        named_data([*places, places[1]])


def test_cells_that_are_there_are_not_done_again(system, columns, tmp_path):
    rows, asked = [Row("one", system)], []

    def step(name, _total):
        return lambda _: asked.append(name)

    first = fill_matrix(rows, columns, FEW, tmp_path / "kept", step)
    assert len(asked) == 10
    (tmp_path / "kept" / "one--four" / "run.json").unlink()
    (tmp_path / "kept" / "one--four" / "metrics.json").unlink()
    (tmp_path / "kept" / "one--four" / "predictions.csv").unlink()
    again = fill_matrix(rows, columns, FEW, tmp_path / "kept", step)
    assert asked[10:] == ["one on four"] * 4
    assert [c.figure("nll") for c in again.cells] == [c.figure("nll") for c in first.cells]


def test_another_cell_in_the_same_place_is_refused(system, columns, tmp_path):
    fill_matrix([Row("one", system)], columns, FEW, tmp_path)
    other = Options(draws=40, allow_missing=True, record=False)
    with pytest.raises(EvocaError, match="one--all: holds an evaluation of another model"):
        fill_matrix([Row("one", system)], columns, other, tmp_path)


def test_known_figures_are_taken_as_they_are(system, columns):
    known = {"n": 6, "accuracy": {"value": 0.5, "ci95": [0.4, 0.6]}}
    found = fill_matrix([Row("one", system, measured={"all": known})], columns, FEW)
    assert found.cells[0].protocol == "cross-validated"
    assert found.cells[0].figure("accuracy").value == 0.5


def test_copies_of_training_images_are_left_out(system, columns):
    learnt_from = columns["all"].take([0, 1])
    left, copies = without_copies(columns["all"], learnt_from)
    assert (left.names, copies) == (columns["all"].names[2:], 2)
    found = fill_matrix([Row("one", system, learnt_from)], columns, FEW)
    assert [(cell.figures["n"], cell.copies) for cell in found.cells] == [(4, 2), (2, 2)]
    with pytest.raises(DataError, match="every image of"):
        without_copies(columns["four"], columns["all"])
