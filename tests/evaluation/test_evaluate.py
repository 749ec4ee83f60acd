"""A system on labelled images: the bundled model on the example photographs."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import evoca
from evoca.data.manifest.labelled import load_labelled
from evoca.errors import DataError
from evoca.evaluation import Options, evaluate_system, model_system, table_system, write_evaluation
from evoca.runs import Predictions, read_run

FEW = Options(draws=50, allow_missing=True, record=False)


def evaluation_of(system, data, **changes):
    return evaluate_system(system, data, replace(FEW, **changes))


def test_figures_are_those_of_the_predictions(system, labelled, predicted):
    data = labelled()
    found = evaluation_of(system, data)
    hits = predicted.argmax(axis=1) == data.truth
    assert found.result.report["accuracy"].value == pytest.approx(hits.mean())
    np.testing.assert_allclose(found.result.predictions.probabilities[0], predicted, atol=1e-6)
    assert found.result.to_dict()["n"] == 6
    assert found.unreadable == ()
    assert found.result.calibration.methods == {}  # six rows are too few to fit anything


def test_the_run_directory_reads_back(system, labelled, tmp_path):
    data = labelled()
    found = evaluation_of(system, data)
    (tmp_path / "run").mkdir()
    write_evaluation(tmp_path / "run", found)
    run = read_run(tmp_path / "run")
    assert run.report.to_dict() | found.result.report.to_dict() == run.report.to_dict()
    assert run.report["set_size"] == found.result.sets.size
    assert run.predictions.images == data.names
    assert run.recipe == system.name
    description = json.loads((tmp_path / "run" / "run.json").read_text())
    assert description["data"]["location"] == str(tmp_path / "data.csv")
    assert description["data"]["fingerprint"] == data.fingerprint()
    assert description["kind"] == "evaluation"
    assert set(description["code"]) == {"version", "sha256"}


def test_the_fingerprint_follows_what_decides_the_result(system, labelled, manifest):
    data = labelled()
    first = evaluation_of(system, data).description["fingerprint"]
    assert evaluation_of(system, data, draws=60).description["fingerprint"] == first
    other = data.take(np.arange(5))
    assert evaluation_of(system, other).description["fingerprint"] != first
    hotter = replace(system, identity={**system.identity, "temperature": 2.0})
    assert evaluation_of(hotter, data).description["fingerprint"] != first


SPLITS = ["test", "test", "test", "train", "val", ""]


@pytest.mark.parametrize(("split", "n"), [("test", 3), ("all", 6)])
def test_the_split_decides_the_rows(system, labelled, split, n):
    data = labelled(*({"split": name} for name in SPLITS))
    found = evaluation_of(system, data, split=split)
    assert found.result.report.n == n
    assert not any("split" in note for note in found.result.notes)


def test_all_rows_are_used_where_none_has_a_split_and_it_is_said(system, labelled):
    found = evaluation_of(system, labelled())
    assert found.description["split"]["name"] == "all"
    assert any("no row" in note and "all 6 rows are used" in note for note in found.result.notes)


def test_training_images_are_told_apart(system, labelled, photos):
    digest = hashlib.sha256(Path(photos[0]["image"]).read_bytes()).hexdigest()
    seen = replace(system, trained_on=frozenset({digest[:16]}))
    found = evaluation_of(seen, labelled())
    assert found.result.notes[0].startswith("WARNING: 1 of 6 images is among the training images")
    assert found.result.to_dict()["training_images"] == 1


def test_unreadable_images_are_left_out_and_counted(system, labelled, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    names = ["broken.jpg", "none.jpg"]
    data = labelled(*({"image": name} for name in names), *[{}] * 4)
    found = evaluation_of(system, data)
    assert [Path(error.source).name for error in found.unreadable] == names
    assert (found.result.report.n, found.result.to_dict()["unreadable"]) == (4, 2)
    assert len(found.result.predictions) == 4


def test_rows_without_a_truth_are_left_out(system, labelled):
    found = evaluation_of(system, labelled({"emotion": ""}, *[{}] * 5))
    assert (found.result.report.n, found.result.to_dict()["left_out"]) == (5, 1)


def test_votes_give_the_figures_of_distributions(system, labelled):
    votes = {"votes_awe": 3, "votes_fear": 1}
    found = evaluation_of(system, labelled(*[{**votes, "emotion": ""}] * 6)).result.to_dict()
    assert found["accuracy"] is None
    assert {"kl", "chebyshev", "clark", "canberra", "cosine", "intersection"} <= set(found)
    assert 0 <= found["random_rater"]["value"] <= 0.75


def test_groups_of_the_manifest_are_kept(system, labelled):
    found = evaluation_of(system, labelled(*({"group": name} for name in "aabbcc")))
    assert found.result.report.groups == 3
    assert found.description["split"]["groups"] == (
        "the manifest's groups; near-duplicate clusters"
    )


def test_copies_are_one_group_where_the_manifest_names_none(system, labelled, photos, tmp_path):
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(Path(photos[0]["image"]).read_bytes())
    found = evaluation_of(system, labelled({}, {"image": "copy.jpg"}, *[{}] * 4))
    assert found.result.report.groups == 5


def test_other_taxonomies_share_labels_or_add_up(system, labelled):
    ekman = [{"taxonomy": "ekman6", "emotion": e} for e in ("anger", "fear", "joy") * 2]
    found = evaluation_of(system, labelled(*ekman))
    assert (found.result.report.n, len(found.result.report.labels)) == (4, 8)
    restricted = evaluation_of(system, labelled(*ekman), restrict=True)
    assert restricted.result.report.labels == ("anger", "disgust", "fear", "sadness")
    assert restricted.result.report["accuracy"].value >= found.result.report["accuracy"].value
    polar = [{"taxonomy": "polarity", "emotion": e} for e in ("positive", "negative") * 3]
    assert evaluation_of(system, labelled(*polar)).result.report.labels == ("negative", "positive")


def test_a_bundle_with_affect_is_scored_on_ratings(labelled, predicted):
    ratings = [{"valence": v, "arousal": 3, "emotion": ""} for v in (1, 2, 3, 4, 5, 6)]
    data = labelled(*ratings)
    felt = np.stack([np.arange(1.0, 7.0), np.linspace(2, 4, 6)], axis=1)[None]
    rater = table_system("rater", table(data, predicted, predicted_affect=felt), {"name": "rater"})
    found = evaluation_of(rater, data).result.to_dict()
    assert found["ccc"]["valence"]["value"] == pytest.approx(1)
    assert found["mae"]["arousal"]["value"] == pytest.approx(0.6)
    blind = table_system("blind", table(data, predicted), {"name": "blind"})
    with pytest.raises(DataError, match="none of 6 images has a label, votes or a rating"):
        evaluation_of(blind, data)


def table(data, p, **changes):
    known = {
        "images": data.names,
        "groups": ("",) * len(data),
        "truth": data.truth,
        "labels": data.labels,
        "probabilities": p[None],
        "fold": np.full((1, len(p)), -1),
    }
    return Predictions(**{**known, **changes})


def test_a_table_of_predictions_is_scored_like_the_model(system, labelled, predicted):
    data = labelled()
    theirs = evaluation_of(table_system("x", table(data, predicted), {"name": "x"}), data)
    ours = evaluation_of(system, data)
    # Nobody recorded what those predictions learnt from: 0 would claim that they saw none.
    assert theirs.result.to_dict()["training_images"] is None
    assert ours.result.to_dict()["training_images"] == 0
    for name in ("accuracy", "nll", "brier", "ece"):
        assert theirs.result.report[name].value == pytest.approx(
            ours.result.report[name].value, abs=1e-5
        )


def test_a_table_is_scored_without_the_files(labelled, predicted):
    here = labelled()
    away = replace(here, paths=tuple(Path("nowhere") / path.name for path in here.paths))
    found = evaluation_of(table_system("x", table(here, predicted), {"name": "x"}), away)
    known = evaluation_of(table_system("x", table(here, predicted), {"name": "x"}), here)
    assert found.result.report["accuracy"].value == known.result.report["accuracy"].value
    assert found.result.report.groups == 6
    assert "not looked for: no files" in found.description["protocol"]
    assert any("the files of 6 of 6 images are not here" in note for note in found.result.notes)
    assert not any("are not here" in note for note in known.result.notes)
    prints = [one.description["data"]["fingerprint"] for one in (found, known)]
    assert prints[0] != prints[1] == here.fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": tuple("abcdef")}, r"6 of the 6 images .* rows 0 \(.* are called like a: "),
        ({"truth": np.zeros(6, dtype=int)}, "the table's truth is not the manifest's"),
    ],
)
def test_predictions_that_do_not_match_name_the_rows(labelled, predicted, change, message):
    data = labelled()
    system = table_system("x", table(data, predicted, **change), {"name": "x"})
    with pytest.raises(DataError, match=message):
        evaluation_of(system, data)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ([{"emotion": ""}] * 6, {}, "none of 6 images has a label, votes or a rating"),
        ([{"split": "train"}] * 6, {}, "no row has the split test; the splits are: train 6"),
        ([{}] * 6, {"allow_missing": False}, "no row of 6 is labelled anger, disgust"),
        ([{"image": "a.jpg"}] * 6, {}, r"an image is there twice: rows 1 \(a.jpg\)"),
        ([{"image": f"{i}.jpg"} for i in range(6)], {}, "none of 6 images can be read; first"),
    ],
)
def test_bad_input_is_one_clear_line(system, labelled, columns, options, message):
    with pytest.raises(DataError, match=message) as caught:
        evaluation_of(system, labelled(*columns), **options)
    assert "\n" not in str(caught.value)


def test_test_images_are_recorded_and_the_next_use_says_so(
    system, labelled, predicted, monkeypatch
):
    data = labelled({}, {}, {}, {"emotion": "fear"}, {}, {})
    once = evaluation_of(system, data, record=True)
    assert once.description["test_uses"]["by_this_model"] == 0
    assert not any("before" in note for note in once.result.notes)
    twice = evaluation_of(system, data, record=True)
    assert twice.description["test_uses"]["by_this_model"] == 1
    other = table_system("x", table(data, predicted), {"name": "x"})
    third = evaluation_of(other, data, record=True)
    assert any("by another model 2 times" in note for note in third.result.notes)
    monkeypatch.setenv("EVOCA_LEDGER", "off")
    assert evaluation_of(system, data, record=True).description["test_uses"] is None


def test_a_record_that_cannot_be_kept_costs_no_figure(system, labelled, tmp_path, monkeypatch):
    monkeypatch.setenv("EVOCA_LEDGER", str(tmp_path))
    found = evaluation_of(system, labelled(), record=True)
    assert found.description["test_uses"] is None
    assert "the record of test uses cannot be kept" in found.result.notes[-1]


def test_validation_images_may_be_used_again(system, labelled):
    data = labelled(*[{"split": "val"}] * 6)
    for _ in range(2):
        assert (
            evaluation_of(system, data, split="val", record=True).description["test_uses"] is None
        )


def test_the_research_photographs_are_known_as_training_images(shared_data):
    data = load_labelled(shared_data / "fi")
    few = data.take(np.concatenate([np.flatnonzero(data.truth == k)[:14] for k in range(8)]))
    found = evaluate_system(model_system(evoca.load()), few, Options(draws=200, record=False))
    assert found.result.to_dict()["training_images"] == 112
    assert found.result.notes[0].startswith(
        "WARNING: 112 of 112 images are among the training images"
    )
    assert set(found.result.calibration.methods) >= {"model", "none", "temperature", "vector"}
    assert set(found.result.conditional.by_emotion) == set(found.result.report.labels)
