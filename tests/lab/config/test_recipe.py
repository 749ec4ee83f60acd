"""One format for recipes: files that extend one another, settings, clear refusals, words."""

import re

import pytest
import yaml

from evoca.lab.config.describe import in_words
from evoca.lab.config.recipe import Recipe, RecipeError, load_recipe, recipe_names
from evoca.papers import load_paper


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_survives_being_written_down(name, tmp_path):
    recipe = load_recipe(name)
    file = tmp_path / "again.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json", exclude_none=True)))
    assert load_recipe(str(file)) == recipe
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


@pytest.mark.parametrize("name", [n for n in recipe_names() if load_recipe(n).paper])
def test_a_recipe_of_a_paper_refers_to_what_was_published(name):
    recipe = load_recipe(name)
    paper = load_paper(recipe.paper)
    sections = dict(in_words(recipe))
    if recipe.published is None:  # what a paper wishes for and has not measured
        assert "Published" not in sections
    else:
        assert recipe.published in {system.name for system in paper.systems}
        assert sections["Published"]
    assert recipe.left_open
    assert len(sections["Left open"]) == len(recipe.left_open)


def notes_of(recipe):
    return " ".join([recipe.summary, *recipe.left_open.values()])


@pytest.mark.parametrize("name", recipe_names())
def test_an_option_that_a_note_names_can_be_set(name):
    for setting in re.findall(
        r"\b(?:model|preprocessing|steps)\.[\w.*]+=[\w-]+(?:\.\w+)?", notes_of(load_recipe(name))
    ):
        assert load_recipe(name, [setting])


SAID = re.compile(r"\brates? (?:of )?\d|\d(?:e-\d)? for the")


@pytest.mark.parametrize("name", recipe_names())
def test_a_note_that_gives_a_rate_gives_every_rate(name):
    recipe = load_recipe(name)
    notes = re.sub(r"weight decay [\de.-]+", "", notes_of(recipe))
    if not SAID.search(notes):
        return
    rates = {rate for step in recipe.steps for rate in (step.rate, *step.rates.values())}
    assert [rate for rate in rates if not {f"{rate:g}", short(rate)} & set(words_of(notes))] == []


def words_of(text):
    return re.findall(r"\d[\d.]*(?:e-\d+)?", text.replace(". ", " "))


def short(rate):
    digits, exponent = f"{rate:.2e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("yang2017-resnet", "1e-3 for the layer and 1e-4 for the network"),
        ("you2016-imagenet-cnn", "rate 1e-3"),
        ("jacobson2019-caption-embedding", "no convolutional network"),
        ("jacobson2019-resnet64", "is about the caption embedding"),
        ("rao2016-mldrnet", "fully connected layers in the plural"),
        ("rapolu2023-resnet101", "resnet101_unit and densenet201_unit"),
    ],
)
def test_notes_say_what_the_texts_and_the_recipe_have(name, said):
    assert said in notes_of(load_recipe(name))


def test_words_say_what_is_trained_when():
    training = dict(in_words(load_recipe("sreenivas2018-vgg19")))["Training"]
    assert training[0] == "1. head: trains only the head, rate 1e-4."
    assert "3. top2: trains the head, top1 and top2, rate 1e-6." in training
    assert (
        "Of this backbone, top1 is conv5_4, top2 is conv5_3, top3 is conv5_2, top4 is conv5_1."
        in training
    )
    ensemble = dict(in_words(load_recipe("najid2018-resnet101-ensemble")))["Training"]
    assert ensemble[0] == "1. branches: trains backbone and branches, rate 1e-4, 1e-3 for branches."


def write(folder, file, **content):
    path = folder / f"{file}.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_ones_own_recipe_is_what_differs(tmp_path):
    write(
        tmp_path,
        "parent",
        extends="najid2018-resnet101-l4",
        name="parent",
        summary="Mine.",
        model={"backbone": "efficientnet_lite0"},
    )
    child = write(
        tmp_path,
        "child",
        extends="parent.yaml",
        name="child",
        summary="Mine too.",
        published=None,
        set={"steps.*.epochs": 3, "steps.train.optimiser.weight_decay": 0},
    )
    recipe = load_recipe(child, ["steps.0.batch_size=16"])
    (step,) = recipe.steps
    assert (recipe.name, recipe.model.backbone) == ("child", "efficientnet_lite0")
    assert (step.epochs, step.batch_size, step.optimiser.weight_decay) == (3, 16, 0)
    assert (step.trainable, step.optimiser.nesterov) == (("head", "stage4"), True)
    assert (recipe.paper, recipe.published) == ("najid2018", None)


def test_ones_own_backbone_goes_into_the_recipe(tmp_path):
    write(tmp_path, "net", extends="resnet50", name="net", mean=[0.5, 0.5, 0.5])
    file = write(
        tmp_path,
        "mine",
        extends="najid2018-resnet101-fc",
        name="mine",
        summary="Mine.",
        model={"backbone": "net.yaml"},
    )
    recipe = load_recipe(file)
    assert recipe.model.backbone == "net"
    assert recipe.backbone.mean == (0.5, 0.5, 0.5)
    assert Recipe.model_validate_json(recipe.model_dump_json()).backbone == recipe.backbone
    changed = load_recipe("default", [f"model.backbone={tmp_path / 'net.yaml'}"])
    assert changed.backbone == recipe.backbone


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("najid2018-resnet101-f", None, "did you mean najid2018-resnet101-fc"),
        ("najid2018-resnet101-fc", "model.backbone=resnet11", "did you mean resnet101"),
        (
            "najid2018-resnet101-fc",
            "model.droput=1",
            "unknown key model.droput; did you mean model.drop",
        ),
        ("najid2018-resnet101-fc", "model.dropout=1", "model.dropout: must be below"),
        ("najid2018-resnet101-fc", "model.system=skipp", "system: one of linear_probe"),
        ("najid2018-resnet101-fc", "model.weights=x.pth", "nor a .safetensors file"),
        ("najid2018-resnet101-fc", "model.combine=dense", "unknown key model.combine"),
        (
            "najid2018-resnet101-fc",
            "steps.0.ratte=1",
            "unknown key steps.0.ratte; did you mean steps.*.rate",
        ),
        ("najid2018-resnet101-fc", "steps.9.rate=1", "neither the number of an entry, 0 to 0"),
        ("najid2018-resnet101-fc", "steps.trian.rate=1", "nor a name (train)"),
        ("najid2018-resnet101-fc", "steps.0.loss.kind=cross", "steps.0.loss"),
        ("najid2018-resnet101-fc", "steps=[]", "a classifier needs steps to train"),
        ("default", "head=null", "a linear_probe has a head and no steps"),
    ],
)
def test_what_is_wrong_is_one_line(name, setting, message):
    with pytest.raises(RecipeError) as caught:
        load_recipe(name, [setting] if setting else [])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"extends": "self.yaml"}, "or itself"),
        ({"extends": "none"}, "none: no such recipe"),
        ({"extends": 3}, "the name of a recipe, or a file"),
        ({"extends": "default", "set": 3}, "a mapping of dotted keys"),
        ({"extends": "default", "set": {"name.x": 1}}, "name is not a group of keys"),
        ({"name": "x"}, "summary: is missing"),
        ([1], "a recipe is a mapping"),
    ],
)
def test_files_that_do_not_hold_together_are_one_line(content, message, tmp_path):
    file = tmp_path / "self.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(file))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("affect", [], "the rate falls to 0 as a cosine; loss the squared error of the ratings;"),
        ("emotions-and-affect", ["steps.0.affect_weight=2"], "shares, and 2 times the squared"),
        ("distribution-kl", [], "Kullback-Leibler divergence towards the viewers' shares"),
        ("yang2017-resnet-scratch", [], "the rate rises over the first 5 epochs;"),
        ("lora-vit", ["steps.0.clip=2"], "gradients clipped to a norm of 2"),
        *(
            ("najid2018-resnet101-fc", [f"steps.0.loss={{kind: {kind}, {option}}}"], words)
            for kind, option, words in [
                ("cross_entropy", "smoothing: 0.1", "loss cross entropy, smoothing 0.1;"),
                ("class_balanced", "beta: 0.9", "class-balanced cross entropy, beta 0.9;"),
                ("logit_adjusted", "tau: 2", "adjusted by the classes' shares, tau 2;"),
                ("emd", "", "earth mover's distance around the wheel;"),
                ("multi_hot", "threshold: 0.5", "of every label, threshold 0.5;"),
                ("polarity", "weight: 2", "of the polarity too, weight 2;"),
                ("wheel", "weight: 2", "distance around the wheel, weight 2;"),
            ]
        ),
    ],
)
def test_words_tell_all_that_decides_a_step(name, settings, words):
    recipe = load_recipe(name, settings)
    assert words in dict(in_words(recipe))["Training"][1]


def test_words_tell_what_is_searched():
    lines = dict(in_words(load_recipe("sreenivas2018-search")))["Search"]
    assert lines[0] == "evoca search chooses by validation accuracy; every combination."
    assert "  model.hidden: [], [8], [16]" in lines
    drawn = "search={settings: {model.dropout: {low: 0.1, high: 0.5}}, sampler: random}"
    own = dict(in_words(load_recipe("sreenivas2018-search", [drawn])))["Search"]
    assert own[1] == "  model.dropout: 0.1 to 0.5"
