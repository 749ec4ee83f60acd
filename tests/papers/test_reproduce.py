"""Runs beside papers: what is compared, and what is said to differ."""

import json

import pytest

from evoca.commands.reproduce import reproduce as command
from evoca.documents import to_markdown
from evoca.errors import EvocaError
from evoca.lab.config.recipe import load_recipe, recipe_names
from evoca.papers import load_paper, load_papers, published_system
from evoca.papers.comparison_tables import comparison_document, glance
from evoca.papers.reproduce import reproduce
from evoca.runs import read_run
from evoca.runs.evaluated_on import EvaluatedOn
from run_samples import write_run

NAJID = "najid2018-resnet101-fc"
FULL = {
    "name": NAJID,
    "model": {"backbone": "resnet101.tv_in1k"},
    "steps": [{"epochs": 20}, {"epochs": 30}],
}
TESTED = {"kind": EvaluatedOn.TEST}
STAND_IN = {
    "name": NAJID,
    "model": {"backbone": "efficientnet_lite0"},
    "steps": [{"epochs": 3}],
}


def row_of(name, *runs):
    paper = next(p for p in load_papers().values() for s in p.systems if s.name == name)
    rows = reproduce([read_run(run) for run in runs], [paper]).rows
    return next(row for row in rows if row.system.name == name)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (NAJID, "not run yet"),
        ("he2018-binary-assisted", "published only"),
        ("agarwal2019-alexnet", "not run yet"),
    ],
)
def test_systems_without_a_run_say_so(name, status):
    assert row_of(name).status == status


def test_the_figures_of_a_run_stand_beside_the_published_ones(tmp_path):
    run = write_run(tmp_path / "one", STAND_IN)
    (attempt,) = row_of(NAJID, run).attempts
    pairs = {pair.target.name: pair for pair in attempt.pairs}
    report = read_run(run).report
    assert set(pairs) == {
        *("accuracy", "average recall", "minutes per epoch"),
        *("recall of anger", "recall of fear"),
    }
    assert pairs["accuracy"].target.value == 0.6273
    assert pairs["accuracy"].measured == report["accuracy"]
    assert pairs["average recall"].measured == report["balanced_accuracy"]
    assert pairs["recall of fear"].measured == report.per_emotion["fear"].recall
    assert pairs["minutes per epoch"].measured is None


def test_minutes_come_from_the_history(tmp_path):
    run = write_run(tmp_path / "one", STAND_IN)
    (run / "history.csv").write_text("epoch,minutes\n1,0.5\n2,1.5\n")
    (attempt,) = row_of(NAJID, run).attempts
    (pair,) = (pair for pair in attempt.pairs if pair.target.metric == "minutes_per_epoch")
    assert pair.measured.value == 1.0
    assert pair.inside is None
    assert "| minutes per epoch | 4.86 | unlike | 1.00 |" in markdown(NAJID, run)


def test_a_stand_in_on_a_sample_is_told_apart_in_every_respect(tmp_path):
    run = write_run(tmp_path / "one", STAND_IN)
    (attempt,) = row_of(NAJID, run).attempts
    assert not attempt.like_with_like
    assert {d.what: (d.here, d.there) for d in attempt.differs} == {
        "data": (
            "600 images (a sample of FI), fingerprint abababababab",
            '23,000 images, FI (You et al. 2016), "23,000" images',
        ),
        "protocol": (
            "2 x 5-fold cross-validation",
            "one split, train 80%, validation 5%, test 15%",
        ),
        "backbone": ("efficientnet_lite0", "resnet101"),
        "epochs": ("3", "50"),
    }


@pytest.mark.parametrize("images", [3400, 3450, 3496])  # 15% of about 23,000
def test_a_faithful_run_is_like_with_like(tmp_path, images):
    run = write_run(tmp_path / "one", FULL, images=images, split=TESTED)
    (attempt,) = row_of(NAJID, run).attempts
    assert attempt.differs == ()
    low, high = read_run(run).report["accuracy"].ci95
    expected = "inside" if low <= 0.6273 <= high else "outside"
    assert f"| accuracy | 62.73% | {expected} |" in markdown(NAJID, run)


def test_the_input_size_is_compared_where_the_paper_gives_one(tmp_path):
    name = "jacobson2019-resnet32"
    recipe = {"name": name, "preprocessing": {"width": 64, "height": 32}}
    (attempt,) = row_of(name, write_run(tmp_path / "one", recipe)).attempts
    assert "input size: 64 x 32; paper: 32 x 32" in map(str, attempt.differs)


@pytest.mark.parametrize(
    ("head", "published"),
    [({"alpha": 0.75}, [0.6680]), ({}, [0.6485, 0.6576, 0.6662, 0.6680, 0.6628])],
)
def test_a_swept_setting_picks_its_figure(tmp_path, head, published):
    name = "rapolu2023-differential"
    (attempt,) = row_of(name, write_run(tmp_path / "one", {"name": name, "head": head})).attempts
    assert [pair.target.value for pair in attempt.pairs] == published


@pytest.mark.parametrize("images", [600, 23000])
def test_a_test_part_of_another_size_is_other_data(tmp_path, images):
    run = write_run(tmp_path / "one", FULL, images=images, split=TESTED)
    (attempt,) = row_of(NAJID, run).attempts
    assert [(d.what, d.there[:13]) for d in attempt.differs] == [("data", "3,450 images,")]


def test_an_evaluated_bundle_counts_for_its_recipe(tmp_path):
    model = {"model": "evoca-x-0.1.0", "system": {"name": "evoca-x-0.1.0", "recipe": NAJID}}
    split = {"kind": "held-out images", "name": "test"}
    run = write_run(tmp_path / "one", None, images=3450, split=split, **model)
    (attempt,) = row_of(NAJID, run).attempts
    assert [d.what for d in attempt.differs] == ["recipe"]


def test_a_run_without_its_recipe_says_so(tmp_path):
    run = write_run(tmp_path / "one", None, model=NAJID)
    (attempt,) = row_of(NAJID, run).attempts
    assert "recipe: not recorded in the run" in " ".join(map(str, attempt.differs))


@pytest.mark.parametrize("kind", ["test", "held-out images", "the test split"])
def test_a_test_part_is_known_by_the_words_of_every_version(tmp_path, kind):
    run = write_run(tmp_path / "one", FULL, images=3450, split={"kind": kind})
    (attempt,) = row_of(NAJID, run).attempts
    assert attempt.like_with_like


@pytest.mark.parametrize(
    ("split", "more", "said"),
    [
        ({"kind": EvaluatedOn.VALIDATION, "train": 3, "validation": 1, "test": 0}, {}, "chose"),
        ({"kind": EvaluatedOn.VAL}, {}, "the split val"),
        ({"kind": EvaluatedOn.TRAIN}, {}, "the split train"),
        ({"kind": EvaluatedOn.ALL}, {}, "all images"),
        ({"kind": EvaluatedOn.ALL}, {"training_images": 7}, "all images"),
        ({"kind": "something of a later version"}, {}, "something of a later"),
        ({}, {}, "not recorded"),
    ],
)
def test_what_is_no_test_part_is_not_taken_for_one(tmp_path, split, more, said):
    run = write_run(tmp_path / "one", FULL, images=3450, split=split or {"x": 1}, **more)
    (attempt,) = row_of(NAJID, run).attempts
    (protocol,) = (d.here for d in attempt.differs if d.what == "protocol")
    assert said in protocol


def test_all_images_of_data_that_nothing_was_learnt_from_are_a_test(tmp_path):
    split = {"kind": EvaluatedOn.ALL}
    run = write_run(tmp_path / "one", FULL, images=3450, split=split, training_images=0)
    assert row_of(NAJID, run).attempts[0].like_with_like


def test_a_rate_is_no_backbone(tmp_path):
    recipe = {**FULL, "steps": [{"epochs": 50, "rates": {"backbone": 1e-4}}]}
    run = write_run(tmp_path / "one", recipe, images=3450, split=TESTED)
    (attempt,) = row_of(NAJID, run).attempts
    assert attempt.facts.backbones == ("resnet101.tv_in1k",)
    assert attempt.like_with_like


def test_runs_that_do_not_say_what_their_minutes_count_are_noted(tmp_path):
    run = write_run(tmp_path / "one", FULL)
    (run / "history.csv").write_text("epoch,minutes\n1,0.5\n")
    (attempt,) = row_of(NAJID, run).attempts
    (note,) = attempt.notes
    assert "is not recorded" in note
    assert note in markdown(NAJID, run)


def test_training_accuracy_is_never_compared():
    targets = row_of("jacobson2019-caption-embedding").targets
    assert [(t.value, t.part) for t in targets] == [(0.18, "test"), (0.20, "val")]


@pytest.mark.parametrize("name", ["rapolu2023-resnet101", "rapolu2023-densenet201"])
def test_a_network_with_two_readings_is_held_against_both(tmp_path, name):
    run = write_run(tmp_path / "one", name)
    (attempt,) = row_of(name, run).attempts
    found = {pair.target.name: pair.target.value for pair in attempt.pairs}
    assert set(found) == {"accuracy (first reading)", "accuracy (second reading)"}
    assert set(found.values()) == {0.6414, 0.6506}
    assert all(pair.measured is not None for pair in attempt.pairs)
    rows = to_markdown(glance([read_run(run)], load_papers().values()))
    assert "65.1, 64.1" in rows


# Recipe to the dev figures of its own row, or rows.
SEARCH = {
    "sreenivas2018-search": [0.556, 0.548],
    "sreenivas2018-search-fc-8-8": [0.277],
    "sreenivas2018-search-fc-16-8": [0.230],
    "sreenivas2018-search-rate-1e-4": [0.235],
    "sreenivas2018-search-rate-1e-6": [0.549],
    "sreenivas2018-search-dropout-40": [0.579],
    "sreenivas2018-search-dropout-60": [0.591],
}


@pytest.mark.parametrize("recipe", SEARCH)
def test_a_row_of_the_search_is_held_against_its_own_figure(tmp_path, recipe):
    content = {"name": recipe, "published": "sreenivas2018-search"}
    run = write_run(tmp_path / "one", content)
    (attempt,) = row_of("sreenivas2018-search", run).attempts
    assert [pair.target.value for pair in attempt.pairs] == SEARCH[recipe]
    assert {pair.target.part for pair in attempt.pairs} == {"val"}
    # An older run kept no figures of its validation images; those of others do not stand in.
    assert [pair.measured for pair in attempt.pairs] == [None] * len(attempt.pairs)
    assert "(validation)" in to_markdown(glance([read_run(run)], load_papers().values()))


def test_a_variant_of_ones_own_is_shown_every_row_of_the_search(tmp_path):
    content = {"name": "mine", "published": "sreenivas2018-search"}
    (attempt,) = row_of("sreenivas2018-search", write_run(tmp_path / "one", content)).attempts
    assert len(attempt.pairs) == 9


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_has_a_row_of_its_own_where_rows_name_recipes(recipe):
    loaded = load_recipe(recipe)
    system = published_system(loaded.published or "")
    named = {name for f in (system.figures if system else ()) for name in f.recipes}
    assert not named or recipe in named
    assert named <= set(recipe_names())


def markdown(name, *runs):
    rows = reproduce([read_run(run) for run in runs], [load_paper(name.split("-")[0])]).rows
    return to_markdown(comparison_document(rows))


def test_the_command_prints_every_system_and_leaves_damaged_runs_out(tmp_path, capsys):
    write_run(tmp_path / "runs" / "good", STAND_IN)
    write_run(tmp_path / "runs" / "own", "my-own")
    (tmp_path / "runs" / "bad").mkdir()
    (tmp_path / "runs" / "bad" / "run.json").write_text("{")
    status = command([tmp_path / "runs"], paper=None, output="json", emotions=False)
    out, err = capsys.readouterr()
    content = json.loads(out)
    assert status == 1
    assert "left out" in err
    assert "bad" in err
    assert [(r["run"], r["recipe"]) for r in content["other_runs"]] == [("own", "my-own")]
    systems = {row["system"]: row for row in content["systems"]}
    assert set(systems) == {s.name for p in load_papers().values() for s in p.systems}
    (run,) = systems[NAJID]["runs"]
    assert run["like_with_like"] is False
    assert run["fingerprint"] == "ab" * 32
    assert run["figures"][0]["published"] == 0.6273
    assert systems["sentibank"]["status"] == "published only"


@pytest.mark.parametrize("output", ["table", "markdown"])
def test_one_paper_is_shown_with_its_tables_and_notes(capsys, output):
    assert command([], paper="rapolu2023", output=output, emotions=False) == 0
    out = capsys.readouterr().out
    assert "65.06%" in out
    assert "the other way round" in out
    assert "Accuracy on other data" in out
    assert "najid2018" not in out


@pytest.mark.parametrize(
    ("places", "paper", "message"),
    [(["nowhere"], None, "nowhere: no such folder of runs"), ([], "x1", "x1: no such paper")],
)
def test_bad_requests_are_answered_in_one_line(tmp_path, places, paper, message):
    with pytest.raises(EvocaError, match=message):
        command([tmp_path / p for p in places], paper=paper, output="table", emotions=False)


def test_a_restricted_evaluation_is_told_apart(tmp_path):
    runs = [write_run(tmp_path / str(one), FULL, restricted=one) for one in (False, True)]
    free, restricted = row_of(NAJID, *runs).attempts
    assert "labels" not in {d.what for d in free.differs}
    (labels,) = (d for d in restricted.differs if d.what == "labels")
    assert str(labels) == (
        "labels: only those that have images (--restrict); paper: all of the model's"
    )
    assert (free.facts.to_dict()["restricted"], restricted.facts.restricted) == (False, True)


def test_validation_images_chose_for_a_figure_of_validation_images_too(tmp_path):
    chose = {"copies_of_validation_images": 80, "copies_of_training_images": 0}
    split = {"kind": EvaluatedOn.VALIDATION, "name": "val"}
    for name, known in (("sreenivas2018-search", False), (NAJID, True)):
        run = write_run(tmp_path / name, {**FULL, "name": name}, split=split, **chose)
        (attempt,) = row_of(name, run).attempts
        scores = [pair for pair in attempt.pairs if pair.target.is_score]
        assert {pair.learnt_from for pair in scores} == {known}
        seen = [d.here for d in attempt.differs if d.what == "training images"]
        said = f"of the {attempt.facts.images:,} evaluated images 80 are validation images"
        assert seen == [f"{said}, or copies of them"] * known
