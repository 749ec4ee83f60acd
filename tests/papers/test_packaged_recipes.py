"""Every packaged recipe beside its own paper, as it is and changed."""

import pytest

from evoca.documents import to_markdown
from evoca.lab.config.recipe import load_recipe, recipe_names
from evoca.lab.experiments.results import PackagedRecipes, shareable
from evoca.papers import load_papers
from evoca.papers.changes import changes_of
from evoca.papers.comparison_tables import comparison_document, glance
from evoca.papers.published_figures import targets_of
from evoca.papers.reproduce import reproduce
from evoca.papers.run_facts import facts_of
from evoca.runs import read_run
from evoca.runs.evaluated_on import EvaluatedOn
from evoca.runs.provenance import describe_run
from run_samples import LABELS, make_predictions, write_run

FOLLOWING = [name for name in recipe_names() if load_recipe(name).published is not None]
PACKAGED = PackagedRecipes()
VARIANTS = {
    "agarwal2019-attention-alexnet-rescaled": ["rescale"],
    "jacobson2019-caption-embedding-rate-1e-4": ["rate"],
    "jacobson2019-caption-embedding-whole": ["input size"],
    "jacobson2019-fractalnet-plain": ["backbone"],
    "najid2018-resnet101-ensemble-dense": ["combine"],
    "rao2016-mldrnet-max": ["instances"],
}


def attempt_of(folder, name, *settings, profile=None):
    """A training with the sizes of the paper's own parts, described as trainings are."""
    recipe = load_recipe(name, settings, profile)
    system = recipe.published or name
    paper = next(p for p in load_papers().values() for s in p.systems if s.name == system)
    published = next(s for s in paper.systems if s.name == system)
    keys = [target.data for target in targets_of(paper, published)]
    data = paper.data_of(keys[0]) if keys else next(iter(paper.data), None)
    total = data.images if data is not None and data.images is not None else 1000
    share = data.ratios.get("test", 0.2) if data is not None else 0.2
    test = data.parts.get("test", round(total * share)) if data is not None else 200
    chose = data.parts.get("val", 0) if data is not None else 0
    learnt = max(total - test - chose, 0)
    split = {"kind": EvaluatedOn.TEST, "train": learnt, "validation": chose, "test": test}
    description = describe_run(
        "training",
        data={"images": total, "name": "theirs", "fingerprint": "ab" * 32},
        split=split,
        system={"recipe": recipe.model_dump(mode="json")},
        seeds=[0],
        labels=LABELS,
        protocol="once",
    )
    own = description.pop("recipe")
    run = write_run(folder, own, predictions=make_predictions(80), **description)
    rows = reproduce([read_run(run)], [paper], PACKAGED).rows
    (attempt,) = (attempt for row in rows for attempt in row.attempts)
    return attempt, data


@pytest.mark.parametrize("name", FOLLOWING)
def test_nothing_but_uncounted_data_stands_between_a_recipe_and_its_paper(name, tmp_path):
    attempt, data = attempt_of(tmp_path / "run", name)
    known = data is not None and (data.images is not None or "test" in data.parts)
    expected = [] if known else ["data"]  # a paper that counts no images is compared with no one
    if attempt.variant_of is None:
        assert [d.what for d in attempt.differs] == expected
        assert attempt.like_with_like is known
    else:  # another setting than that of the figure it is shown beside
        assert set(expected) < {d.what for d in attempt.differs}
    assert attempt.facts.one_split


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_differs_in_what_makes_it_one(name, tmp_path):
    attempt, _ = attempt_of(tmp_path / "run", name)
    assert attempt.variant_of == load_recipe(name).published != name
    assert [d.what for d in attempt.differs if d.what != "data"] == VARIANTS[name]


def test_some_recipes_are_compared():
    assert len(FOLLOWING) > 40


def test_another_optimiser_rate_batch_and_sampling_are_listed(tmp_path):
    changed = (
        "steps.*.optimiser={kind: adam}",
        "steps.*.rate=0.1",
        "steps.*.batch_size=8",
        "steps.*.sampling=shuffle",
    )
    attempt, _ = attempt_of(tmp_path / "run", "najid2018-resnet101-fc", *changed)
    assert [str(d) for d in attempt.differs] == [
        "optimiser: adam, momentum 0, nesterov no, weight decay 0; "
        "recipe: sgd, momentum 0.9, nesterov yes, weight decay 0.0001",
        "rate: 0.1; recipe: 0.0001",
        "batch size: 8; recipe: 32",
        "sampling: shuffle; recipe: weighted",
    ]


def test_merged_emotions_and_another_order_of_steps_are_listed(tmp_path):
    name = "najid2018-resnet101-ensemble"
    attempt, _ = attempt_of(tmp_path / "one", name, "merge=[[anger, fear]]")
    assert [d.what for d in attempt.differs] == ["merge"]
    own = load_recipe(name).model_dump(mode="json")
    turned = own | {"steps": own["steps"][::-1]}
    (found,) = changes_of(turned, own)
    assert (found.what, found.here) == ("steps", "stacking, branches")


def test_a_swept_setting_is_no_difference_where_its_figure_was_published(tmp_path):
    name = "rapolu2023-differential"
    attempt, _ = attempt_of(tmp_path / "one", name, "model.alpha=0.25")
    assert attempt.differs == ()
    assert [pair.target.value for pair in attempt.pairs] == [0.6576]
    attempt, _ = attempt_of(tmp_path / "two", name, "model.alpha=0.3")
    assert "alpha: 0.3; recipe: 0.75" in map(str, attempt.differs)


def test_a_figure_that_names_its_recipe_was_measured_at_its_settings(tmp_path):
    """Rate and dropout of a figure's setting were taken for what had been swept."""
    name, changed = "sreenivas2018-search", ("steps.0.rate=0.05", "model.dropout=0.1")
    attempt, _ = attempt_of(tmp_path / "one", name, *changed)
    assert {d.what for d in attempt.differs} >= {"rate", "dropout"}
    attempt, _ = attempt_of(tmp_path / "two", name, profile="lite0")
    assert "rate" in {d.what for d in attempt.differs}


@pytest.mark.parametrize("name", ["you2016-alexnet", "you2016-imagenet-cnn"])
def test_each_alexnet_that_a_paper_may_mean_is_its_own(name, tmp_path):
    attempt, _ = attempt_of(tmp_path / "one", name, "model.backbone=alexnet_grouped")
    assert "backbone" not in {d.what for d in attempt.differs if d.against == "paper"}


def test_the_legend_speaks_of_known_images_only_where_there_are_some(tmp_path):
    """It asked for a method in place of its result, and was always there."""
    name = "najid2018-resnet101-fc"
    recipe = load_recipe(name).model_dump(mode="json")
    for known in (0, 40):
        split = {"kind": EvaluatedOn.TEST, "train": 800, "validation": 0, "test": 80}
        run = write_run(
            tmp_path / str(known), recipe, images=880, split=split, training_images=known
        )
        runs = [read_run(run)]
        rows = reproduce(runs, [load_papers()["najid2018"]], PACKAGED).rows
        documents = (comparison_document(rows), glance(runs, [load_papers()["najid2018"]]))
        texts = [to_markdown(document) for document in documents]
        assert ["learnt from" in text for text in texts] == [bool(known)] * 2, texts


def test_weights_of_ones_own_are_a_change_unless_the_backbone_asks_for_them(tmp_path):
    file = "model.weights=/home/me/net.safetensors"
    attempt, _ = attempt_of(tmp_path / "one", "najid2018-resnet101-fc", file)
    assert [str(d) for d in attempt.differs] == ["weights: net.safetensors; recipe: recorded"]
    attempt, _ = attempt_of(tmp_path / "two", "agarwal2019-alexnet", file)
    assert [d.what for d in attempt.differs] == ["data"]
    assert attempt.facts.backbones == ("alexnet_grouped",)


@pytest.mark.parametrize("name", ["agarwal2019-attention-alexnet", "najid2018-resnet101-ensemble"])
def test_the_rates_of_a_profile_are_listed(name, tmp_path):
    attempt, _ = attempt_of(tmp_path / "run", name, profile="lite0")
    found = {d.what: (d.here, d.there) for d in attempt.differs}
    assert found["profile"] == ("lite0", "none")
    rates = [pair for what, pair in found.items() if what.startswith("rate")]
    times = {"agarwal2019": 10, "najid2018": 30}[name.split("-")[0]]
    assert len(rates) >= 2
    for here, there in rates:
        assert float(here) == pytest.approx(times * float(there))


def test_a_recipe_of_an_earlier_version_is_compared_as_far_as_it_goes(tmp_path):
    old = {
        "name": "najid2018-resnet101-fc",
        "model": {"backbone": "resnet101", "since": "renamed"},
        "steps": [{"name": "train", "rate": 1e-3, "epochs": 50}],
    }
    split = {"kind": "the test split", "train": 18400, "validation": 1150, "test": 3450}
    run = read_run(write_run(tmp_path / "run", old, images=23000, split=split))
    rows = reproduce([run], [load_papers()["najid2018"]], PACKAGED).rows
    (attempt,) = (attempt for row in rows for attempt in row.attempts)
    assert [str(d) for d in attempt.differs] == [
        "rate: 0.001; recipe: 0.0001",
        "since: renamed; recipe: none",
    ]


def test_a_bundle_is_given_no_folder_of_this_machine():
    recipe = load_recipe("najid2018-resnet101-fc", ["model.weights=/home/me/net.safetensors"])
    assert shareable(recipe)["model"]["weights"] == "net.safetensors"
    assert PACKAGED.completed(shareable(recipe)) is not None


@pytest.mark.parametrize("name", FOLLOWING)
def test_backbones_are_those_that_the_recipe_declares(name, tmp_path):
    recipe = load_recipe(name)
    run = read_run(write_run(tmp_path / "run", recipe.model_dump(mode="json")))
    networks = getattr(recipe.model, "networks", list)()
    assert facts_of(run).backbones == tuple(sorted({network.backbone for network in networks}))
