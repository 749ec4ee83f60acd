"""The model card says what model.json says, and nothing it does not."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from evoca.cards import card_document, description, render_card
from evoca.cards.analysis import analysis_of
from evoca.commands.models import write_card
from evoca.errors import DataError, EvocaError
from evoca.metrics.functional import ece
from evoca.runs import read_run
from evoca.runtime.bundle import read_bundle
from evoca.runtime.card import FORMAT_VERSION, Analysis, Metric, ModelCard, Perturbation
from run_samples import LABELS, make_predictions, write_run

SHIPPED = read_bundle("default")


def content_of(card):
    return json.loads(card.model_dump_json())


def with_analysis(**parts):
    content = content_of(SHIPPED.card) | {"format_version": FORMAT_VERSION, "analysis": parts}
    return ModelCard.model_validate_json(json.dumps(content))


def test_the_shipped_card_is_current():
    file = SHIPPED.path / "README.md"
    assert file.read_text(encoding="utf-8") == render_card(SHIPPED.card), "run make card"


def test_a_card_can_be_written_again(tmp_path, capsys):
    write_card(str(copied_to(tmp_path)))
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == render_card(SHIPPED.card)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "model.json", "model.onnx"]
    assert "README.md" in capsys.readouterr().out


@pytest.mark.parametrize("folder", ["site-packages", "vendor"])
def test_a_model_of_the_installed_package_is_not_changed(folder, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    installed = tmp_path / folder / "evoca" / "models" / "default"
    installed.mkdir(parents=True)
    copied_to(installed)
    monkeypatch.setattr(description, "bundled_models", lambda: {"default": installed})
    (tmp_path / "link").symlink_to(installed)
    for name in ("default", str(installed), str(tmp_path / "link")):
        with pytest.raises(EvocaError, match="is part of the installed package"):
            write_card(name)
    assert not (installed / "README.md").exists()


def test_a_checkout_writes_its_own_cards(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "evoca"\n')
    own = tmp_path / "src" / "evoca" / "models" / "default"
    own.mkdir(parents=True)
    copied_to(own)
    monkeypatch.setattr(description, "bundled_models", lambda: {"default": own})
    write_card(str(own))
    assert (own / "README.md").exists()


def copied_to(folder):
    for name in ("model.json", "model.onnx"):
        (folder / name).write_bytes((SHIPPED.path / name).read_bytes())
    return folder


def test_a_probe_enters_the_card_and_model_json(tmp_path):
    bundle = copied_to(tmp_path)
    row = {"change": "blur 2", "same_emotion": {"value": 0.75, "ci95": [0.7, 0.8]}}
    (tmp_path / "probe.json").write_text(json.dumps({"n": 600, "perturbations": [row]}))
    write_card(str(bundle), tmp_path / "probe.json")
    card = read_bundle(bundle).card
    assert card.format_version == FORMAT_VERSION
    assert [p.change for p in card.analysis.perturbations] == ["blur 2"]
    assert (bundle / "README.md").read_text(encoding="utf-8") == render_card(card)
    assert "| blur 2 | 0.750 [0.700, 0.800] |  |" in render_card(card)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "probe.json: cannot be read: No such file"),
        ("{", "not valid JSON"),
        ("{}", "no list perturbations: this is not the result of a robustness test"),
        (
            '{"perturbations": 3}',
            "no list perturbations: this is not the result of a robustness test",
        ),
        ('{"perturbations": [3]}', r"perturbations\.0"),
        ('{"perturbations": [{"change": "blur"}]}', r"perturbations\.0\.same_emotion"),
    ],
)
def test_what_is_no_probe_is_refused_and_changes_nothing(tmp_path, content, message):
    bundle = copied_to(tmp_path)
    file = tmp_path / "probe.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DataError, match=message):
        write_card(str(bundle), file)
    assert read_bundle(bundle).card == SHIPPED.card


def test_figures_stand_with_their_intervals():
    text, band = render_card(SHIPPED.card), SHIPPED.card.analysis.perfect_calibration
    for key, metric in SHIPPED.card.metrics.items():
        low, high = metric.ci95
        interval = f"[{low:.3f}, {high:.3f}]"
        if key == "ece":  # its draws are no interval of it
            interval = f"(by chance {band.ci95[0]:.3f} to {band.ci95[1]:.3f})"
        assert f"| {key} | {metric.value:.3f} {interval} |" in text
    for label, own in SHIPPED.card.per_emotion.items():
        assert f"| {label} | {own['precision']:.3f} | {own['recall']:.3f} |" in text


@pytest.mark.parametrize(
    "title", ["What it confuses", "Are the probabilities true?", "Where viewers", "When pictures"]
)
def test_what_was_not_measured_is_left_out(title):
    known = SHIPPED.card.analysis
    bare = Analysis(elsewhere=known.elsewhere, cautions=known.cautions)
    for analysis in (None, bare):
        card = SHIPPED.card.model_copy(update={"analysis": analysis})
        assert title not in render_card(card)


def test_the_analysis_is_what_the_predictions_show(tmp_path):
    predictions = make_predictions(agreement=True, sets=True)
    run = read_run(write_run(tmp_path / "run", "default", predictions=predictions))
    found = analysis_of(run)
    truth, right = predictions.truth, predictions.probabilities.argmax(axis=2) == predictions.truth
    np.testing.assert_allclose(found.confusion, run.report.confusion)
    for k, label in enumerate(LABELS):
        inside = predictions.in_set[:, truth == k, k].mean()
        assert found.coverage_by_emotion[label].value == pytest.approx(inside)
    by_name = {group.agreement: group for group in found.agreement}
    for name, rows in {
        "all agree": predictions.agreement == 1,
        "more than 60% agree, not all": predictions.agreement == 0.8,
        "at most 60% agree": predictions.agreement <= 0.6,
    }.items():
        assert by_name[name].images == rows.sum()
        assert by_name[name].accuracy.value == pytest.approx(right[:, rows].mean())
    low, high = found.perfect_calibration.ci95
    assert low < found.perfect_calibration.mean < high
    rng = np.random.default_rng(5)  # drawn right with its own confidence: true on purpose
    confidence = predictions.probabilities[0].max(axis=1)
    true = [ece(confidence, rng.random(len(confidence)) < confidence) for _ in range(40)]
    assert low < np.mean(true) < high


def test_what_predictions_do_not_hold_is_left_out(tmp_path):
    found = analysis_of(read_run(write_run(tmp_path / "run", "default")))
    assert found.coverage_by_emotion == {}
    assert found.agreement == ()


@pytest.mark.parametrize(
    ("ci95", "verdict"),
    [((0.03, 0.06), "inside"), ((0.0, 0.02), "above"), ((0.05, 0.09), "below")],
)
def test_calibration_is_judged_against_chance(ci95, verdict):
    text = render_card(with_analysis(perfect_calibration={"mean": 0.04, "ci95": ci95}))
    assert f"it lies {verdict}" in text


def test_the_worst_confusions_come_first():
    confusion = np.eye(8) * 50
    confusion[7, 3] = 30  # sadness taken for contentment
    confusion[1, 7] = 10  # anger taken for sadness
    text = render_card(with_analysis(confusion=confusion.tolist()))
    assert "| sadness | contentment | 37.5% |\n| anger | sadness | 16.7% |\n" in text


def test_agreement_coverage_and_perturbations_are_told():
    metric = {"value": 0.5, "ci95": [0.4, 0.6]}
    probe = Perturbation(change="greyscale", same_emotion=Metric(value=0.8, ci95=(0.7, 0.9)))
    text = render_card(
        with_analysis(
            agreement=[{"agreement": "all agree", "images": 1234, "accuracy": metric}],
            coverage_by_emotion={"awe": metric},
            perturbations=[json.loads(probe.model_dump_json())],
        )
    )
    assert "| all agree | 1,234 | 0.500 [0.400, 0.600] |" in text
    awe = SHIPPED.card.per_emotion["awe"]
    shares = " | ".join(f"{awe[name]:.3f}" for name in ("precision", "recall", "f1"))
    assert f"| awe | {shares} | 75 | 0.500 [0.400, 0.600] |" in text
    assert "| greyscale | 0.800 [0.700, 0.900] |  |" in text


@pytest.mark.parametrize(
    "origin",
    [
        {"recipe": "najid2018-resnet101-skip"},
        {"recipe": "a-variant-of-mine", "paper": "najid2018"},
    ],
)
def test_a_system_is_cited_with_the_paper_it_follows(origin):
    content = content_of(SHIPPED.card)
    content["provenance"] |= origin
    text = render_card(ModelCard.model_validate_json(json.dumps(content)))
    assert "Azmi Najid; Dina Chahyati (2018): Visual Emotion Recognition Using ResNet" in text


def test_a_system_of_no_known_paper_cites_none():
    content = content_of(SHIPPED.card)
    content["provenance"] |= {"recipe": "mine", "paper": "nobody1999"}
    text = render_card(ModelCard.model_validate_json(json.dumps(content)))
    assert "the paper of the system" not in text
    assert "the paper of the system" not in render_card(SHIPPED.card)


@pytest.mark.parametrize(
    ("analysis", "message"),
    [
        ({"confusion": [[1.0]]}, "confusion does not have one row and one column per label"),
        ({"confusions": []}, "Extra inputs are not permitted"),
        ({"perfect_calibration": {"mean": "x", "ci95": [0, 1]}}, "valid number"),
    ],
)
def test_an_analysis_that_does_not_fit_is_refused(analysis, message):
    with pytest.raises(ValidationError, match=message):
        with_analysis(**analysis)


def test_markup_of_a_strangers_card_stays_text():
    content = content_of(SHIPPED.card) | {"summary": "<img src=x> [a](http://b)\n# c"}
    text = render_card(ModelCard.model_validate_json(json.dumps(content)))
    assert r"\<img src=x> [a]\(http://b)\\n# c" in text
    assert next(iter(card_document(SHIPPED.card))).text == SHIPPED.card.name
