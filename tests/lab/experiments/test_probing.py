"""The lab's slice from labelled photographs to a bundle that predicts."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="needs the extra train")
from sklearn.linear_model import LogisticRegression

import evoca
from evoca.data.manifest.labelled import load_labelled
from evoca.emotions import MIKELS8
from evoca.lab.backbones import load_backbone
from evoca.lab.config.recipe import Recipe, RecipeError, load_recipe, recipe_names
from evoca.lab.experiments.nested_cv import cross_validate, folds_of
from evoca.lab.experiments.probing import train
from evoca.lab.export import export_bundle
from evoca.lab.heads.factory import fitter_of
from evoca.lab.heads.linear import fit_linear_path

SMALL = (
    "model.backbone=efficientnet_lite0",
    "preprocessing.height=64",
    "preprocessing.width=64",
    "protocol.folds=2",
    "protocol.inner_folds=2",
    "protocol.repeats=2",
    "head.c_grid=[0.05]",
)


def blobs(n=240, d=300, k=4, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % k
    features = rng.normal(size=(n, d)) * rng.uniform(0.1, 5, d) + 2
    features[:, :k] += 6 * np.eye(k)[truth] * features[:, :k].std(axis=0)
    return features.astype(np.float32), truth


@pytest.mark.parametrize("images", [240, 400])  # fewer than features, and more
def test_the_head_is_scikit_learns_on_standardised_features(images):
    features, truth = blobs(images)
    standard = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-6)
    standard *= np.sqrt(100 / (standard**2).sum(axis=1).mean())
    for head in fit_linear_path(features, truth, (0.01, 0.1)):
        reference = LogisticRegression(C=head.c, max_iter=5000, tol=1e-6).fit(standard, truth)
        expected = reference.predict_proba(standard)
        logits = head.logits(features)
        found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_two_classes_have_two_rows():
    features, truth = blobs(k=2)
    (head,) = fit_linear_path(features, truth, (0.1,))
    assert head.weight.shape == (2, 300)
    assert (head.logits(features).argmax(axis=1) == truth).mean() > 0.9


def test_folds_are_stratified_and_keep_groups_together():
    truth, groups = np.arange(80) % 4, np.arange(80) // 8
    fold = folds_of(truth, groups, 5, seed=0)
    assert all(len(set(fold[groups == g])) == 1 for g in range(10))
    assert all((np.bincount(truth[fold == f]) == 4).all() for f in range(5))
    with pytest.raises(evoca.EvocaError, match="fewer than the 5 folds"):
        folds_of(np.array([0] * 20 + [1] * 3), np.arange(23), 5, seed=0)


def recipe(**protocol):
    return load_recipe("default", [*SMALL, *(f"protocol.{k}={v}" for k, v in protocol.items())])


def test_cross_validation_learns_what_is_there_and_nothing_else():
    features, truth = blobs()
    groups = np.arange(len(truth))
    chosen = recipe(folds=4, inner_folds=3)
    fitter = fitter_of(chosen, MIKELS8)
    found = cross_validate(features, truth, groups, fitter, chosen.protocol)
    assert found.probabilities.shape == (2, 240, 4)
    np.testing.assert_allclose(found.probabilities.sum(axis=2), 1)
    assert (found.probabilities.argmax(axis=2) == truth).mean() > 0.7
    inside = np.take_along_axis(found.predictions().in_set(), truth[None, :, None], axis=2).mean()
    assert 0.82 < inside < 0.98
    shuffled = np.random.default_rng(1).permutation(truth)
    chance = cross_validate(features, shuffled, groups, fitter, chosen.protocol)
    assert (chance.probabilities.argmax(axis=2) == shuffled).mean() < 0.4


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_valid_and_names_itself(name):
    assert load_recipe(name).name == name
    assert Recipe.model_validate(load_recipe(name).model_dump(mode="json"))


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("none", "a=1", "none: no such recipe; "),
        ("default", "model.bakbone=x", "unknown key model.bakbone; did you mean model.backbone"),
        ("default", "head.c_grid=[-1]", "head.c_grid.0"),
        ("default", "protocol.folds=1", "protocol.folds"),
        ("default", "nonsense", "write KEY=VALUE"),
        ("default", "summary.x=1", "summary is not a group of keys"),
        ("default", "summary=[", "not valid YAML"),
    ],
)
def test_a_bad_recipe_is_one_line(name, override, message):
    with pytest.raises(RecipeError) as caught:
        load_recipe(name, [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_backbone_names_those_there_are():
    with pytest.raises(RecipeError, match=r"did you mean resnet50, resnet101"):
        load_backbone("resnet51")


@pytest.fixture
def labelled(tmp_path):
    """Six drawn pictures an emotion: each has its colour, on noise."""
    rng = np.random.default_rng(0)
    for i, emotion in enumerate(MIKELS8):
        folder = tmp_path / "data" / emotion
        folder.mkdir(parents=True)
        for j in range(6):
            noise = rng.integers(0, 60, (80, 80, 3))
            colour = np.array([(i & 1) * 160, (i >> 1 & 1) * 160, (i >> 2) * 160])
            Image.fromarray((noise + colour).astype(np.uint8)).save(folder / f"{j}.png")
    return tmp_path / "data"


def test_from_labelled_images_to_a_bundle_that_predicts(labelled, tmp_path):
    data = load_labelled(labelled)
    run, out = tmp_path / "run", tmp_path / "bundle"
    measured = train(recipe(), data, run, data_name="drawn colours")
    assert measured.result.report["accuracy"].value > 0.9
    written = {path.name for path in run.iterdir()}
    assert written >= {"run.json", "metrics.json", "predictions.csv", "checkpoints"}
    description = json.loads((run / "run.json").read_text())
    assert description["data"]["fingerprint"] == data.fingerprint()
    assert description["data"].pop("location") == str(labelled)
    assert str(tmp_path) not in json.dumps(description)
    rows = (run / "predictions.csv").read_text().splitlines()
    assert rows[0].startswith("image,group,fold,repeat,truth,p_amusement")
    assert len(rows) == 1 + 2 * 48

    card = export_bundle(run, out).card
    assert card.provenance.data.endswith("drawn colours")
    assert len(card.training_images) == 48
    assert all(str(tmp_path).encode() not in file.read_bytes() for file in out.iterdir())
    metrics = json.loads((run / "metrics.json").read_text())
    assert card.metrics["top2_accuracy"].value == metrics["top2_accuracy"]["value"]
    answers = evoca.load(out).predict(list(data.paths))
    hits = [a.emotion == data.labels[t] for a, t in zip(answers, data.truth, strict=True)]
    assert np.mean(hits) > 0.95

    with pytest.raises(evoca.EvocaError, match="exists already"):
        export_bundle(run, out)
    with pytest.raises(evoca.EvocaError, match="not a complete run directory"):
        export_bundle(Path(tmp_path / "data"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_broken_image_is_named_and_leaves_no_run(labelled, tmp_path):
    (labelled / "awe" / "0.png").write_bytes(b"broken")
    with pytest.raises(evoca.ImageError, match=r"awe/0\.png"):
        train(recipe(), load_labelled(labelled), tmp_path / "run")
    assert not any(path.name.endswith("run") for path in tmp_path.iterdir())
