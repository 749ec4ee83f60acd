"""More than one label an image: votes, several labels, valence and arousal, tasks together."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="needs the extra train")
import evoca  # noqa: E402
from evoca.data.manifest.labelled import load_labelled  # noqa: E402
from evoca.emotions import MIKELS8  # noqa: E402
from evoca.errors import DataError, EvocaError  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402
from evoca.lab.experiments.finetune import train_steps  # noqa: E402
from evoca.lab.experiments.finetune_cv import crossval_steps  # noqa: E402
from evoca.lab.experiments.holdout import strata, usable  # noqa: E402
from evoca.lab.export import export_bundle  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.training import (  # noqa: E402
    RunOptions,
    losses,
)
from evoca.lab.training.data import targets_of  # noqa: E402
from evoca.lab.training.freezing import freeze, trainable_parameters  # noqa: E402
from evoca.lab.training.losses import criterion, objective, with_affect  # noqa: E402

LABELS = tuple(str(emotion) for emotion in MIKELS8)
# The graph, rate and schedule of the recipe; a small input, random weights, more epochs.
SMALL = (
    "model.backbone=squeezenet1_1",
    "model.weights=random",
    "preprocessing.height=32",
    "preprocessing.width=32",
    "model.dropout=0",
    "steps.*.batch_size=8",
    "steps.*.epochs=80",
    "steps.*.stop=null",
    "protocol.folds=3",
    "protocol.validation=0.25",
)
# One layer on the last map of random weights alone, whose features are small.
FASTER = (*SMALL, "steps.*.rate=0.005", "steps.*.epochs=150")
EVERY = ("affect", "emotions-and-affect", "distribution-kl", "distribution-emd", "multi-hot")


def build(recipe, labels, seed):
    return build_system(recipe, labels, seed=seed)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Eight colours; a third of the images have votes, a third ratings, a third both."""
    folder = tmp_path_factory.mktemp("tasks")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(96):
        k, what = i % 8, (i // 8) % 3
        bits = np.array([k & 1, k >> 1 & 1, k >> 2])
        pixels = rng.integers(0, 40, (32, 32, 3)) + bits * 180
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
        row = {"image": f"{i}.png", "group": str(i), "split": "test" if i >= 72 else ""}
        if what != 0:
            row |= {"valence": 2 + 4 * bits[0], "arousal": 3 + 2 * bits[1]}
        if what != 1:
            # Two labels of equal share where the number is a multiple of 40: no single label.
            neighbour = LABELS[(k + 1) % 8]
            row |= {f"votes_{LABELS[k]}": 6, f"votes_{neighbour}": 6 if i % 40 == 0 else 2}
        rows.append(row)
    file = folder / "manifest.csv"
    votes = [f"votes_{label}" for label in LABELS]
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["image", "group", "split", "valence", "arousal", *votes])
        writer.writeheader()
        writer.writerows(rows)
    return file


def learnt(run):
    """The accuracy on the training images in the last epoch."""
    with (run / "history.csv").open() as stream:
        return float(list(csv.DictReader(stream))[-1]["train_accuracy"])


@pytest.fixture
def options(tmp_path):
    return RunOptions(accelerator="cpu", workers=0, tensorboard=False, cache=tmp_path / "cache")


def test_the_error_of_ratings_is_of_what_is_known():
    nan = float("nan")
    felt = torch.tensor([[2.0, 3.0], [2.0, 3.0], [2.0, 3.0]], requires_grad=True)
    rated = torch.tensor([[4.0, 3.0], [nan, 1.0], [nan, nan]])
    error = losses.rating_error(felt, rated)
    torch.testing.assert_close(error, torch.tensor([2.0, 4.0, 0.0]))
    error.sum().backward()
    torch.testing.assert_close(felt.grad, torch.tensor([[-2.0, 0.0], [0.0, 4.0], [0.0, 0.0]]))


@pytest.mark.parametrize("name", EVERY[1:])
def test_an_image_without_a_label_teaches_no_emotion(name):
    step = load_recipe(name).steps[0]
    own = criterion(step.loss, LABELS, [1] * 8)
    logits = torch.randn(2, 10, generator=torch.Generator().manual_seed(0), requires_grad=True)
    target = torch.zeros(2, 10)
    target[0, 3] = 1.0
    target[1, :8] = float("nan")
    found = with_affect(own, 8, 1.0)(logits, target)
    both = own(logits[:1, :8], target[:1, :8]) + logits[0, 8:].square().mean()
    torch.testing.assert_close(found[:1], both)
    found[1].backward()
    assert logits.grad.isfinite().all()
    assert not logits.grad[:, :8].any()
    assert logits.grad[1, 8:].all()


def test_what_a_step_learns_decides_which_images_are_used(manifest):
    data = load_labelled(manifest)
    recipes = {name: load_recipe(name) for name in EVERY}
    # 64 of 96 images have votes, 2 of which tie; 64 have ratings.
    assert len(usable(data)) == (data.truth >= 0).sum() == 62
    assert len(usable(data, recipes["distribution-emd"])) == 64
    assert len(usable(data, recipes["emotions-and-affect"])) == 96
    rated = usable(data, recipes["affect"])
    assert len(rated) == 64
    assert (rated.truth == -1).all()
    assert rated.distribution is None
    targets = targets_of(data, recipes["emotions-and-affect"].steps[0])
    assert targets.shape == (96, 10)
    assert np.isnan(targets[:, :8]).any(axis=1).sum() == np.isnan(targets[:, 8]).sum() == 32
    folds = strata(data)
    assert set(folds) == set(range(9))
    assert (folds == 8).sum() == 32
    with pytest.raises(DataError, match="1 image has no distribution, the first is 8"):
        targets_of(data.take([0, 8]), recipes["distribution-kl"].steps[0])


@pytest.mark.parametrize(
    ("keep", "change", "message"),
    [
        ("labels", (), "no image has a rating of valence to learn from"),
        ("valence", (), "no image has a rating of arousal to learn from"),
        ("ratings", (), "no image has an emotion to learn from; ratings alone"),
        ("all", ("model.affect_range=[1, 5]",), "32 images have ratings outside 1 to 5"),
        ("all", ("model.affect_range=[1, 5]", "model.emotions=false"), "outside 1 to 5"),
    ],
)
def test_a_head_that_nothing_teaches_is_refused(keep, change, message, manifest):
    data = load_labelled(manifest)
    rated = np.isfinite(data.affect).any(axis=1)
    if keep == "labels":
        data = data.take(~rated)
    elif keep == "valence":
        data.affect[:, 1] = np.nan
    elif keep == "ratings":
        data = data.take(~np.isfinite(data.distribution).all(axis=1))
    recipe = load_recipe("emotions-and-affect", change)
    with pytest.raises(DataError, match=message):
        usable(data, recipe)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("distribution-kl", "steps.0.affect_weight=1", "a classifier predicts no valence"),
        ("affect", "steps.0.affect_weight=0", "nothing to learn without affect_weight"),
        ("affect", "steps.0.stop.metric=accuracy", "only the loss can stop it"),
        ("affect", "steps.0.sampling=weighted", "goes with sampling: shuffle"),
        ("affect", "model.affect_range=[7, 1]", "the lowest rating, then the highest"),
        ("affect", "model.affect_range=[1, .inf]", "affect_range.1: must be a finite"),
    ],
)
def test_a_recipe_that_cannot_learn_what_it_says_is_one_line(name, change, message):
    with pytest.raises(EvocaError) as caught:
        load_recipe(name, [change])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [(), ("model.stages=last", "model.hidden=6")])
def test_gradients_reach_each_head_from_its_own_truth(settings):
    recipe = load_recipe("emotions-and-affect", [*SMALL, *settings])
    system = build_system(recipe, LABELS, seed=0)
    step = recipe.steps[0]
    freeze(system, trainable_parameters(system, step))
    minimised = objective(step, with_affect(criterion(step.loss, LABELS, [1] * 8), 8, 1.0))
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8, generator=draw)
    target = torch.full((2, 10), float("nan"))
    for known, silent in ((slice(0, 8), "heads.affect"), (slice(8, 10), "heads.emotions")):
        target.fill_(float("nan"))
        target[:, known] = 1.0
        system.zero_grad(set_to_none=True)
        minimised(system(pixels), target).sum().backward()
        grads = {n: p.grad for n, p in system.named_parameters()}
        assert all(n.startswith("heads.") == (g is not None) for n, g in grads.items())
        taught = {n for n, g in grads.items() if g is not None and g.any()}
        assert {n for n in grads if n.startswith("heads.")} - taught == {
            n for n in grads if n.startswith(silent)
        }
    value = pixels
    system.eval()
    for module in system.chain():
        value = module(value)
    outputs = system(pixels)
    torch.testing.assert_close(value.affect, outputs.affect)
    assert outputs.affect.shape == (2, 2)
    assert ((outputs.affect > 1) & (outputs.affect < 7)).all()


def test_two_tasks_are_learnt_and_exported_together(manifest, options, tmp_path):
    data, run = load_labelled(manifest), tmp_path / "run"
    recipe = load_recipe("emotions-and-affect", SMALL)
    outcome = train_steps(recipe, build, data, run, options, data_name="drawn colours")
    assert learnt(run) > 0.95
    assert outcome.report["accuracy"].value > 0.9
    assert outcome.report["ccc"].value > 0.9
    bundle = export_bundle(run, tmp_path / "bundle")
    assert bundle.card.affect_range == (1, 7)
    test = data.in_split("test")
    answers = evoca.load(bundle.path).predict(list(test.paths))
    with (run / "predictions.csv").open() as stream:
        kept = [
            (row["predicted_valence"], row["predicted_arousal"]) for row in csv.DictReader(stream)
        ]
    np.testing.assert_allclose(
        [answer.affect for answer in answers], np.array(kept, dtype=float), atol=1e-3
    )


def test_ratings_alone_are_cross_validated_and_give_no_emotion(manifest, options, tmp_path):
    data = load_labelled(manifest)
    recipe = load_recipe("affect", SMALL)
    found = crossval_steps(recipe, build, data, tmp_path / "run", options)
    assert found.report["ccc"].value > 0.9
    assert set(found.report["ccc"].parts) == {"valence", "arousal"}
    assert found.sets is None
    assert np.ptp(found.predictions.probabilities) == 0
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert figures["accuracy"] is None
    assert figures["mae"]["valence"]["value"] < 0.5


def test_without_emotions_there_is_no_bundle(manifest, options, tmp_path):
    data = load_labelled(manifest)
    recipe = load_recipe("affect", [*SMALL, "steps.*.epochs=1"])
    train_steps(recipe, build, data, tmp_path / "run", options)
    with pytest.raises(EvocaError, match="cannot be exported: it learns no emotions"):
        export_bundle(tmp_path / "run", tmp_path / "bundle")


@pytest.mark.parametrize("name", EVERY[2:])
def test_votes_are_learnt(name, manifest, options, tmp_path):
    data = load_labelled(manifest)
    voted = data.take(np.isfinite(data.distribution).all(axis=1))
    # The work of moving has slopes as steep near the votes as far from them.
    longer = ["steps.*.epochs=400"] if name == "distribution-emd" else []
    recipe = load_recipe(name, [*FASTER, *longer])
    outcome = train_steps(recipe, build, voted, tmp_path / "run", options)
    if name == "multi-hot":  # both labels of a picture hold, neither more than the other
        assert outcome.report["top2_accuracy"].value > 0.95
        return
    assert learnt(tmp_path / "run") > 0.95
    # Sure of the right label, which has three quarters of the votes, it would be 2.6 or more.
    assert outcome.report["kl"].value < 0.6
