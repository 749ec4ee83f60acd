"""Profiles: what is changed in every recipe alike, and all recipes by one command."""

import json
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import yaml
from typer.testing import CliRunner

from evoca.cli import app
from evoca.lab.config.models.descriptors import Descriptors
from evoca.lab.config.profile import load_profile, profile_names, trains_backbone
from evoca.lab.config.recipe import RecipeError, load_recipe, recipe_names
from evoca.lab.training.checkpoint import identity_of
from tiny_system import draw_pictures


@pytest.mark.parametrize("profile", profile_names())
@pytest.mark.parametrize("name", recipe_names())
def test_a_profile_fits_every_recipe(name, profile):
    changes, before = load_profile(profile), load_recipe(name)
    after = load_recipe(name, [], profile)
    assert after.profile == profile
    if not isinstance(before.model, Descriptors):  # they have no backbone
        named = before.model.backbone
        assert after.model.backbone == changes.backbones.get(named, named)
    for old, new in zip(before.steps, after.steps, strict=True):
        limit = changes.epochs if trains_backbone(old, before.backbone) else changes.head_epochs
        times = changes.rate_times[old.optimiser.kind]
        if before.model.weights == "random":
            limit, times = changes.scratch_epochs, 1
        assert new.epochs == min(old.epochs, limit)
        assert new.rate == pytest.approx(old.rate * times)
        assert new.trainable == old.trainable


def test_the_steps_that_leave_the_backbone_alone_may_last_longer():
    steps = load_recipe("najid2018-resnet101-ensemble", [], "lite0").steps
    assert [(step.name, step.epochs) for step in steps] == [("branches", 5), ("stacking", 25)]
    assert steps[0].rates == {"branches": 0.03}


def test_a_setting_overrides_a_profile_and_its_name_decides_nothing():
    changed = load_recipe("najid2018-resnet101-full", ["steps.train.epochs=7"], "lite0")
    assert changed.steps[0].epochs == 7
    renamed = changed.model_copy(update={"profile": None})
    assert identity_of(changed) == identity_of(renamed)


def test_a_profile_of_ones_own(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"extends": "lite0", "name": "mine", "epochs": 2}))
    assert load_recipe("najid2018-resnet101-full", [], str(mine)).steps[0].epochs == 2
    mine.write_text(yaml.safe_dump({"extends": "lite0", "name": "mine", "epoch": 2}))
    with pytest.raises(RecipeError, match="unknown key epoch; did you mean epochs"):
        load_profile(str(mine))
    with pytest.raises(RecipeError, match="lite: no such profile; did you mean lite0"):
        load_profile("lite")


def evoca(*arguments):
    done = CliRunner().invoke(app, ["reproduce", "runs", *arguments])
    assert done.exit_code in {0, 1, 2}, done.exception
    return done


def test_one_command_runs_the_recipes_and_shows_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path / "cache"))
    draw_pictures(tmp_path / "data", 6)
    run = (
        *("--data", "data", "--profile", "lite0", "--workers", "0", "--folds", "2"),
        *("--set", "preprocessing.height=32", "--set", "preprocessing.width=32"),
        *("--set", "protocol.validation=0.34", "--paper", "najid2018"),
        *("--recipe", "najid2018-resnet101-fc*"),
    )
    first = evoca(*run, "--set", "steps.0.epochs=2")
    assert first.exit_code == 0, first.stderr
    assert sorted(p.name for p in Path("runs").iterdir()) == [
        "najid2018-resnet101-fc",
        "najid2018-resnet101-fc-shuffle",
    ]
    assert "najid2018-resnet101-fc-shuffle (2 of 2)" in first.stderr
    recipe = json.loads(Path("runs/najid2018-resnet101-fc/run.json").read_text())["recipe"]
    assert recipe["profile"] == "lite0"
    assert recipe["model"]["backbone"] == "efficientnet_lite0"
    glance = first.stdout.partition("najid2018: ")[0]
    assert "62.7" in next(line for line in glance.splitlines() if line.startswith("najid2018"))
    assert "Profile: lite0." in " ".join(glance.split())
    again = evoca(*run, "--set", "steps.0.epochs=2")
    assert again.stdout == first.stdout
    assert again.stderr.count("finished already") == 2
    other = evoca(*run, "--set", "steps.0.epochs=1")
    assert other.exit_code == 1
    assert other.stderr.count("or of other settings; name another folder") == 2
    next(Path("data").rglob("*.png")).unlink()
    fewer = evoca(*run, "--set", "steps.0.epochs=2")
    assert fewer.exit_code == 1
    assert fewer.stderr.count("a finished run of other images; name another folder") == 2


def test_a_recipe_that_cannot_run_costs_one_line_and_not_the_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path / "cache"))
    draw_pictures(tmp_path / "data", 6)
    done = evoca(
        *("--data", "data", "--profile", "lite0", "--workers", "0", "--folds", "2"),
        *("--recipe", "linear-probe", "--recipe", "najid2018-resnet101-fc"),
        *("--set", "preprocessing.height=32", "--set", "preprocessing.width=32"),
        *("--set", "head.c_grid=[0.1]", "--set", "protocol.inner_folds=2", "--format", "json"),
    )
    assert done.exit_code == 1
    assert "left out: najid2018-resnet101-fc: --set head.c_grid=[0.1]: head is not" in done.stderr
    assert [run["run"] for run in json.loads(done.stdout)["other_runs"]] == ["linear-probe"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--profile", "lite0"), "--profile: sets how to run; give --data too"),
        (("--data", "data", "--recipe", "nosuch"), "--recipe nosuch: no such recipe; known are"),
        (("more", "--data", "data"), "more: with --data, name one folder for all runs"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    done = evoca(*arguments)
    assert done.exit_code == 1
    assert said in done.stderr
