"""The parts of the report, each against what it was made from."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from evoca.report.run_predictions import ScoredRun
from evoca.report.sections.compare import compare_with_first
from evoca.report.sections.confidence import reliability_plot, set_rows
from evoca.report.sections.confusion import confusion_cells, emotion_rows
from evoca.report.sections.curves import learning_curves
from evoca.report.sections.error_analysis import agreement_rows, trait_rows
from evoca.report.sections.headline import headline
from evoca.report.sections.label_errors import doubted_labels
from evoca.report.sections.method import lead, what_was_done
from report_samples import LABELS, predictions_of, write_run


def many_names(each=20):
    return [f"{label}/{i}.jpg" for label in LABELS for i in range(each)]


@pytest.fixture
def scored(run):
    return ScoredRun.of_run(run)


def test_the_headline_has_its_figures_and_what_chance_gives(scored):
    first, others = headline(scored)
    assert [shown.named.title for shown in first] == [
        *("Accuracy", "Balanced accuracy", "Polarity accuracy", "Calibration error"),
    ]
    assert first[0].value == f"{np.mean(scored.wrong == 0):.1%}"
    assert first[1].reference == "guessing: 12.5%"
    assert {"NLL", "Brier score", "Macro F1"} < {shown.named.title for shown in others}


def test_cells_ask_for_as_many_images_as_they_count(scored):
    truth, answer = scored.predictions.truth, scored.predicted[0]
    for t, row in enumerate(confusion_cells(scored)):
        for p, cell in enumerate(row):
            behind = ((truth == t) & (answer == p)).sum()
            assert cell.count == str(behind)
            assert cell.right == (t == p)
            asked = {"truth": t, "predicted": p}
            assert (json.loads(cell.opens) if cell.opens else None) == (asked if behind else None)


def test_emotions_are_those_with_images(scored):
    rows = emotion_rows(scored)
    assert [row.label for row in rows] == list(LABELS)
    recall = (scored.top_label == scored.predictions.truth)[scored.predictions.truth == 0].mean()
    assert rows[0].figures[1][0] == pytest.approx(recall)


def test_sets_are_counted_overall_and_by_emotion(scored):
    rows = set_rows(scored)
    inside, truth = scored.predictions.in_set[0], scored.predictions.truth
    assert rows[0].coverage.value == f"{inside[np.arange(len(truth)), truth].mean():.1%}"
    assert rows[0].coverage.reference == "built for: 90.0%"
    assert [row.label for row in rows] == ["", *LABELS]
    assert float(rows[3].size) == pytest.approx(inside[truth == 2].sum(axis=1).mean(), abs=0.005)


def test_bins_outside_the_band_are_counted(scored):
    plot = reliability_plot(scored)
    assert plot.outside == sum(not inside for *_, inside in plot.rows)
    assert f"{plot.outside} outside" in plot.plot
    assert plot.by_chance == "40%"


def test_agreement_is_told_in_three_bands(scored):
    rows = agreement_rows(scored)
    agreement, wrong = scored.predictions.agreement, scored.wrong
    assert [name for name, _, _ in rows] == ["unanimous", "divided", "strongly divided"]
    for (_, _, rate), share in zip(rows, (1.0, 0.8, 0.6), strict=True):
        assert rate.images == (agreement == share).sum()
        assert rate.value == f"{wrong[agreement == share].mean():.1%}"


def test_no_votes_no_bands(scored):
    silent = ScoredRun(scored.run, replace(scored.predictions, agreement=None))
    assert agreement_rows(silent) == []


def test_traits_compare_those_with_and_without(scored):
    grey = np.where(np.arange(len(scored.predictions)) % 2, 1.0, 0.0)
    grey[0] = np.nan
    having, none, missing = trait_rows(
        scored,
        {"monochrome": grey, "warm-toned": np.zeros_like(grey), "with text": "not looked for"},
    )
    assert having.having.value == f"{scored.wrong[grey == 1].mean():.1%}"
    assert having.lacking.images == (grey == 0).sum()
    gap = scored.wrong[grey == 1].mean() - scored.wrong[grey == 0].mean()
    assert having.difference.startswith(f"{gap * 100:+.1f} points (")
    assert "31 of 32" in having.meaning
    assert (none.missing, missing.missing) == ("no image has it", "not looked for")


def test_a_real_difference_is_told_apart(tmp_path):
    names = many_names()
    predictions = predictions_of(names)
    half = np.arange(len(names)) % 2 == 0
    p = np.full_like(predictions.probabilities, 0.01)
    p[0, np.arange(len(names)), np.where(half, predictions.truth, (predictions.truth + 1) % 8)] = 1
    p /= p.sum(axis=2, keepdims=True)
    scored = ScoredRun.of_run(write_run(tmp_path / "run", replace(predictions, probabilities=p)))
    row = trait_rows(scored, {"monochrome": half.astype(float)})[0]
    assert row.difference.startswith("-100.0 points")
    assert row.apart


@pytest.mark.parametrize("swapped", [0, 33])
def test_a_swapped_label_is_doubted(tmp_path, swapped):
    pytest.importorskip("cleanlab")
    names = many_names()
    predictions = predictions_of(names)
    p = np.full_like(predictions.probabilities, 0.02)
    p[0, np.arange(len(names)), predictions.truth] = 0.86
    truth = predictions.truth.copy()
    truth[swapped] = (truth[swapped] + 3) % 8
    changed = replace(predictions, probabilities=p, truth=truth)
    scored = ScoredRun.of_run(write_run(tmp_path / "run", changed))
    assert doubted_labels(scored).rows.tolist() == [swapped]
    assert scored.errors.tolist() == [swapped]


def test_labels_are_not_doubted_by_a_model_that_learnt_them(scored):
    seen = replace(scored.predictions, fold=np.full_like(scored.predictions.fold, -1))
    assert "has seen these images" in doubted_labels(ScoredRun(scored.run, seen)).missing


def test_without_cleanlab_it_is_said(scored, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    assert "the package cleanlab of the extra crowd" in doubted_labels(scored).missing


def test_curves_are_those_of_training_and_validation(run):
    loss, accuracy = learning_curves(run.history)
    assert (loss.title, loss.series) == ("loss", ("train", "val"))
    assert (accuracy.title, accuracy.series) == ("accuracy", ("val",))
    assert loss.plot.count("<circle") == 6
    assert accuracy.plot.count("<circle") == 2  # an epoch without validation has no point
    assert "train ends at 1.1; val ends at 1.8" in loss.plot
    assert learning_curves(()) == []


def test_a_run_is_told_in_words(scored):
    done = what_was_done(scored)
    assert "4 folds" in done.sentences[1]
    assert ("Seeds", "0") in done.facts
    assert "/home/someone" not in done.settings
    assert lead(scored).startswith("On 32 images it had not seen, tiny names the true emotion in ")


def test_images_are_not_called_unseen_where_nobody_knows(tmp_path, scored):
    once = replace(scored.predictions, fold=np.full_like(scored.predictions.fold, -1))
    for seen, said in ((0, "it had not seen"), (None, "On 32 images, "), (3, "On 32 images, ")):
        found = ScoredRun.of_run(write_run(tmp_path / str(seen), once, training_images=seen))
        assert said in lead(found)
        assert bool(doubted_labels(found).missing) == (seen != 0)


def test_runs_are_paired_on_their_images(scored, second):
    (comparison,) = compare_with_first([scored, ScoredRun.of_run(second)])
    assert comparison.images == 32
    assert sum(count for _, count, _ in comparison.outcomes) == 32
    other = ScoredRun.of_run(second)
    right = {name: json.loads(asked)["rows"] for name, _, asked in comparison.outcomes}
    assert all(other.top_label[row] == other.predictions.truth[row] for row in right["both right"])
    assert [row.named.title for row in comparison.rows][:2] == ["Accuracy", "Balanced accuracy"]


def test_runs_that_cannot_be_paired_say_why(scored, tmp_path):
    other = predictions_of(many_names(4))
    strangers = write_run(tmp_path / "other", replace(other, images=tuple(map(str, range(32)))))
    (comparison,) = compare_with_first([scored, ScoredRun.of_run(strangers)])
    assert comparison.rows == []
    assert "share no image" in comparison.note
