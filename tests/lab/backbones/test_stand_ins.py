"""What a recipe is said to be is made from the networks that are there, not the paper's."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning", reason="needs the extra train")
import yaml
from typer.testing import CliRunner

from evoca.cli import app
from evoca.lab.config.backbone import backbone_names, find_backbone
from evoca.lab.config.describe import in_words
from evoca.lab.config.models import Network
from evoca.lab.config.profile import profile_names
from evoca.lab.config.recipe import RecipeError, load_recipe, recipe_names
from evoca.lab.config.summary import same_recipe
from tiny_system import draw_pictures

TITLES = [find_backbone(name).called for name in backbone_names()]
FAMILY = re.compile(r"AlexNet|BLIP|CLIP|DenseNet|DINO|FractalNet|ResNet|SigLIP|VGG", re.IGNORECASE)


def evoca(*arguments):
    done = CliRunner().invoke(app, [*arguments])
    assert done.exit_code == 0, done.stderr
    return done.stdout


def networks_of(recipe):
    return recipe.model.slots() if isinstance(recipe.model, Network) else {}


def test_every_backbone_has_a_title_of_its_own():
    assert len(set(TITLES)) == len(TITLES)
    assert not set(TITLES) & set(backbone_names())


@pytest.mark.parametrize("profile", [None, *profile_names()])
@pytest.mark.parametrize("name", recipe_names())
def test_a_description_names_the_networks_that_are_there(name, profile):
    paper, recipe = load_recipe(name), load_recipe(name, [], profile)
    meant = {
        key: paper.record_of(own).called
        for key, own in networks_of(paper).items()
        if own.backbone != networks_of(recipe)[key].backbone
    }
    assert recipe.stand_ins == meant
    assert "{" not in recipe.summary
    said = recipe.summary.lower()
    for key, own in networks_of(recipe).items():
        title = recipe.record_of(own).called
        assert title.lower() in said
        if key in meant:
            assert f"{title} is a stand-in for {meant[key]}".lower() in said
    # Without the titles that are there and what they stand in for, no network is named.
    rest = recipe.summary
    for own in networks_of(recipe).values():
        rest = re.sub(re.escape(recipe.record_of(own).called), "", rest, flags=re.IGNORECASE)
    for title in meant.values():
        rest = rest.replace(f"is a stand-in for {title}", "")
    rest = re.sub(r"\b[a-z]+\d{4}-[\w-]+", "", rest)  # names of recipes
    assert not FAMILY.search(rest)
    plain = recipe.model_copy(update={"profile": None})
    assert (f"Changed by the profile {profile}." in recipe.summary) != same_recipe(plain, paper)
    shown = dict(in_words(recipe))
    assert shown["What it is"][0] == recipe.summary
    lines = [line for line in shown.get("Network", []) if line.startswith("Backbone ")]
    for line, key in zip(lines, networks_of(recipe), strict=True):
        assert (f"a stand-in for {meant.get(key)}" in line) == (key in meant)


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_with_a_profile_survives_being_written_down(name, tmp_path):
    recipe = load_recipe(name, ["protocol.seed=3"], "lite0")
    file = tmp_path / "again.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json", exclude_none=True)))
    assert load_recipe(str(file)) == recipe


def test_settings_are_named_where_the_summary_need_not_hold():
    plain = load_recipe("najid2018-resnet101-fc")
    assert plain.summary == "ResNet-101 of which only the new classifier learns."
    other = load_recipe("najid2018-resnet101-fc", ["model.backbone=resnet50"])
    assert other.summary == (
        "ResNet-50 of which only the new classifier learns. ResNet-50 is a stand-in for ResNet-101."
    )
    more = load_recipe("najid2018-resnet101-fc", ["steps.*.trainable=[all]", "protocol.seed=1"])
    # It said first that only the classifier learns.
    assert more.summary == (
        f"Changed by --set steps.*.trainable=[all]. Without that: {plain.summary}"
    )
    back = load_recipe("najid2018-resnet101-fc", ["model.backbone=resnet101"], "lite0")
    assert back.stand_ins == {}
    assert back.summary == f"{plain.summary} Changed by the profile lite0."
    rate = load_recipe("sreenivas2018-search-rate-1e-4", [], "lite0").summary
    assert "at the rate 1e-3." in rate
    small = load_recipe("default", ["preprocessing.height=64", "preprocessing.width=96"])
    assert "seen at 96 x 64," in small.summary


def test_a_file_of_ones_own_says_what_stands_in(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        yaml.safe_dump(
            {"extends": "najid2018-resnet101-l4", "name": "mine", "summary": "Braces {x} stay."}
        )
    )
    assert load_recipe(str(file)).summary == "Braces {x} stay."
    found = load_recipe(str(file), [], "lite0").summary
    assert found.startswith("Braces {x} stay. EfficientNet-Lite0 is a stand-in for ResNet-101.")


def test_a_file_without_a_summary_says_what_it_changes(tmp_path):
    file = tmp_path / "mine.yaml"
    plain = "ResNet-101 of which only the new classifier learns."
    change = {"steps.*.trainable": ["all"], "steps.0.rate": 0.1}
    own = {"extends": "najid2018-resnet101-fc", "name": "mine"}
    file.write_text(yaml.safe_dump({**own, "set": change}))
    changed = "mine.yaml (steps.0.trainable.0, steps.0.rate)"
    assert load_recipe(str(file)).summary == f"Changed by {changed}. Without that: {plain}"
    # Through a second file that changes nothing more.
    (tmp_path / "again.yaml").write_text("extends: mine.yaml\nname: again\n")
    again = load_recipe(str(tmp_path / "again.yaml")).summary
    assert again == f"Changed by {changed.replace('mine', 'again')}. Without that: {plain}"
    file.write_text(yaml.safe_dump({**own, "model": {"backbone": "squeezenet1_1_caffe"}}))
    other = load_recipe(str(file))
    assert other.stand_ins == {"backbone": "ResNet-101"}
    assert other.summary == (
        "SqueezeNet 1.1 of Caffe of which only the new classifier learns. SqueezeNet 1.1 of "
        "Caffe is a stand-in for ResNet-101."
    )
    file.write_text(yaml.safe_dump({**own, "profile": "lite0"}))
    with pytest.raises(RecipeError, match=r"mine.yaml: profile: recorded .* give the profile with"):
        load_recipe(str(file))


def test_another_reading_of_the_paper_is_no_stand_in():
    found = load_recipe("rapolu2023-resnet101", ["model.backbone=resnet101_unit"])
    assert found.stand_ins == {}
    assert "ResNet-101 on pixels divided by 255" in found.summary
    assert "stand-in" not in found.summary


def test_a_variant_says_whose_figures_are_shown():
    for name, whose in (
        ("najid2018-resnet101-ensemble-dense", "najid2018-resnet101-ensemble"),
        ("agarwal2019-attention-alexnet-rescaled", "agarwal2019-attention-alexnet"),
    ):
        said = dict(in_words(load_recipe(name)))["Published"]
        assert said[0] == f"Of {whose}, of which this is a variant:"
    plain = dict(in_words(load_recipe("najid2018-resnet101-ensemble")))["Published"]
    assert not any("variant" in line for line in plain)


def written(folder, recipe, **changes):
    content = recipe.model_dump(mode="json", exclude_none=True) | changes
    file = folder / "mine.yaml"
    file.write_text(yaml.safe_dump(content))
    return str(file)


def test_a_recipe_that_was_written_down_and_edited_says_what_is_there(tmp_path):
    """Its summary was filled in, and named ResNet-101 over whatever stood below."""
    paper = load_recipe("najid2018-resnet101-fc")
    model = paper.model.model_dump(mode="json") | {"backbone": "efficientnet_lite0"}
    found = load_recipe(written(tmp_path, paper, model=model))
    assert found.stand_ins == {"backbone": "ResNet-101"}
    assert found.summary == (
        "EfficientNet-Lite0 of which only the new classifier learns. EfficientNet-Lite0 is a "
        "stand-in for ResNet-101."
    )
    steps = [paper.steps[0].model_dump(mode="json") | {"trainable": ["all"]}]
    found = load_recipe(written(tmp_path, paper, steps=steps))
    assert found.summary == (
        f"Changed by mine.yaml (steps.0.trainable.0). Without that: {paper.summary}"
    )
    assert load_recipe(written(tmp_path, found)).summary == found.summary
    found = load_recipe(written(tmp_path, load_recipe(paper.name, [], "lite0")))
    other = load_recipe(str(tmp_path / "mine.yaml"), ["model.backbone=densenet169"])
    assert other.summary.startswith("DenseNet-169 of which only")
    assert "DenseNet-169 is a stand-in for ResNet-101. Changed by the profile" in other.summary
    renamed = load_recipe(written(tmp_path, paper, model=model, name="mine"))
    assert renamed.summary.startswith("EfficientNet-Lite0 of which only the new classifier learns")
    assert renamed.stand_ins == {"backbone": "ResNet-101"}
    own = load_recipe(written(tmp_path, found, summary="Words of one's own."))
    assert own.summary.startswith("Words of one's own. EfficientNet-Lite0 is a stand-in")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "mine.yaml: profile: lite0 gives another model.backbone: leave the profile out"),
        ({"name": "mine"}, "mine.yaml: profile: .* none is called mine: leave it out"),
    ],
)
def test_a_profile_that_a_file_records_was_applied(changes, message, tmp_path):
    paper = load_recipe("najid2018-resnet101-fc")
    with pytest.raises(RecipeError, match=message):
        load_recipe(written(tmp_path, paper, profile="lite0", **changes))


@pytest.mark.parametrize("setting", ["profile=lite0", "stand_ins.backbone=x", "name=default"])
def test_what_records_a_recipe_is_no_setting(setting):
    with pytest.raises(RecipeError, match=rf"^settings {setting}: .* records what a recipe is"):
        load_recipe("najid2018-resnet101-fc", [setting])


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("yang2017-resnet", "model.weights=random"),
        ("yang2017-resnet-scratch", "model.weights=recorded"),
        ("jacobson2019-caption-embedding-whole", "preprocessing.resize=cover"),
    ],
)
def test_weights_and_cuts_that_a_summary_speaks_of_lead(name, setting):
    plain = load_recipe(name).summary
    said = load_recipe(name, [setting]).summary
    assert said == f"Changed by --set {setting}. Without that: {plain}"


def test_a_tenth_of_the_rate_stays_one_under_a_profile():
    name = "jacobson2019-caption-embedding"
    for profile in (None, "lite0"):
        whole, tenth = (load_recipe(n, [], profile) for n in (name, f"{name}-rate-1e-4"))
        assert whole.steps[0].rate == pytest.approx(10 * tenth.steps[0].rate)
        assert "at a tenth of the rate, the other one that was tried" in tenth.summary


def test_each_alexnet_that_a_paper_may_mean_is_no_stand_in():
    for name in ("you2016-alexnet", "you2016-imagenet-cnn"):
        found = load_recipe(name, ["model.backbone=alexnet_grouped"])
        assert found.stand_ins == {}
        assert "stand-in" not in found.summary
    assert load_recipe("you2016-alexnet", ["model.backbone=squeezenet1_1_caffe"]).stand_ins


@pytest.mark.parametrize("folder", ["/home/someone/", "someone/", "../../someone/"])
def test_no_folder_of_a_machine_is_in_a_summary(folder):
    weights = f"{folder}resnet.safetensors"
    said = load_recipe("najid2018-resnet101-fc", [f"model.weights={weights}"]).summary
    assert "model.weights=resnet.safetensors" in said
    assert "someone" not in said


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("--profile", "lite0"), "evoca-najid2018-resnet101-fc-lite0-"),
        (
            ("--set", "model.backbone=efficientnet_lite0"),
            "evoca-najid2018-resnet101-fc-efficientnet_lite0-",
        ),
    ],
)
def test_bundle_card_and_report_are_of_the_stand_in(options, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOCA_CACHE", str(tmp_path / "cache"))
    draw_pictures(tmp_path / "data", 6)
    evoca(
        *("train", "najid2018-resnet101-fc", "--data", "data", "--out", "run", *options),
        *("--set", "preprocessing.height=32", "--set", "preprocessing.width=32"),
        *("--set", "steps.*.epochs=1", "--set", "protocol.validation=0.34", "--workers", "0"),
    )
    evoca("export", "run", "--out", "bundle")
    card = json.loads(Path("bundle/model.json").read_text())
    said = (
        "EfficientNet-Lite0 of which only the new classifier learns. EfficientNet-Lite0 is a "
        "stand-in for ResNet-101."
    )
    assert card["name"].startswith(name)
    assert card["provenance"]["profile"] == ("lite0" if "--profile" in options else None)
    (backbone,) = card["provenance"]["backbones"]
    assert backbone.startswith("tf_efficientnet_lite0 (Apache-2.0")
    assert backbone.endswith(", a stand-in for ResNet-101")
    evoca("report", "run", "--out", "report.html", "--no-images")
    pages = {
        "card": card["summary"],
        "readme": Path("bundle/README.md").read_text(),
        "shown": evoca("models", "show", "bundle"),
        "report": Path("report.html").read_text(),
        "recipe": evoca("recipes", "show", "najid2018-resnet101-fc", *options),
    }
    for where, text in pages.items():
        text = " ".join(text.split())
        assert said in text, where
        assert "ResNet-101 of which" not in text, where
        if "--profile" in options:
            assert "profile lite0" in text, where
