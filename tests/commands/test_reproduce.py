"""From ``evoca train`` to ``evoca reproduce``, as a user types them."""

import csv
import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import yaml
from typer.testing import CliRunner

from evoca.cli import app
from evoca.lab.config import recipe as recipes
from evoca.papers import load
from tiny_system import draw_pictures

# As the packaged files write them; only the sizes are a test's.
PAPER = {
    "key": "tiny2020",
    "title": "Emotions in Drawn Colours",
    "read": True,
    "data": [
        {
            "key": "drawn",
            "name": "drawn colours",
            "rule": "One label each.",
            "images": 64,
            "parts": {"train": 32, "val": 16, "test": 16},
        }
    ],
    "systems": [
        {
            "name": "tiny2020-cnn",
            "summary": "A network on small pictures.",
            "backbones": ["squeezenet1_1"],
            "input_size": 48,
            "epochs": 3,
            "figures": [
                {"metric": "accuracy", "value": 0.5, "data": "drawn", "part": "test", "where": "t"},
                {"metric": "minutes_per_epoch", "value": 4.86, "where": "t"},
            ],
        }
    ],
}
STEP = {
    "name": "all",
    "trainable": ["all"],
    "optimiser": {"kind": "sgd", "momentum": 0.9},
    "rate": 1e-3,
    "rates": {"backbone": 1e-4},
    "epochs": 2,
    "batch_size": 16,
    "sampling": "weighted",
}
RECIPE = {
    "name": "tiny2020-cnn",
    "summary": "A network on small pictures; everything learns.",
    "paper": "tiny2020",
    "published": "tiny2020-cnn",
    "model": {"system": "classifier", "backbone": "squeezenet1_1", "weights": "random"},
    "preprocessing": {"height": 48, "width": 48},
    "protocol": {"repeats": 1},
    "steps": [{**STEP, "name": "first", "epochs": 1}, STEP],
}
VARIANT = {"extends": "tiny2020-cnn", "name": "tiny2020-cnn-wide", "model": {"hidden": [8]}}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with drawn pictures, and one more paper and its recipes in the package.

    In it, ``run`` is a training with the paper's own settings, and ``bundle`` its export.
    """
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EVOCA_CACHE", str(folder / "cache"))
        for source, name, added in (
            (load._folder(), "papers", [PAPER]),
            (recipes._PACKAGED._path, "recipes", [RECIPE, VARIANT]),
        ):
            shutil.copytree(source, folder / name)
            for content in added:
                file = folder / name / f"{content.get('key') or content['name']}.yaml"
                file.write_text(yaml.safe_dump(content, sort_keys=False))
        patch.setattr(load, "_folder", lambda: folder / "papers")
        packaged = type(recipes._PACKAGED)
        elsewhere = packaged._path.fget
        patch.setattr(
            packaged,
            "_path",
            property(lambda p: folder / "recipes" if p.folder == "recipes" else elsewhere(p)),
        )
        load.load_papers.cache_clear()
        for split, each, seed in (("train", 4, 0), ("val", 2, 1), ("test", 2, 2)):
            draw_pictures(folder / "data", each, split, seed)
        train("run")
        evoca("export", "run", "--out", "bundle")
        yield folder
    load.load_papers.cache_clear()


def evoca(*arguments):
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


def train(out, *settings, recipe="tiny2020-cnn", data="data", more=()):
    given = [part for setting in settings for part in ("--set", setting)]
    evoca("train", recipe, "--data", data, "--out", out, "--workers", "0", *given, *more)


def attempts(*runs, system="tiny2020-cnn"):
    content = json.loads(evoca("reproduce", *runs, "--format", "json"))
    (row,) = (row for row in content["systems"] if row["system"] == system)
    return {run["run"]: run for run in row["runs"]}


def differs(attempt):
    return {one["what"]: (one["here"], one["there"]) for one in attempt["differs"]}


def evaluate(model, out, *more):
    evoca("evaluate", model, "--data", "data", "--out", out, *more)


def test_the_papers_own_settings_are_like_with_like_from_training_to_evaluated_bundle(place):
    evaluate("run", "of-run")
    evaluate("bundle", "of-bundle")
    evaluate("of-bundle", "again")
    found = attempts("run", "of-run", "of-bundle", "again")
    assert set(found) == {"run", "of-run", "of-bundle", "again"}
    for attempt in found.values():
        assert differs(attempt) == {}
        assert attempt["like_with_like"] is True
        assert attempt["images"] == 16
        assert attempt["epochs"] == 3
        assert isinstance(attempt["figures"][0]["published_inside_interval"], bool)
    low, high = found["of-bundle"]["figures"][0]["measured"]["ci95"]
    verdict = "inside" if low <= 0.5 <= high else "outside"
    for output in ("markdown", "table"):
        text = evoca("reproduce", "of-bundle", "--paper", "tiny2020", "--format", output)
        assert verdict in next(line for line in text.splitlines() if "50%" in line)


def test_fewer_images_to_learn_from_are_other_data(place):
    shutil.copytree("data", "few")
    for picture in Path("few/train").glob("*/[123].png"):
        picture.unlink()
    train("fewer", "protocol.seed=1", data="few")
    assert differs(attempts("fewer")["fewer"]) == {"data": ("40 images in all", "64 images in all")}


def test_validation_images_and_folds_are_not_a_test_part(place):
    shutil.copytree("data", "untested")
    shutil.rmtree("untested/test")
    train("chose", data="untested")
    common = ("--data", "untested", "--out")
    share = ("--set", "protocol.validation=0.3", "--workers", "0")
    evoca("crossval", "tiny2020-cnn", *common, "cv", "--folds", "2", *share)
    evoca("evaluate", "cv", *common, "of-cv", "--split", "all")
    found = attempts("chose", "cv", "of-cv")
    assert "which chose" in differs(found["chose"])["protocol"][0]
    for name in ("cv", "of-cv"):  # read from its table, the predictions are still of folds
        assert differs(found[name])["protocol"][0] == "1 x 2-fold cross-validation"


def test_every_change_of_a_recipe_is_listed(place):
    train(
        "changed",
        "steps.*.optimiser={kind: adam}",
        "steps.*.rate=0.1",
        "steps.all.batch_size=8",
        "steps.*.sampling=shuffle",
        "steps.all.augmentation=[{kind: mirror}]",
        "model.dropout=0.5",
        "protocol.validation=0.2",
        "protocol.seed=3",  # of the measuring, not of the system
    )
    evaluate("changed", "changed-evaluated")
    for attempt in attempts("changed", "changed-evaluated").values():
        assert attempt["like_with_like"] is False
        assert differs(attempt) == {
            "optimiser": ("adam, momentum 0", "sgd, momentum 0.9"),
            "rate": ("0.1", "0.001"),
            "batch size of step all": ("8", "16"),
            "sampling": ("shuffle", "weighted"),
            "augmentation of step all": ("(mirror, p 0.5)", "none"),
            "dropout": ("0.5", "0"),
            "share of validation images": ("0.2", "0.1"),
        }
        assert {one["against"] for one in attempt["differs"]} == {"recipe"}
    for output in ("markdown", "table"):
        text = evoca("reproduce", "changed-evaluated", "--format", output)
        assert "rate: 0.1; recipe: 0.001" in " ".join(text.split())


def test_the_rates_of_a_profile_and_what_it_swaps_are_listed(place):
    Path("mine.yaml").write_text(
        "name: mine\nsummary: A test's.\nbackbones: {squeezenet1_1: efficientnet_lite0}\n"
        "scratch_epochs: 1\nrate_times: {sgd: 30}\n"
    )
    train("small", "model.weights=recorded", more=("--profile", "mine.yaml"))
    found = differs(attempts("small")["small"])
    assert found["profile"] == ("mine", "none")
    assert found["backbone"] == ("efficientnet_lite0", "squeezenet1_1")
    assert found["weights"] == ("recorded", "random")
    assert found["epochs"] == ("2", "3")
    assert found["epochs of step all"] == ("1", "2")


def test_the_rates_of_the_packaged_profile_are_listed(place):
    common = ("--data", "data", "--workers", "0", "--set", "preprocessing.height=48")
    small = ("--set", "preprocessing.width=48", "--set", "steps.*.epochs=1", "--profile", "lite0")
    evoca("train", "najid2018-resnet101-ensemble", "--out", "lite", *common, *small)
    (attempt,) = attempts("lite", system="najid2018-resnet101-ensemble").values()
    found = differs(attempt)
    assert found["profile"] == ("lite0", "none")
    rates = {what: pair for what, pair in found.items() if what.startswith("rate")}
    times = {float(here) / float(there) for here, there in rates.values()}
    assert rates
    assert all(times == pytest.approx(30) for times in times)
    assert found["backbone"] == ("efficientnet_lite0", "resnet101")


def test_a_variant_says_whose_figure_it_stands_beside(place):
    train("wide", recipe="tiny2020-cnn-wide")
    evoca("export", "wide", "--out", "wide-bundle")
    evaluate("wide-bundle", "wide-evaluated")
    for attempt in attempts("wide", "wide-evaluated").values():
        assert attempt["recipe"] == "tiny2020-cnn-wide"
        assert attempt["variant_of"] == "tiny2020-cnn"
        assert differs(attempt) == {"hidden": ("8", "none")}
    for output in ("markdown", "table"):
        text = " ".join(evoca("reproduce", "wide-evaluated", "--format", output).split())
        said = "A run of tiny2020-cnn-wide, a variant: the published figures are those of tiny2020"
        assert said in text


def test_scores_on_training_images_are_marked_and_get_no_verdict(place):
    evaluate("bundle", "learnt", "--split", "train")
    evaluate("learnt", "learnt-again", "--split", "train")
    evaluate("default", "own", "--split", "test")
    content = json.loads(evoca("reproduce", "own", "learnt", "--format", "json"))
    assert content["other_runs"] == [{"run": "own", "recipe": "default", "training_images": 0}]
    for attempt in attempts("learnt", "learnt-again").values():
        assert attempt["training_images"] == 32
        assert attempt["like_with_like"] is False
        (here, _) = differs(attempt)["training images"]
        assert here == "32 of the 32 evaluated images are training images of the system"
        accuracy = attempt["figures"][0]
        assert accuracy["learnt_from"] is True
        assert accuracy["published_inside_interval"] is None
    percent = f"{100 * accuracy['measured']['value']:.1f}"
    for output in ("markdown", "table"):
        text = evoca("reproduce", "learnt", "--paper", "tiny2020", "--format", output)
        glanced = next(line for line in text.splitlines() if percent in line)
        assert f"{percent}*" in glanced.replace("\\", "")
        assert "learnt from" in next(line for line in text.splitlines() if "50%" in line)
        assert "how well it remembers" in " ".join(text.split())


def test_minutes_without_the_frozen_layers_stand_beside_no_published_minutes(place):
    head = ("steps.*.trainable=[head]", "steps.*.rates={}")
    train("kept", *head)
    train("whole", *head, more=("--no-cache",))
    rows = {}
    for run in ("kept", "whole"):
        with (Path(run) / "history.csv").open() as stream:
            rows[run] = list(csv.DictReader(stream))
    assert {row["kept_features"] for row in rows["kept"]} == {"1"}
    assert {row["kept_features"] for row in rows["whole"]} == {"0"}
    found = attempts("kept", "whole")
    minutes = {run: one["figures"][1] for run, one in found.items()}
    assert minutes["kept"]["measured"] is None
    assert minutes["kept"]["missing"] == "not of the whole network"
    assert "in 3 of 3 epochs the frozen layers' features were cached" in found["kept"]["notes"][0]
    mean = sum(float(row["minutes"]) for row in rows["whole"]) / 3
    assert minutes["whole"]["measured"]["value"] == pytest.approx(mean)
    assert found["whole"]["notes"] == []
    text = evoca("reproduce", "kept", "--format", "markdown")
    assert "| minutes per epoch | 4.86 |  | not of the whole network |" in text
    assert "--no-cache" in text
