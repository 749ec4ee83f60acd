"""SigLIP, DINOv2, DINOv3 and ViT with adapters, thin: stages, probes, sentences, bundles."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
open_clip = pytest.importorskip("open_clip", reason="needs the extra baselines")
pytest.importorskip("peft", reason="needs the extra baselines")
from safetensors.torch import save_file  # noqa: E402

import evoca  # noqa: E402
from evoca.data.manifest.labelled import load_labelled  # noqa: E402
from evoca.emotions import MIKELS8  # noqa: E402
from evoca.lab.backbones import load_probe  # noqa: E402
from evoca.lab.backbones.open_clip import create_clip  # noqa: E402
from evoca.lab.backbones.trunk import Pixels  # noqa: E402
from evoca.lab.config.backbone import find_backbone  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402
from evoca.lab.experiments.finetune import train_steps  # noqa: E402
from evoca.lab.experiments.probing import train  # noqa: E402
from evoca.lab.export import export_bundle  # noqa: E402
from evoca.lab.heads.zero_shot import zero_shot_head  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.training import RunOptions  # noqa: E402
from evoca.lab.training.freezing import trainable_parameters  # noqa: E402
from evoca.softmax import softmax  # noqa: E402
from tiny_system import draw_pictures  # noqa: E402
from tiny_transformers import (  # noqa: E402
    SIDE,
    network_and_trunk,
    thin_record,
    thin_siglip,
    through_stages,
)

PIXELS = torch.randint(
    0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
SMALL = (f"preprocessing.height={SIDE}", f"preprocessing.width={SIDE}", "model.weights=random")
PROTOCOL = ("protocol.folds=2", "protocol.inner_folds=2", "protocol.repeats=1")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Recipe to the thin network in its backbone's place."""
    folder = tmp_path_factory.mktemp("records")
    siglip = thin_siglip(folder)
    return {
        "dinov2-probe": thin_record(folder, "dinov2_vit_s14", "evoca_tiny_dinov2"),
        "dinov3-probe": thin_record(folder, "dinov3_vit_s16", "evoca_tiny_dinov3"),
        "siglip-probe": siglip,
        "siglip-zero-shot": siglip,
        "lora-vit": thin_record(folder, "vit_tiny_patch16_224", "evoca_tiny_vit"),
    }


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    draw_pictures(folder, 5)
    draw_pictures(folder, 2, "val", seed=1)
    return load_labelled(folder)


def share_right(bundle, images):
    answers = evoca.load(bundle.path).predict(list(images.paths))
    return np.mean([MIKELS8.index(answer.emotion) for answer in answers] == images.truth)


@pytest.mark.parametrize("name", ["dinov2-probe", "dinov3-probe", "lora-vit"])
def test_what_timm_computes_is_what_the_stages_compute(name, records):
    record = find_backbone(records[name])
    network, trunk = network_and_trunk(record, SIDE)
    with torch.inference_mode():
        x = through_stages(trunk, PIXELS)
        torch.testing.assert_close(x, network.forward_features(Pixels(record)(PIXELS)))
    assert trunk.shapes(SIDE, SIDE)[-1] == (16, 4, 4)


@pytest.mark.parametrize("name", ["dinov2-probe", "dinov3-probe", "siglip-probe"])
def test_a_probe_learns_and_becomes_a_bundle(name, records, pictures, tmp_path):
    recipe = load_recipe(name, [*SMALL, *PROTOCOL, f"model.backbone={records[name]}"])
    assert not any(p.requires_grad for p in load_probe(recipe).parameters())
    measured = train(recipe, pictures, tmp_path / "run", cache=tmp_path / "cache")
    assert measured.features.shape == (len(pictures), 16)
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")  # PyTorch and ONNX agree
    assert share_right(bundle, pictures) > 0.95


def test_siglips_sentences_are_what_open_clip_answers(records, pictures, tmp_path):
    name = "siglip-zero-shot"
    record = find_backbone(records[name])
    model = create_clip(record, None)
    stored = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(stored, tmp_path / "both.safetensors")
    weights = f"model.weights={tmp_path / 'both.safetensors'}"
    settings = [*SMALL, *PROTOCOL, f"model.backbone={records[name]}", "model.prompts=plain"]
    recipe = load_recipe(name, [*settings, weights])
    with torch.inference_mode():
        vectors = load_probe(recipe)(PIXELS)[:, :, 0, 0]
        texts = open_clip.get_tokenizer("evoca-tiny-sigmoid")(
            [f"a photo of {emotion}." for emotion in MIKELS8]
        )
        theirs = model.get_logits(Pixels(record)(PIXELS), texts)[0]
    ours = zero_shot_head(recipe, MIKELS8).logits(vectors.numpy())
    # SigLIP adds one bias to all logits, which shares do not see.
    np.testing.assert_allclose(ours + float(model.logit_bias.detach()), theirs.numpy(), atol=1e-4)
    train(recipe, pictures, tmp_path / "run")
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")
    answers = evoca.load(bundle.path).predict(list(pictures.paths[:2]))
    shares = np.array([list(answer.probabilities.values()) for answer in answers])
    vectors = np.stack([answer.embedding for answer in answers])
    own = zero_shot_head(recipe, MIKELS8).logits(vectors)
    np.testing.assert_allclose(shares, softmax(own, bundle.card.temperature), atol=1e-3)


def test_adapters_learn_on_the_recipes_own_layers(records, pictures, tmp_path):
    recipe = load_recipe(
        "lora-vit",
        [
            *(*SMALL, f"model.backbone={records['lora-vit']}", "model.adapter_dropout=0"),
            *("steps.0.rate=0.02", "steps.0.batch_size=8"),
            *("steps.0.epochs=30", "steps.0.stop=null"),
        ],
    )
    system = build_system(recipe, MIKELS8, seed=0)
    adapted = {n.rpartition(".lora_")[0] for n in trainable_parameters(system, recipe.steps[0])}
    assert {name.rpartition(".")[2] for name in adapted if name} == {"qkv", "proj"}
    options = RunOptions(accelerator="cpu", workers=0)
    train_steps(
        recipe,
        lambda r, labels, seed: build_system(r, labels, seed=seed),
        pictures,
        tmp_path / "run",
        options,
    )
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")
    assert share_right(bundle, pictures.in_split("train")) > 0.95
