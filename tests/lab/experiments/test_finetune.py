"""Recipes of steps from labelled pictures to a run directory; cross-validation; search."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import yaml

from evoca.commands.search import trials_table
from evoca.data.manifest.labelled import load_labelled
from evoca.errors import DataError, EvocaError
from evoca.lab.config.recipe import Recipe, load_recipe
from evoca.lab.config.search import Search, read_space
from evoca.lab.experiments.finetune import train_steps
from evoca.lab.experiments.finetune_cv import crossval_steps
from evoca.lab.experiments.holdout import cut_validation, hold_out, require_folds
from evoca.lab.experiments.search import Searcher, Trial
from evoca.lab.training import RunOptions
from evoca.lab.training.checkpoint import load_weights
from evoca.runs import read_run
from evoca.runs.evaluated_on import evaluated_on
from tiny_system import TinySystem, build_tiny, draw_pictures, tiny_recipe


@pytest.fixture
def data(tmp_path):
    draw_pictures(tmp_path / "data", 8)
    return load_labelled(tmp_path / "data")


@pytest.fixture
def options(tmp_path):
    return RunOptions(accelerator="cpu", workers=0, tensorboard=False, cache=tmp_path / "cache")


class Stopper:
    """Interrupts after so many batches, as Ctrl-C does."""

    def __init__(self, batches):
        self.left = batches

    def __call__(self, name, total):
        def advance(amount):
            self.left -= amount
            if self.left <= 0:
                raise KeyboardInterrupt

        return advance


def test_training_leaves_a_run_that_can_be_read_and_exported(tmp_path, options):
    for split, each in (("train", 6), ("val", 2), ("test", 2)):
        draw_pictures(tmp_path / "data", each, split, seed=each)
    data = load_labelled(tmp_path / "data")
    out = tmp_path / "run"
    outcome = train_steps(tiny_recipe(), build_tiny, data, out, options, data_name="drawn")
    assert outcome.report["accuracy"].value > 0.8
    run = read_run(out)
    assert set(run.predictions.images) == set(data.in_split("test").names)
    chosen = run.description["chosen"]
    assert chosen["temperature"] > 0
    assert 0 <= chosen["set_threshold"] <= 1
    assert run.description["split"]["kind"] == "the test split"
    assert len(run.description["training_images"]) == 48
    assert json.loads((out / "metrics.json").read_text())["accuracy"]["value"] == pytest.approx(
        outcome.report["accuracy"].value
    )
    weights = load_weights(out / "checkpoints" / "last" / "weights.safetensors")
    assert weights.keys() == TinySystem().state_dict().keys()
    assert [file.name for file in (out / "checkpoints").iterdir()] == ["last"]


def test_validation_is_cut_from_training_by_class_and_group(data):
    grouped = replace(data, groups=np.arange(len(data)) // 2)
    parts = hold_out(grouped, 0.25, seed=0)
    assert parts.cut
    assert parts.test is None
    assert np.bincount(parts.validation.truth).tolist() == [2] * 8
    assert not set(parts.validation.groups) & set(parts.train.groups)
    assert set(parts.train.names) | set(parts.validation.names) == set(data.names)
    with pytest.raises(DataError, match="labelled sadness: a class cannot be learnt"):
        hold_out(data.take(data.truth < 7), 0.25, seed=0)
    with pytest.raises(DataError, match="the largest class has 1 image, too few"):
        hold_out(data.take(np.arange(0, 64, 8)), 0.25, seed=0)


def test_a_table_whose_labels_are_in_another_column_is_told_of_the_right_ones(tmp_path):
    draw_pictures(tmp_path / "data", 1)
    picture = tmp_path / "data" / "train" / "awe" / "0.png"
    table = tmp_path / "table.csv"
    table.write_text(f"image,label\n{picture},awe\n")
    with pytest.raises(
        DataError, match=r"table.csv: no labelled images .* columns emotion, votes_"
    ):
        hold_out(load_labelled(table), 0.2, seed=0)


@pytest.mark.parametrize(
    ("folds", "inner", "message"),
    [
        (2, 0, None),
        (4, 2, None),
        (9, 0, "disgust has 8 images, fewer than the 9 folds"),
        (4, 7, "disgust has 8 images, of which 6 are in a training part, fewer than its 7 inner"),
    ],
)
def test_a_class_too_small_for_the_folds_is_named(folds, inner, message, data):
    more = data.take(np.concatenate([np.arange(64), np.flatnonzero(data.truth != 4)]))
    if message is None:
        require_folds(more, folds, inner)
        return
    with pytest.raises(DataError, match=message):
        require_folds(more, folds, inner)


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({0: "test"}, "the split test has 1 image in 1 group"),
        ({0: "val"}, "the split val has 1 image in 1 group"),
        (dict.fromkeys(range(64), "test"), "all 64 labelled images are of the splits val and test"),
    ],
)
def test_splits_that_cannot_be_measured_cost_no_training(splits, message, data, tmp_path, options):
    split = np.full(len(data), "train", dtype="U5")
    split[list(splits)] = list(splits.values())
    out = tmp_path / "run"
    with pytest.raises(DataError, match=message):
        train_steps(tiny_recipe(), build_tiny, replace(data, split=split), out, options)
    assert not out.exists()


def test_a_fresh_folder_is_asked_for_and_resume_simply_starts(data, tmp_path, options):
    out = tmp_path / "run"
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    with pytest.raises(EvocaError, match="exists already; add --resume"):
        train_steps(tiny_recipe(), build_tiny, data, out, options)
    train_steps(tiny_recipe(), build_tiny, data, tmp_path / "fresh", options, resume=True)
    with pytest.raises(EvocaError, match="a finished run"):
        train_steps(tiny_recipe(), build_tiny, data, tmp_path / "fresh", options, resume=True)


def test_a_cross_validation_of_steps_states_what_chooses(data, tmp_path, options):
    """It spoke of inner folds, which a recipe with steps does not have."""
    recipe = tiny_recipe("protocol.folds=2", "protocol.repeats=1", "protocol.validation=0.34")
    crossval_steps(recipe, build_tiny, data, tmp_path / "run", options)
    described = read_run(tmp_path / "run").description
    assert "inner" not in described["protocol"]
    assert "nested" not in described["protocol"]
    assert "validation images, 34% of each training part, set aside" in described["protocol"]
    assert described["split"]["kind"] == "cross-validation, stratified and grouped"
    assert "inner_folds" not in described["split"]
    assert evaluated_on(described["split"]).of_folds


def test_a_cut_of_a_small_class_is_made_without_a_word(data, recwarn):
    """A warning of scikit-learn, with its path, came between what the command says."""
    fewer = data.take(np.flatnonzero((data.truth != 3) | (np.arange(len(data)) % 8 > 2)))
    train, validation = cut_validation(fewer, 1 / 8, seed=0)
    assert len(train) + len(validation) == len(fewer)
    assert not [w for w in recwarn.list if "least populated" in str(w.message)]


@pytest.mark.parametrize("stops", [True, False])
def test_the_protocol_says_whether_validation_images_stop(stops, data, tmp_path, options):
    stop = "steps.*.stop={metric: loss, split: val, patience: 5}" if stops else "steps.*.stop=null"
    train_steps(tiny_recipe(stop), build_tiny, data, tmp_path / "run", options)
    protocol = read_run(tmp_path / "run").description["protocol"]
    assert ("validation images stop it and choose" in protocol) is stops
    assert "temperature and set threshold" in protocol


def test_an_interrupted_training_goes_on_only_as_the_same(data, tmp_path, options):
    out = tmp_path / "run"
    options = replace(options, checkpoint_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        train_steps(tiny_recipe(), build_tiny, data, out, replace(options, announce=Stopper(80)))
    changed, fewer = tiny_recipe("steps.1.rate=0.5"), data.take(np.arange(1, len(data)))
    with pytest.raises(EvocaError, match="its recipe differs"):
        train_steps(changed, build_tiny, data, out, options, resume=True)
    with pytest.raises(EvocaError, match="its images, or their splits or groups, differ"):
        train_steps(tiny_recipe(), build_tiny, fewer, out, options, resume=True)
    pairs = replace(data, groups=np.arange(len(data)) // 2, has_groups=True)
    with pytest.raises(EvocaError, match="its images, or their splits or groups, differ"):
        train_steps(tiny_recipe(), build_tiny, pairs, out, options, resume=True)
    resumed = train_steps(tiny_recipe(), build_tiny, data, out, options, resume=True)
    whole = train_steps(tiny_recipe(), build_tiny, data, tmp_path / "whole", options)
    np.testing.assert_array_equal(
        resumed.predictions.probabilities, whole.predictions.probabilities
    )


def test_cross_validation_predicts_every_image_by_what_has_not_seen_it(data, tmp_path, options):
    trained = []

    def build(recipe, labels, seed):
        trained.append(seed)
        return TinySystem(seed)

    out = tmp_path / "cv"
    recipe = tiny_recipe("protocol.repeats=2")
    with pytest.raises(KeyboardInterrupt):
        crossval_steps(recipe, build, data, out, replace(options, announce=Stopper(200)))
    done = len(list(out.glob("folds/*/fold.npz")))
    assert 0 < done < 6
    before = len(trained)
    found = crossval_steps(recipe, build, data, out, options, resume=True)
    assert len(trained) - before == 6 - done
    assert found.predictions.probabilities.shape == (2, 64, 8)
    assert found.report["accuracy"].value > 0.8
    assert sorted(set(found.predictions.fold.ravel())) == [0, 1, 2]
    assert read_run(out).predictions.repeats == 2
    rows = list(csv.DictReader((out / "history.csv").open()))
    assert {row["fold"] for row in rows} == {f"r{r}f{f}" for r in (0, 1) for f in range(3)}
    # Undisturbed, without a folder, it is the same.
    again = crossval_steps(recipe, build, data, None, options)
    np.testing.assert_array_equal(again.predictions.probabilities, found.predictions.probabilities)


@pytest.mark.parametrize("damage", ["cut off", "other bytes", "of other images"])
def test_a_damaged_fold_is_trained_again_with_a_note(data, tmp_path, options, damage):
    recipe = tiny_recipe("steps.0.epochs=1", "steps.1.epochs=1", "steps.1.stop=null")
    out = tmp_path / "cv"
    whole = crossval_steps(recipe, build_tiny, data, None, options)
    with pytest.raises(KeyboardInterrupt):
        crossval_steps(recipe, build_tiny, data, out, replace(options, announce=Stopper(15)))
    fold = out / "folds" / "r0f0" / "fold.npz"
    if damage == "of other images":
        with np.load(fold) as arrays:
            content = dict(arrays)
        np.savez(fold, **content | {"logits": content["logits"][1:]})
    else:
        fold.write_bytes(fold.read_bytes()[:700] if damage == "cut off" else b"PK\x03\x04" * 50)
    said = []
    found = crossval_steps(
        recipe, build_tiny, data, out, replace(options, say=said.append), resume=True
    )
    assert [line.endswith("is damaged: the fold is trained again") for line in said].count(
        True
    ) == 1
    np.testing.assert_array_equal(found.predictions.probabilities, whole.predictions.probabilities)


def test_cross_validation_leaves_test_images_unseen(data, options):
    split = np.where(np.arange(64) % 8 == 0, "test", "train")
    found = crossval_steps(
        tiny_recipe("steps.1.epochs=1", "steps.1.stop=null"),
        build_tiny,
        replace(data, split=split),
        None,
        options,
    )
    assert len(found.predictions) == 56
    assert not any(name.endswith("/0.png") for name in found.predictions.images)


SPACE = {
    "settings": {
        "steps.1.rate": {"low": 1e-4, "high": 3e-2, "log": True},
        "steps.1.epochs": {"low": 1, "high": 3, "whole": True},
        "steps.1.sampling": {"values": ["shuffle", "weighted"]},
    }
}


def run_search(space, data, out, options, trials, **how):
    searcher = Searcher(
        lambda settings: tiny_recipe(*settings),
        Search.model_validate(space),
        build_tiny,
        options,
        trials,
    )
    return searcher.search(data, out, **how)


def test_a_search_is_resumed_and_its_best_is_a_recipe(data, tmp_path, options):
    out = tmp_path / "search"
    unseen = replace(data, split=np.where(np.arange(64) % 8 == 0, "test", "train"))
    with pytest.raises(KeyboardInterrupt):
        run_search(SPACE, unseen, out, replace(options, announce=Stopper(60)), trials=4)
    found = run_search(SPACE, unseen, out, options, trials=4, resume=True)
    assert len(found.trials) == 4
    assert found.best.value == max(trial.value for trial in found.trials)
    assert len({trial.settings["steps.1.rate"] for trial in found.trials}) == 4
    rows = list(csv.DictReader((out / "trials.csv").open()))
    assert len(rows) == 4
    best = Recipe.model_validate(yaml.safe_load((out / "best.yaml").read_text()))
    assert best == found.recipe
    assert best.steps[1].rate == pytest.approx(found.best.settings["steps.1.rate"])
    more = run_search(SPACE, unseen, out, options, trials=5, resume=True)
    assert len(more.trials) == 5
    with pytest.raises(EvocaError, match="exists already; add --resume"):
        run_search(SPACE, unseen, out, options, trials=5)
    with pytest.raises(EvocaError, match="another recipe, other settings or other images"):
        run_search(SPACE | {"metric": "loss"}, unseen, out, options, trials=5, resume=True)


def test_a_grid_tries_each_once_and_notes_what_cannot_be_trained(data, tmp_path, options):
    space = {
        "sampler": "grid",
        "metric": "loss",
        "settings": {
            "steps.1.optimiser": {"values": [{"kind": "sgd"}, {"kind": "adam"}]},
            "steps.1.rate": {"values": [1e-2, 1e30]},
            "steps.1.epochs": {"values": [2]},
        },
    }
    found = run_search(space, data, tmp_path / "grid", options, trials=9)
    assert len(found.trials) == 4
    assert {json.dumps(trial.settings, sort_keys=True) for trial in found.trials} == {
        json.dumps({"steps.1.optimiser": o, "steps.1.rate": r, "steps.1.epochs": 2}, sort_keys=True)
        for o in ({"kind": "sgd"}, {"kind": "adam"})
        for r in (1e-2, 1e30)
    }
    values = [trial.value for trial in found.trials]
    assert values[0] == min(value for value in values if value is not None)
    assert values[-1] is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settings: {a: {low: 2, high: 1}}", "low 2 is not below high 1"),
        ("settings: {a: {low: 0, high: 1, log: true}}", "begins above 0"),
        ("sampler: grid\nsettings: {a: {low: 0, high: 1}}", "a grid needs values, but a is a"),
        ("settings: {}", "settings"),
        ("settings: [", "not valid YAML"),
        (
            "settings: {a: {lo: 0, high: 1}}",
            "settings.a.lo; did you mean settings.*.low?",
        ),
        ("values: {steps.0.rate: [0.1]}", "unknown key values; did you mean settings.*.values?"),
    ],
)
def test_a_bad_space_is_one_line(text, message, tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(EvocaError) as caught:
        read_space(file)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_nested_search_looks_only_inside_each_training_part(data, tmp_path, options):
    looked = []
    searcher = Searcher(
        lambda settings: tiny_recipe(*settings),
        Search.model_validate({"settings": {"steps.1.epochs": {"values": [1, 2]}}}),
        build_tiny,
        options,
        trials=2,
    )

    def tune(images, folder):
        looked.append(set(images.names))
        return searcher.tune(images, folder)

    found = crossval_steps(tiny_recipe(), build_tiny, data, tmp_path / "nested", options, tune=tune)
    for number, names in enumerate(looked):
        held_out = {
            name
            for name, fold in zip(found.predictions.images, found.predictions.fold[0], strict=True)
            if fold == number
        }
        assert names == set(data.names) - held_out
    assert len(looked) == 3


def test_a_space_with_an_unknown_key_leaves_no_folder(data, tmp_path, options):
    space = {"settings": {"steps.1.ratte": {"low": 1e-4, "high": 1e-2}}}
    with pytest.raises(ValueError, match="ratte"):
        run_search(space, data, tmp_path / "search", options, trials=1)
    assert not (tmp_path / "search").exists()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps.1.sampling": {"values": ["shuffle", "wieghted"]}}, r"steps\.1\.sampling"),
        ({"steps.1.epochs": {"low": 0, "high": 2, "whole": True}}, r"steps\.1\.epochs"),
        ({"steps.1.rate": {"low": 1e-3, "high": 1e39}}, r"steps\.1\.rate"),
    ],
)
def test_a_value_that_does_not_fit_is_found_before_the_first_trial(
    values, message, data, tmp_path, options
):
    space = {"settings": {"steps.0.batch_size": {"values": [8, 16, 32]}} | values}
    with pytest.raises(ValueError, match=message):
        run_search(space, data, tmp_path / "search", options, trials=1)
    assert not (tmp_path / "search").exists()


def test_without_emotions_there_is_no_accuracy_to_search_by(data, tmp_path, options):
    rated = replace(data, affect=np.full((len(data), 2), 4.0))
    space = Search.model_validate({"settings": {"model.dropout": {"values": [0.1, 0.3]}}})
    searcher = Searcher(
        lambda settings: load_recipe("affect", settings), space, build_tiny, options, trials=1
    )
    with pytest.raises(DataError, match=r"affect: .* no accuracy to search by: set metric: loss"):
        searcher.search(rated, tmp_path / "search")
    assert not (tmp_path / "search").exists()


def test_trials_are_a_table_with_short_names():
    trials = [
        Trial({"model.hidden": [8], "steps.0.rate": 1e-5, "steps.1.rate": 0.0123456}, 0.5),
        Trial({"model.hidden": [], "steps.0.rate": 1e30, "steps.1.rate": 0.1}, None),
    ]
    table = trials_table(trials, "accuracy")
    assert table.columns == ("validation accuracy", "hidden", "0.rate", "1.rate")
    assert table.rows == (("0.5000", "[8]", "1e-05", "0.0123"), ("failed", "[]", "1e+30", "0.1"))
