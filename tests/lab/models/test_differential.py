"""Two networks trained apart, their vectors joined, machines after steps, and the sweep."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("pytorch_lightning", reason="needs the extra train")
from sklearn.svm import SVC  # noqa: E402
from torch import nn  # noqa: E402

import evoca  # noqa: E402
from evoca.cli import app  # noqa: E402
from evoca.data.manifest.labelled import load_labelled  # noqa: E402
from evoca.emotions import MIKELS8  # noqa: E402
from evoca.lab.config.recipe import RecipeError, load_recipe  # noqa: E402
from evoca.lab.experiments.finetune import train_steps  # noqa: E402
from evoca.lab.experiments.finetune_cv import crossval_steps  # noqa: E402
from evoca.lab.experiments.fold_vectors import (  # noqa: E402
    HELD_OUT,
    TRAIN,
    VALIDATION,
    FoldVectors,
    read_vectors,
    write_vectors,
)
from evoca.lab.experiments.run_files import read_head  # noqa: E402
from evoca.lab.experiments.sweep import Cell, Grid, sweep  # noqa: E402
from evoca.lab.export import export_bundle  # noqa: E402
from evoca.lab.heads.svm import SvmFitter  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.training import RunOptions  # noqa: E402
from evoca.lab.training.freezing import freeze, trainable_parameters  # noqa: E402
from tiny_system import draw_pictures  # noqa: E402

SQUEEZE = "{backbone: squeezenet1_1, weights: random}"
TINY = (
    "preprocessing.height=64",
    "preprocessing.width=64",
    "model.backbone=efficientnet_lite0",
    "model.weights=random",
    f"model.second={SQUEEZE}",
    f"model.supplement={SQUEEZE}",
)
QUICK = (
    *TINY,
    "model.backbone=squeezenet1_1",
    "steps.*.epochs=1",
    "steps.*.batch_size=8",
    "protocol.validation=0.34",
)
QUIET = RunOptions(accelerator="cpu", workers=0, tensorboard=False, cache=None)
PIXELS = torch.randint(
    0, 256, (3, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


def built(name, *settings):
    recipe = load_recipe(name, [*TINY, *settings])
    return recipe, build_system(recipe, MIKELS8, seed=0)


def build(recipe, labels, seed):
    return build_system(recipe, labels, seed=seed)


@pytest.mark.parametrize(
    ("settings", "factors"),
    [
        (("model.alpha=0.75",), (0.75, 0.25, 1)),
        (("model.alpha=null", "model.beta=0.25"), (0.75, 0.75, 0.25)),
        (("model.alpha=0.5", "model.beta=3", "model.form=amplify"), (0.5, 0.5, 3)),
        (("model.alpha=null",), (1, 1, 1)),
    ],
)
def test_the_vector_is_what_the_paper_joins(settings, factors):
    _, system = built("rapolu2023-differential", *settings)
    with torch.inference_mode():
        one, other, named = system.eval().networks()(PIXELS)
        vector = system(PIXELS).embedding
    torch.testing.assert_close(named.sum(dim=1), torch.ones(3))
    assert named.shape[1] == 1000
    scaled = [factor * part for factor, part in zip(factors, (one, other, named), strict=True)]
    torch.testing.assert_close(vector, torch.cat(scaled, dim=1))


def test_who_is_trained_answers_and_the_others_are_not_reached():
    recipe, system = built("rapolu2023-differential")
    heads = (system.first_head, system.second_head, system.head)
    for step, head in zip(recipe.steps, heads, strict=True):
        trained = trainable_parameters(system, step)
        freeze(system, trained)
        system.zero_grad(set_to_none=True)
        logits = system(PIXELS).logits
        nn.functional.cross_entropy(logits, torch.zeros(3).long()).backward()
        reached = {n for n, p in system.named_parameters() if p.grad is not None}
        assert reached == trained
        with torch.inference_mode():
            value = PIXELS
            for module in system.eval().chain():
                value = module(value)
            torch.testing.assert_close(value.logits, system(PIXELS).logits)
            head.layers[0].bias.add_(1)  # of this layer alone
            torch.testing.assert_close(system(PIXELS).logits, value.logits + 1)
    freeze(system, set())
    assert system(PIXELS).embedding is not None


def test_the_network_that_names_objects_stays_as_it_is_whatever_is_trained():
    recipe, system = built("rapolu2023-differential", "steps.layer.trainable=[all]")
    trained = trainable_parameters(system, recipe.steps[-1])
    every = {name for name, _ in system.named_parameters()}
    assert every - trained == {name for name in every if name.startswith("objects.")}
    freeze(system, trained)
    assert not system.objects.training


def test_evidence_adds_up_where_the_maps_differ_in_size():
    _, system = built("rapolu2023-differential", "preprocessing.height=96")
    pixels = torch.randint(0, 256, (2, 96, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        output = system.eval()(pixels)
        sides = [m.shape[2:] for m in system.networks().maps(pixels)]
    assert sides[0] != sides[1]
    total = output.evidence.mean(dim=(2, 3)) + system.evidence_bias
    torch.testing.assert_close(total, output.logits, atol=1e-4, rtol=1e-4)


def test_without_a_third_network_there_are_two_vectors():
    _, system = built("rapolu2023-differential", "model.supplement=null")
    with torch.inference_mode():
        assert len(system.eval().networks()(PIXELS)) == 2
        output = system(PIXELS)
    total = output.evidence.mean(dim=(2, 3)) + system.evidence_bias
    torch.testing.assert_close(total, output.logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.second.backbone=resnet1O1", "unknown backbone resnet1O1"),
        ("model.second.weights=nothing", "neither recorded"),
        ("model={supplement: null, beta: 0.5}", "name a supplement"),
        ("model.beta=2", "form amplify takes more"),
        ("model.alpha=1.5", "alpha"),
        ("head={c_grid: [1]}", "a head after them is svm"),
        ("steps.2.trainable=[second_head]", "step layer: the last step of a differential"),
    ],
)
def test_what_cannot_be_joined_is_one_line(setting, message):
    if setting.startswith("model={"):
        settings = ["model.beta=0.5", "model.supplement=null"]
    else:
        settings = [setting]
    with pytest.raises(RecipeError) as caught:
        load_recipe("rapolu2023-differential", settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "all"
    draw_pictures(folder, each=6)
    return load_labelled(folder)


@pytest.mark.parametrize("name", ["rapolu2023-differential-svm", "rapolu2023-supplementary-svm"])
def test_a_machine_after_steps_learns_and_becomes_a_bundle(name, drawn, tmp_path):
    recipe = load_recipe(name, [*QUICK, "head.c_grid=[1.5]"])
    train_steps(recipe, build, drawn, tmp_path / "run", QUIET)
    machine = read_head(tmp_path / "run" / "checkpoints" / "last")
    assert machine.c == 1.5
    for file in ("run.json", "metrics.json"):
        assert json.loads((tmp_path / "run" / file).read_text())["chosen"]["c"] == 1.5
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")
    assert bundle.card.c == 1.5
    assert "C of the fitted head: 1.5" in (tmp_path / "bundle" / "README.md").read_text()
    assert bundle.card.evidence_kind is None
    assert len(bundle.card.provenance.backbones) == 3
    model = evoca.load(bundle.path)
    answers = model.predict(list(drawn.paths))
    vectors = np.stack([answer.embedding for answer in answers])
    found = [MIKELS8.index(answer.emotion) for answer in answers]
    np.testing.assert_array_equal(found, machine.logits(vectors).argmax(axis=1))
    assert (found == drawn.truth).mean() > 0.95


def test_a_machine_on_features_as_they_are_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth = np.arange(80) % 4
    features = (rng.normal(size=(80, 5)) + truth[:, None] * [3, 1, 0, 0, 9]).astype(np.float32)
    (machine,) = SvmFitter((1.5,), 1.0, standardise=False).path(features, truth, (1.5,))
    theirs = SVC(C=1.5, break_ties=True).fit(features, truth)  # gamma: scale
    np.testing.assert_allclose(
        machine.logits(features), theirs.decision_function(features), atol=1e-5
    )


@pytest.fixture(scope="module")
def swept(drawn, tmp_path_factory):
    recipe = load_recipe("rapolu2023-differential", [*QUICK, "protocol.folds=2"])
    run = tmp_path_factory.mktemp("swept") / "run"
    crossval_steps(recipe, build, drawn, run, QUIET)
    return run


def test_cross_validation_keeps_vectors_that_leak_nothing(drawn, swept):
    folds = read_vectors(swept)
    assert [repeat for repeat, _ in folds] == [0, 0]
    for _, fold in folds:
        assert [part.shape for part in fold.vectors] == [(48, 512), (48, 512), (48, 1000)]
        assert set(fold.part) == {TRAIN, VALIDATION, HELD_OUT}
        np.testing.assert_array_equal(fold.truth, drawn.truth)
    held_out = sum(fold.held_out.astype(int) for _, fold in folds)
    assert set(held_out) == {1}
    result = CliRunner().invoke(
        app, ["sweep", str(swept), "--alpha", "0,1", "--c", "1.5", "--format", "json"]
    )
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(cell["alpha"], cell["c"], cell["published"]) for cell in found["cells"]] == [
        (0, None, 0.6485),
        (0, 1.5, None),
        (1, None, 0.6628),
        (1, 1.5, None),
    ]
    assert found["cells"][0]["head"] == "logistic regression"
    with (swept / "sweep.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["accuracy"]) for row in rows] == [c["accuracy"] for c in found["cells"]]
    assert [row["published"] for row in rows] == ["0.6485", "", "0.6628", ""]


def test_figures_of_one_form_do_not_stand_beside_the_other(swept):
    command = ["sweep", str(swept), "--beta", "0,0.25", "--c", "none", "--format", "json"]
    for form, printed in (("convex", [0.6671, 0.6527]), ("amplify", [None, None])):
        result = CliRunner().invoke(app, [*command, "--form", form])
        assert result.exit_code == 0, result.output
        assert [cell["published"] for cell in json.loads(result.stdout)["cells"]] == printed


# What is swept, and the figures of tables 2 and 3 that must stand beside what was measured.
PRINTED = [
    ((), ["64.85", "65.76", "66.62", "66.80", "66.28", "67.75"]),
    (("--beta", "0,0.25,0.5,0.75"), ["66.71", "65.27", "66.65", "65.76", "67.41"]),
]


@pytest.mark.parametrize(("options", "printed"), PRINTED)
def test_a_sweep_shows_what_the_paper_has_and_what_its_layer_is(
    swept, options, printed, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["sweep", str(swept), *options, "--c", "1.5"])
    assert result.exit_code == 0, result.output
    for figure in printed:
        assert figure in result.stdout
    told = " ".join(result.stdout.split())
    assert "a logistic regression whose penalty the validation images choose, not the layer" in told
    assert "rapolu2023 prints" in told


def test_a_sweep_of_another_system_has_no_column_of_the_paper(tmp_path):
    result = CliRunner().invoke(app, ["sweep", str(planted(tmp_path)), "--c", "none"])
    assert result.exit_code == 0, result.output
    assert "paper" not in result.stdout


def test_each_fold_keeps_the_c_it_chose_and_rows_are_labelled_by_it(drawn, tmp_path, monkeypatch):
    settings = [*QUICK, "protocol.folds=2", "head.c_grid=[2.5]"]
    recipe = load_recipe("rapolu2023-differential-svm", settings)
    run = tmp_path / "runs" / "one"
    crossval_steps(recipe, build, drawn, run, QUIET)
    for file in ("run.json", "metrics.json"):
        folds = json.loads((run / file).read_text())["chosen_in_folds"]
        assert [(one["repeat"], one["fold"], one["c"]) for one in folds] == [
            (0, 0, 2.5),
            (0, 1, 2.5),
        ]
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["reproduce", str(tmp_path / "runs"), "--paper", "rapolu2023"])
    assert result.exit_code == 0, result.output
    (row,) = [line for line in result.stdout.splitlines() if "67.75%" in line]
    assert row.rstrip().endswith("at C 2.5")


def planted(folder, objects=True):
    """Vectors of which the first tells the label and the others tell nothing."""
    rng = np.random.default_rng(0)
    truth = np.tile(np.arange(8), 30)
    first = (np.eye(8)[truth] * 4 + rng.normal(size=(240, 8))).astype(np.float32)
    noise = rng.normal(size=(240, 8)).astype(np.float32)
    vectors = (first, noise, *([np.abs(noise)] if objects else []))
    for number in range(3):
        part = np.full(240, TRAIN)
        part[np.arange(240) // 8 % 3 == number] = HELD_OUT
        part[(np.arange(240) // 8 % 3 == (number + 1) % 3) & (np.arange(240) % 2 == 0)] = VALIDATION
        fold = FoldVectors(vectors, truth, np.arange(240), part)
        write_vectors(folder / "vectors" / f"r0f{number}.npz", fold)
    return folder


def test_the_sweep_finds_the_vector_that_tells_and_lets_validation_choose(tmp_path):
    run = planted(tmp_path)
    found = sweep(run, Grid((0.0, 0.5, 1.0), (None,), "convex", (1.0, 10.0)))
    assert len(found.cells) == 9
    at = {(cell.alpha, cell.c): own.value for cell, own in found.cells.items()}
    assert at[1.0, None] > 0.85
    assert at[1.0, 1.0] > 0.85
    assert at[0.0, None] < 0.3
    assert at[0.0, 10.0] < 0.3
    assert found.chosen.value > 0.8
    assert len(found.choices) == 3
    assert all(cell.alpha != 0 for cell in found.choices)
    assert all(own.low <= own.value <= own.high for own in found.cells.values())
    beta = sweep(run, Grid((None,), (0.0, 1.0), "convex", ()))
    assert beta.cells[Cell(None, 0.0, None)].value > 0.8
    assert beta.cells[Cell(None, 1.0, None)].value < 0.3  # nothing of the emotional vectors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--alpha", "0,2"), "--alpha 2: numbers from 0 to 1"),
        (("--alpha", "a"), "--alpha a: numbers"),
        (("--beta", "1.5"), "--beta 1.5: numbers from 0 to 1"),
        (("--beta", "inf", "--form", "amplify"), "--beta inf: numbers from 0 to 100"),
        (("--c", "0,1"), "--c 0: a cost is above 0"),
        (("--c", "inf"), "--c inf: numbers from 0"),
        (("--beta", "0.5", "--c", "none"), "this run has none"),
        (("--form", "amplify"), "--form amplify: how beta is meant; give --beta too"),
        (("--alpha", ""), "--alpha : numbers from 0 to 1"),
        (("--beta", ""), "--beta : numbers from 0 to 1"),
        (("--out", ""), "--out .: a folder: name a file"),
        (("--out", "no-such-folder/sweep.csv"), "there is no such folder to write into"),
        (("--out", "/dev/null"), "--out /dev/null: not a regular file"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_line(options, message, tmp_path):
    result = CliRunner().invoke(app, ["sweep", str(planted(tmp_path, objects=False)), *options])
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.splitlines()[-1].startswith("evoca: ")


def test_a_run_without_vectors_or_with_damaged_ones_is_one_line(tmp_path):
    result = CliRunner().invoke(app, ["sweep", str(tmp_path)])
    assert (result.exit_code, "no vectors to sweep" in result.stderr) == (1, True)
    mixed = planted(tmp_path / "mixed")
    _, fold = read_vectors(mixed)[1]
    other = FoldVectors(fold.vectors, fold.truth[::-1], fold.groups, fold.part)
    write_vectors(mixed / "vectors" / "r0f1.npz", other)
    result = CliRunner().invoke(app, ["sweep", str(mixed)])
    assert (result.exit_code, "of different images" in result.stderr) == (1, True)
    file = planted(tmp_path) / "vectors" / "r0f1.npz"
    aside = file.rename(tmp_path / "aside.npz")
    result = CliRunner().invoke(app, ["sweep", str(tmp_path)])
    assert (result.exit_code, "not every fold has its vectors" in result.stderr) == (1, True)
    aside.rename(file)
    file.write_bytes(file.read_bytes()[:300])
    result = CliRunner().invoke(app, ["sweep", str(tmp_path)])
    assert (result.exit_code, "r0f1.npz: damaged" in result.stderr) == (1, True)


def test_a_search_does_not_score_a_machine_by_the_steps_before_it(drawn, tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text("settings: {model.alpha: {low: 0, high: 1}}\n")
    command = ["search", "rapolu2023-differential-svm", "--data", str(drawn.paths[0].parents[2])]
    options = ["--space", str(space), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 1
    assert "search scores its steps, not the machine" in result.stderr
    assert not (tmp_path / "out").exists()


THREE = (*TINY, f"model.more=[{SQUEEZE}]")
SCENES = "{backbone: resnet50_places365, weights: random}"


def test_three_networks_are_joined_by_their_shares():
    recipe = load_recipe("rapolu2023-differential-three", [*THREE, "model.shares=[0.5, 0.3, 0.2]"])
    system = build_system(recipe, MIKELS8, seed=0).eval()
    with torch.inference_mode():
        vectors = system.networks()(PIXELS)
        output = system(PIXELS)
    assert [len(part.T) for part in vectors] == [1280, 512, 512, 1000]
    scaled = [f * part for f, part in zip((0.5, 0.3, 0.2, 1), vectors, strict=True)]
    torch.testing.assert_close(output.embedding, torch.cat(scaled, dim=1))
    total = output.evidence.mean(dim=(2, 3)) + system.evidence_bias
    torch.testing.assert_close(total, output.logits, atol=1e-4, rtol=1e-4)
    # Each is trained as if it stood alone: nothing else is reached.
    for step, which in zip(recipe.steps, ("trunk", "second", "more.0"), strict=False):
        trained = trainable_parameters(system, step)
        freeze(system, trained)
        system.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(system(PIXELS).logits, torch.zeros(3).long()).backward()
        assert {n for n, p in system.named_parameters() if p.grad is not None} == trained
        assert any(name.startswith(f"{which}.") for name in trained)


def test_the_scenes_stand_beside_the_objects():
    recipe = load_recipe(
        "rapolu2023-differential-background",
        [*TINY, f"model.background={SCENES}", "model.gamma=2", "model.alpha=0.75"],
    )
    system = build_system(recipe, MIKELS8, seed=0).eval()
    with torch.inference_mode():
        *_, objects, scenes = vectors = system.networks()(PIXELS)
        output = system(PIXELS)
    assert (objects.shape[1], scenes.shape[1]) == (1000, 365)
    torch.testing.assert_close(scenes.sum(dim=1), torch.ones(3))
    scaled = [f * part for f, part in zip((0.75, 0.25, 1, 2), vectors, strict=True)]
    torch.testing.assert_close(output.embedding, torch.cat(scaled, dim=1))
    total = output.evidence.mean(dim=(2, 3)) + system.evidence_bias
    torch.testing.assert_close(total, output.logits, atol=1e-4, rtol=1e-4)
    every = {name for name, _ in system.named_parameters()}
    trained = trainable_parameters(system, load_recipe("yang2017-resnet").steps[0])  # all
    assert every - trained == {n for n in every if n.startswith(("objects.", "scenes."))}


def test_the_weights_of_scenes_are_read_from_a_file(tmp_path):
    from safetensors.torch import save_file

    from evoca.lab.backbones.weights import build_network
    from evoca.lab.config.backbone import find_backbone

    record, file = find_backbone("resnet50_places365"), tmp_path / "places.safetensors"
    network = build_network(record, "random", whole=True)
    save_file(network.state_dict(), file)
    settings = [*TINY, f"model.background.weights={file}"]
    recipe = load_recipe("rapolu2023-differential-background", settings)
    system = build_system(recipe, MIKELS8, seed=0)
    torch.testing.assert_close(system.scenes.network.fc.weight, network.fc.weight)
    with pytest.raises(evoca.EvocaError, match="resnet50_places365 are on no hub"):
        build_system(load_recipe("rapolu2023-differential-background", TINY), MIKELS8, seed=0)


@pytest.mark.parametrize(
    ("name", "setting", "vectors"),
    [
        ("rapolu2023-differential-three", f"model.more=[{SQUEEZE}]", (512, 512, 512, 1000)),
        (
            "rapolu2023-differential-background",
            "model.background={backbone: squeezenet1_1, weights: random}",
            (512, 512, 1000, 1000),
        ),
    ],
)
def test_more_networks_are_trained_exported_and_swept(name, setting, vectors, drawn, tmp_path):
    recipe = load_recipe(name, [*QUICK, setting, "protocol.folds=2"])
    train_steps(recipe, build, drawn, tmp_path / "run", QUIET)
    # The export itself refuses a bundle whose outputs are not PyTorch's.
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")
    assert bundle.card.evidence_kind == "additive"
    assert len(bundle.card.provenance.backbones) == 4
    (answer,) = evoca.load(bundle.path).predict([drawn.paths[0]])
    assert answer.embedding.shape == (sum(vectors),)
    crossval_steps(recipe, build, drawn, tmp_path / "cv", QUIET)
    (_, fold), *_ = read_vectors(tmp_path / "cv")
    assert tuple(part.shape[1] for part in fold.vectors) == vectors
    command = ["sweep", str(tmp_path / "cv"), "--c", "none", "--beta", "0.5", "--format", "json"]
    result = CliRunner().invoke(app, [*command, "--alpha", "none"])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(app, [*command, "--alpha", "0.5"])
    assert (result.exit_code == 0) == (name == "rapolu2023-differential-background")
    if result.exit_code:
        assert "--alpha is the share of the first of two networks" in result.stderr


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.alpha=0.5", "alpha is the share of the first of two; for 3, give shares"),
        ("model.shares=[0.5, 0.5]", "shares: 3 numbers, one per network, of sum 1"),
        ("model.shares=[0.5, 0.5, 0.5]", "shares: 3 numbers, one per network, of sum 1"),
        ("model.gamma=2", "name a background"),
    ],
)
def test_what_does_not_fit_three_networks_is_one_line(setting, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe("rapolu2023-differential-three", [setting])
