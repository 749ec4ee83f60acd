"""From steps of training to a bundle that predicts in the base install."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
import evoca  # noqa: E402
from evoca.cards import render_card  # noqa: E402
from evoca.data.manifest.labelled import load_labelled  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402
from evoca.lab.experiments.finetune import train_steps  # noqa: E402
from evoca.lab.export import export_bundle  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.training import RunOptions  # noqa: E402
from evoca.runtime.bundle import read_bundle  # noqa: E402
from tiny_system import draw_pictures  # noqa: E402

SMALL = (
    "model.backbone=squeezenet1_1",
    "model.weights=random",
    "preprocessing.height=48",
    "preprocessing.width=48",
    "steps.*.epochs=2",
    "steps.*.batch_size=16",
)


def build(recipe, labels, seed):
    return build_system(recipe, labels, seed=seed)


@pytest.mark.parametrize(
    ("name", "meant", "kind"),
    [
        ("sreenivas2018-vgg19", "VGG19", "additive"),
        ("najid2018-resnet101-ensemble", "ResNet-101", None),
    ],
)
def test_a_trained_run_becomes_a_bundle(name, meant, kind, tmp_path):
    for split, each, seed in (("train", 4, 0), ("val", 2, 1), ("test", 2, 2)):
        draw_pictures(tmp_path / "data", each, split, seed)
    data = load_labelled(tmp_path / "data")
    recipe, run = load_recipe(name, SMALL), tmp_path / "run"
    options = RunOptions(accelerator="cpu", workers=0)
    train_steps(recipe, build, data, run, options, data_name="drawn colours")

    card = export_bundle(run, tmp_path / "bundle").card
    assert card.evidence_kind == kind
    assert card.provenance.paper == name.split("-")[0]
    assert (card.deletion_test is None) == (kind is None)
    if card.deletion_test is not None:
        assert card.deletion_test.images == 16
        assert 0 < card.deletion_test.random < 8
        assert "Deletion test on 16 held-out images" in render_card(card)
    assert card.provenance.backbones == (
        f"squeezenet1_1 (no pretrained weights), a stand-in for {meant}",
    )
    assert "32 images to train, 16 to choose, 16 to test" in card.provenance.protocol
    chosen = json.loads((run / "run.json").read_text())["chosen"]
    assert (card.temperature, card.set_threshold) == (
        chosen["temperature"],
        chosen["set_threshold"],
    )
    test = data.in_split("test")
    answers = evoca.load(read_bundle(tmp_path / "bundle").path).predict(list(test.paths))
    found = np.array([list(answer.probabilities.values()) for answer in answers])
    rows = (run / "predictions.csv").read_text().splitlines()
    header = rows[0].split(",")
    first = header.index("p_amusement")
    measured = np.array([row.split(",")[first : first + 8] for row in rows[1:]], dtype=float)
    np.testing.assert_allclose(found, measured, atol=1e-3)

    (run / "checkpoints" / "last" / "weights.safetensors").unlink()
    with pytest.raises(evoca.EvocaError, match=r"weights\.safetensors"):
        export_bundle(run, tmp_path / "other")
    assert not (tmp_path / "other").exists()
