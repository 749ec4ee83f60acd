"""What a card holds of pictures unlike those the model learnt from, through the commands."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from evoca.cards import render_card
from evoca.cli import app
from evoca.runtime.bundle import read_bundle
from run_samples import write_run

SHIPPED = read_bundle("default")


def evoca(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def bundle(tmp_path):
    return shutil.copytree(SHIPPED.path, tmp_path / "bundle")


@pytest.fixture
def oasis(tmp_path, examples):
    """The example photographs as OASIS is distributed, with valences above, below and on 4."""
    folder = tmp_path / "oasis"
    shutil.copytree(examples, folder / "Images")
    head = "Theme,Category,Source,Valence_mean,Valence_SD,Valence_N,Arousal_mean,Arousal_SD"
    valence = {"astronaut": 5, "chelsea": 6.5, "china": 4.1, "coffee": 3.9, "rocket": 2}
    rows = [f"{name},x,y,{v},1,100,3,1,100" for name, v in {**valence, "flower": 4}.items()]
    (folder / "OASIS.csv").write_text("\n".join([f"{head},Arousal_N", *rows]) + "\n")
    return folder


@pytest.fixture
def polarity(tmp_path, oasis):
    table = tmp_path / "polarity.csv"
    done = evoca(
        *("data", "build", "oasis", oasis, "--out", table),
        *("--map-to", "polarity", "--variant", "valence-midpoint"),
    )
    assert done.exit_code == 0, done.output
    assert "positive or negative by the mean valence against 4, the middle of the scale 1 to 7" in (
        done.stdout
    )
    assert "no viewer was asked for it" in done.stdout
    return table


def test_the_limits_say_that_the_figures_are_of_like_pictures(bundle):
    content = json.loads((bundle / "model.json").read_text())
    (bundle / "model.json").write_text(json.dumps(content | {"analysis": None}))
    text = render_card(read_bundle(bundle).card)
    assert "on paintings, in another collection or with other viewers they can be far worse" in text
    assert "nothing was measured on others" in text
    assert "evoca evaluate BUNDLE --data MANIFEST" in text


def test_the_limits_of_a_model_measured_without_a_source_lead_to_those_figures():
    assert SHIPPED.card.analysis.left_out
    text = render_card(SHIPPED.card)
    assert "nothing was measured on others" not in text
    assert 'see "left out" under "By source"' in text


def test_an_evaluation_on_ratings_enters_the_card(tmp_path, bundle, polarity):
    run = tmp_path / "run"
    done = evoca("evaluate", bundle, "--data", polarity, "--out", run, "--draws", 50)
    assert done.exit_code == 0, done.output
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["n_labelled"] == 5  # the one on the middle has no label
    assert metrics["labels"] == ["negative", "positive"]
    done = evoca("models", "card", bundle, "--evaluation", f"six photographs={run}")
    assert done.exit_code == 0, done.output
    card = read_bundle(bundle).card
    (found,) = card.analysis.elsewhere
    assert (found.data, found.images, found.labels) == (
        *("six photographs", 5),
        ("negative", "positive"),
    )
    assert found.figures["accuracy"].value == metrics["accuracy"]["value"]
    assert found.without_looking == {"accuracy": 3 / 5}
    text = (bundle / "README.md").read_text(encoding="utf-8")
    assert text == render_card(card)
    assert "## On other pictures" in text
    assert "six photographs: 5 images, negative, positive." in text
    low, high = metrics["accuracy"]["ci95"]
    shown = f"{metrics['accuracy']['value']:.3f} [{low:.3f}, {high:.3f}]"
    assert f"| accuracy | {shown} | 0.600 | top emotion is the true label |" in text
    assert 'see "On other pictures"' in text


def test_votes_stand_beside_equal_shares(tmp_path, bundle, examples):
    shares = {"astronaut": (1, 0), "china": (0.5, 0.5), "coffee": (0.25, 0.75), "rocket": (0, 1)}
    head = "image,taxonomy,p_anger,p_disgust,p_fear,p_joy,p_sadness,p_surprise,p_neutral\n"
    rows = [f"{examples / name}.jpg,ekman7,0,0,{a},0,{b},0,0" for name, (a, b) in shares.items()]
    (tmp_path / "votes.csv").write_text(head + "\n".join(rows) + "\n")
    run = tmp_path / "run"
    done = evoca(
        *("evaluate", bundle, "--data", tmp_path / "votes.csv", "--restrict"),
        *("--out", run, "--draws", 50, "--allow-missing"),
    )
    assert done.exit_code == 0, done.output
    assert evoca("models", "card", bundle, "--evaluation", f"votes={run}").exit_code == 0
    (found,) = read_bundle(bundle).card.analysis.elsewhere
    entropies = [0, np.log(2), -(0.25 * np.log(0.25) + 0.75 * np.log(0.75)), 0]
    assert found.without_looking["kl"] == pytest.approx(np.log(4) - np.mean(entropies), abs=1e-6)


def test_what_is_no_evaluation_of_this_model_is_refused(tmp_path, bundle):
    before = (bundle / "model.json").read_bytes()
    run = write_run(tmp_path / "run", "default")
    for given, message in [
        (f"x={run}", "not an evaluation"),
        (f"x={tmp_path / 'none'}", "no such run directory"),
        (str(run), "is not WORDS=RUN"),
    ]:
        done = evoca("models", "card", bundle, "--evaluation", given)
        assert done.exit_code in {1, 2}, done.output
        assert message in done.stderr
    assert (bundle / "model.json").read_bytes() == before


def test_an_evaluation_of_another_model_is_refused(tmp_path, bundle, polarity):
    run = tmp_path / "run"
    assert evoca("evaluate", bundle, "--data", polarity, "--out", run).exit_code == 0
    content = json.loads((bundle / "model.json").read_text())
    (bundle / "model.json").write_text(json.dumps(content | {"temperature": 1.0}))
    done = evoca("models", "card", bundle, "--evaluation", f"x={run}")
    assert done.exit_code in {1, 2}, done.output
    assert "not an evaluation of evoca-default" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--map-to", "polarity"), "--variant valence-midpoint says on which side"),
        (("--map-to", "mikels8", "--variant", "valence-midpoint"), "no emotion follows"),
        (("--variant", "valence-midpoint"), "no emotion follows from valence"),
    ],
)
def test_no_emotion_follows_from_ratings(tmp_path, oasis, arguments, message):
    done = evoca("data", "build", "oasis", oasis, "--out", tmp_path / "m.csv", *arguments)
    assert done.exit_code in {1, 2}, done.output
    assert message in done.stderr
    assert not (tmp_path / "m.csv").exists()


def test_labels_are_not_made_where_there_are_some(tmp_path, examples):
    (tmp_path / "fi" / "awe").mkdir(parents=True)
    shutil.copy(examples / "china.jpg", tmp_path / "fi" / "awe")
    done = evoca(
        *("data", "build", "folder", tmp_path / "fi", "--out", tmp_path / "m.csv"),
        *("--map-to", "polarity", "--variant", "valence-midpoint"),
    )
    assert done.exit_code in {1, 2}, done.output
    assert "the reader folder has labels of its own" in done.stderr


def test_a_caution_stands_with_the_figures(bundle):
    done = evoca("models", "card", bundle, "--caution", "One thing.", "--caution", "Another. ")
    assert done.exit_code == 0, done.output
    assert read_bundle(bundle).card.analysis.cautions == ("One thing.", "Another.")
    text = (bundle / "README.md").read_text(encoding="utf-8")
    start = text.index("## How well it works")
    assert start < text.index("\nOne thing.\n") < text.index("| accuracy |", start)
    done = evoca("models", "card", bundle, "--caution", " ")
    assert done.exit_code == 1
    assert "a caution of 1 characters" in done.stderr


def test_the_shipped_card_says_that_the_features_were_chosen_on_its_images():
    text = " ".join((SHIPPED.path / "README.md").read_text(encoding="utf-8").split())
    assert "its features were chosen among about fifteen candidates on the same 600" in text
