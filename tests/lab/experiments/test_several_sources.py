"""Learning from several sources, through the commands: folds, figures, a bundle, one left out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs the extra train")
from typer.testing import CliRunner

import evoca
from evoca.cli import app
from evoca.data.manifest.labelled import load_labelled
from evoca.data.sources import join_sources
from evoca.emotions import MIKELS8
from evoca.errors import DataError
from evoca.lab.config.recipe import RecipeError, Sources, load_recipe
from evoca.lab.experiments.labelled import labelled_images
from evoca.lab.experiments.nested_cv import folds_of
from evoca.lab.experiments.source_folds import source_folds
from evoca.runs import read_run

SMALL = [
    *("--set", "model.backbone=efficientnet_lite0"),
    *("--set", "preprocessing.height=64", "--set", "preprocessing.width=64"),
    *("--set", "protocol.folds=2", "--set", "protocol.inner_folds=2"),
    *("--set", "protocol.repeats=1", "--set", "head.c_grid=[0.05]"),
]
POSITIVE = [emotion for emotion in MIKELS8 if emotion.polarity == "positive"]


def picture(file, code, rng):
    noise = rng.integers(0, 60, (80, 80, 3))
    colour = np.array([(code & 1) * 160, (code >> 1 & 1) * 160, (code >> 2) * 160])
    Image.fromarray((noise + colour).astype(np.uint8)).save(file)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Class folders, a set of six emotions with ratings on 1..9, and one of ratings on 1..7."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    for code, emotion in enumerate(MIKELS8):
        (folder / "labels" / emotion).mkdir(parents=True)
        for j in range(6):
            picture(folder / "labels" / emotion / f"{j}.png", code, rng)
    columns = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
    rows = [f"image,{','.join(f'p_{c}' for c in columns)},valence,arousal,source,taxonomy"]
    (folder / "six").mkdir()
    for code, emotion in enumerate(MIKELS8):
        name = "joy" if emotion in POSITIVE else str(emotion)
        for j in range(6):
            picture(folder / "six" / f"{emotion}{j}.png", code, rng)
            shares = ["0.8" if c == name else "0.2" if c == "surprise" else "0" for c in columns]
            valence = 7.5 if emotion in POSITIVE else 2.5
            arousal = 6 if emotion in {"anger", "fear", "excitement"} else 3
            rows.append(
                f"six/{emotion}{j}.png,{','.join(shares)},{valence},{arousal},emotion6,ekman7"
            )
    (folder / "six.csv").write_text("\n".join(rows) + "\n")
    rows = ["image,valence,valence_sd,arousal,source"]
    (folder / "rated").mkdir()
    for code, emotion in enumerate(MIKELS8):
        for j in range(3):
            picture(folder / "rated" / f"{emotion}{j}.png", code, rng)
            rows.append(f"rated/{emotion}{j}.png,{6 if emotion in POSITIVE else 2},1,4,oasis")
    (folder / "rated.csv").write_text("\n".join(rows) + "\n")
    return folder


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.stdout, result.stderr


def data(sources):
    files = ("labels", "six.csv", "rated.csv")
    return [word for name in files for word in ("--data", str(sources / name))]


@pytest.fixture(scope="module")
def trained(sources, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    code, stdout, stderr = run("train", "default", *data(sources), *SMALL, "--out", out)
    assert code == 0, stderr
    return out, stdout


def test_a_training_is_measured_by_source_in_its_own_vocabulary(trained):
    out, stdout = trained
    metrics = json.loads((out / "metrics.json").read_text())
    found = {own["source"]: own for own in metrics["by_source"]}
    assert list(found) == ["labels", "emotion6", "oasis"]
    assert found["labels"]["figures"]["accuracy"]["value"] > 0.9
    assert found["labels"]["figures"]["accuracy"]["value"] == metrics["accuracy"]["value"]
    six = found["emotion6"]
    assert len(six["groups"]) == 5
    assert six["figures"]["accuracy"]["value"] > 0.9
    assert six["figures"]["valence_r"]["value"] > 0.9
    rated = found["oasis"]
    assert rated["groups"] == ["amusement+awe+contentment+excitement", "anger+disgust+fear+sadness"]
    assert rated["figures"]["polarity_accuracy"]["value"] > 0.9
    assert rated["figures"]["valence_r_of_positive"]["value"] > 0.7
    assert "emotion6: 48 images" in stdout
    assert "valence within its interval" in stdout


def test_what_was_learnt_is_on_record(trained):
    out, _ = trained
    run_json = json.loads((out / "run.json").read_text())
    assert [own["name"] for own in run_json["data"]["sources"]] == ["labels", "emotion6", "oasis"]
    assert [own["images"] for own in run_json["data"]["sources"]] == [48, 48, 24]
    assert run_json["data"]["name"] == "labels, emotion6, oasis"
    chosen = run_json["chosen"]
    assert chosen["weights"][0] == 1
    assert chosen["polarity_of_valence"]["images"] == 48
    assert chosen["polarity_of_valence"]["slope"] > 0
    assert set(run_json["training_frequencies"].values()) == {0.125}
    assert [own.source for own in read_run(out).result.by_source] == ["labels", "emotion6", "oasis"]


def test_the_report_shows_each_source(trained, tmp_path):
    out, _ = trained
    page = tmp_path / "report.html"
    code, _, stderr = run("report", out, "--no-images", "--out", page)
    assert code == 0, stderr
    text = page.read_text(encoding="utf-8")
    for source in ("labels: 48 images", "emotion6: 48 images", "oasis: 24 images"):
        assert f"<h3>{source}</h3>" in text
    value = json.loads((out / "metrics.json").read_text())["by_source"][1]["figures"]["valence_r"]
    assert f"<td>{value['value']:.3f}</td>" in text


def test_the_bundle_predicts_valence_and_arousal_with_intervals(trained, sources, tmp_path):
    out, _ = trained
    bundle = tmp_path / "bundle"
    code, _, stderr = run("export", out, "--out", bundle)
    assert code == 0, stderr
    predictor = evoca.load(bundle, prior="trained")
    assert predictor.card.affect_range == (1, 9)
    good = predictor.predict(sources / "six" / "awe0.png")
    bad = predictor.predict(sources / "six" / "fear0.png")
    assert good.affect[0] > 6 > 4 > bad.affect[0]
    found = good.to_dict()["affect"]
    assert found["interval"]["coverage"] == 0.9
    low, high = found["interval"]["valence"]
    assert low <= found["valence"] <= high
    assert low >= 1
    assert high <= 9
    maps = good.evidence
    logits = maps.values.mean(axis=(1, 2)) + np.array(predictor.card.evidence_bias)
    logs = np.log(list(good.probabilities.values())) * predictor.card.temperature
    np.testing.assert_allclose(logits - logits.mean(), logs - logs.mean(), atol=1e-2)


def test_the_card_has_figures_by_source_held_out_and_left_out(trained, sources, tmp_path):
    out, _ = trained
    bundle, left = tmp_path / "bundle", tmp_path / "left"
    assert run("export", out, "--out", bundle)[0] == 0
    code, _, stderr = run(
        "crossval", "default", *data(sources), *SMALL, "--leave-out", "emotion6", "--out", left
    )
    assert code == 0, stderr
    assert run("models", "card", bundle, "--left-out", left)[0] == 0
    card = (bundle / "README.md").read_text()
    assert "## By source" in card
    assert "oasis: 24 images." in card
    assert "left out [95% interval]" in card
    assert "each with an interval of" in card
    code, _, stderr = run("models", "card", bundle, "--left-out", out)
    assert code == 1
    assert "no source was left out" in stderr


def test_the_terminal_and_the_picture_say_valence_and_arousal(trained, sources, tmp_path):
    out, _ = trained
    bundle = tmp_path / "bundle"
    assert run("export", out, "--out", bundle)[0] == 0
    picture = sources / "six" / "awe0.png"
    code, stdout, _ = run("predict", picture, "--model", bundle)
    assert code == 0
    assert "valence" in stdout
    assert "on 1 to 9" in stdout
    prediction = evoca.load(bundle).predict(picture)
    valence, arousal = prediction.affect_in_words
    assert valence.startswith("valence ")
    assert "] on 1 to 9" in arousal
    assert valence in prediction._repr_html_()
    silent = replace(prediction, affect=None)
    drawn = prediction.to_image(picture), silent.to_image(picture)
    assert drawn[0].tobytes() != drawn[1].tobytes()


@pytest.mark.parametrize("left", ["labels", "emotion6", "oasis"])
def test_a_source_is_predicted_by_what_the_others_taught(sources, left, tmp_path):
    out = tmp_path / "run"
    code, stdout, stderr = run(
        "crossval", "default", *data(sources), *SMALL, "--leave-out", left, "--out", out
    )
    assert code == 0, stderr
    metrics = json.loads((out / "metrics.json").read_text())
    (own,) = metrics["by_source"]
    assert own["source"] == left
    description = json.loads((out / "run.json").read_text())
    assert description["left_out"] == left
    if left == "labels":  # nobody else tells the four pleasant emotions apart
        assert len(own["groups"]) == 5
    assert own["figures"]["polarity_accuracy"]["value"] > 0.9
    assert f"{left}: " in stdout


def test_the_first_source_is_in_the_folds_that_it_is_in_alone(sources):
    alone = load_labelled(sources / "labels").in_order()
    others = [load_labelled(sources / name) for name in ("six.csv", "rated.csv")]
    joined = join_sources([alone, *others])
    own = joined.teaching.of == 0
    expected = folds_of(alone.truth, np.arange(len(alone)), 3, 7)
    found = source_folds(joined, 3, 7)
    np.testing.assert_array_equal(found[own], expected)
    assert found.min() == 0
    assert set(np.bincount(found[joined.teaching.of == 2])) == {8}


def test_a_copy_in_another_source_joins_its_fold(sources):
    alone = load_labelled(sources / "labels").in_order()
    joined = join_sources([alone, load_labelled(sources / "six.csv")])
    groups = joined.groups.copy()
    groups[50], groups[60] = groups[3], groups[40]
    found = source_folds(replace(joined, groups=groups), 3, 0)
    assert found[50] == found[3]
    assert found[60] == found[40]


def test_a_source_with_fewer_images_than_folds_is_in_some_of_them(sources):
    joined = join_sources(
        [load_labelled(sources / "labels"), load_labelled(sources / "rated.csv").take([0, 1])]
    )
    found = source_folds(joined, 5, 0)[48:]
    assert len(set(found)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--leave-out", "none"], "--leave-out none: no source is called so; they are labels,"),
        (["--set", "sources.by_name={none: [1]}"], "no source but the first is called none"),
        (["--set", "sources.weights=[-1]"], "sources.weights"),
        (["--set", "sources.scale=[9, 1]"], "the lowest rating, then the highest"),
        (["--set", "merge=[[anger, fear]]"], "merges emotions"),
    ],
)
def test_what_cannot_be_done_is_one_line(sources, arguments, message):
    code, _, stderr = run("crossval", "default", *data(sources), *SMALL, *arguments)
    assert code == 2 or code == 1
    assert message in " ".join(stderr.split())
    assert "Traceback" not in stderr


def test_a_source_alone_cannot_be_left_out(sources):
    code, _, stderr = run(
        "crossval", "default", "--data", sources / "labels", *SMALL, "--leave-out", "labels"
    )
    assert code == 1
    assert "leaves out one of several sources" in stderr


def test_an_svm_is_refused_before_anything_slow(sources):
    code, _, stderr = run("crossval", "colour-svm", *data(sources))
    assert code == 1
    assert "a head of kind svm" in stderr


def test_candidates_of_weights_are_those_of_each_source():
    own = Sources(weights=(0.3, 1.0), by_name={"b": (2.0,)})
    assert own.candidates(("a", "b", "c")) == [(1.0, 2.0, 0.3), (1.0, 2.0, 1.0)]
    with pytest.raises(RecipeError, match="no source but the first"):
        own.candidates(("a", "c"))


def test_a_recipe_with_steps_learns_from_several_sources(sources, tmp_path):
    settings = [
        *("--set", "model.backbone=efficientnet_lite0"),
        *("--set", "preprocessing.height=64", "--set", "preprocessing.width=64"),
        *("--set", "protocol.folds=2", "--set", "protocol.validation=0.3"),
        *("--set", "steps.*.epochs=2", "--set", "steps.*.schedule.warmup_epochs=0"),
        *("--set", "steps.*.batch_size=8"),
    ]
    out = tmp_path / "run"
    code, _, stderr = run("crossval", "several-sources", *data(sources), *settings, "--out", out)
    assert code == 0, stderr
    metrics = json.loads((out / "metrics.json").read_text())
    assert [own["source"] for own in metrics["by_source"]] == ["labels", "emotion6", "oasis"]
    out = tmp_path / "trained"
    code, _, stderr = run("train", "several-sources", *data(sources), *settings, "--out", out)
    assert code == 0, stderr
    code, _, stderr = run("export", out, "--out", tmp_path / "bundle")
    assert code == 0, stderr
    card = evoca.load(tmp_path / "bundle").card
    assert card.evidence_kind == "additive"
    assert card.affect_range == (1, 9)
    code, stdout, stderr = run(
        "crossval", "several-sources", *data(sources), *settings, "--leave-out", "oasis",
        "--format", "json",
    )  # fmt: skip
    assert code == 0, stderr
    assert [own["source"] for own in json.loads(stdout)["by_source"]] == ["oasis"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((), r"a recipe with steps takes one weight, such as --set sources\.weights=\[0\.3\]"),
        (("sources.weights=[0.3]", "steps.*.loss={kind: emd}"), "the loss emd is not defined"),
    ],
)
def test_what_steps_cannot_learn_is_said_before_any_work(sources, settings, message):
    data = [sources / "labels", sources / "six.csv"]
    recipe = load_recipe("distribution-kl", settings)
    with pytest.raises(DataError, match=message):
        labelled_images(data, print, recipe)
