"""CLIP, SigLIP, DINO and adapters: built tiny, from the same code that loads the real ones."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image

torch = pytest.importorskip("torch", reason="needs the extra train")
open_clip = pytest.importorskip("open_clip", reason="needs the extra baselines")
pytest.importorskip("peft", reason="needs the extra baselines")
from safetensors.torch import save_file  # noqa: E402

import evoca  # noqa: E402
from evoca.data.manifest.labelled import load_labelled  # noqa: E402
from evoca.emotions import MIKELS8  # noqa: E402
from evoca.errors import EvocaError  # noqa: E402
from evoca.lab.backbones import build_trunk, load_probe  # noqa: E402
from evoca.lab.backbones.open_clip import OpenClip, create_clip  # noqa: E402
from evoca.lab.backbones.trunk import Pixels  # noqa: E402
from evoca.lab.backbones.weights import build_network  # noqa: E402
from evoca.lab.config.backbone import find_backbone  # noqa: E402
from evoca.lab.config.base import RecipeError  # noqa: E402
from evoca.lab.config.prompts import load_prompts  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402
from evoca.lab.experiments.finetune import train_steps  # noqa: E402
from evoca.lab.experiments.probing import train  # noqa: E402
from evoca.lab.export import export_bundle  # noqa: E402
from evoca.lab.heads.zero_shot import zero_shot_head  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.models.onnx_export import export_system, parity  # noqa: E402
from evoca.lab.training import RunOptions  # noqa: E402
from evoca.lab.training.freezing import freeze, trainable_parameters  # noqa: E402
from evoca.softmax import softmax  # noqa: E402
from tiny_system import draw_pictures  # noqa: E402
from tiny_transformers import network_and_trunk, through_stages  # noqa: E402

SIDE = 32
PIXELS = torch.randint(
    0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
SMALL = (f"preprocessing.height={SIDE}", f"preprocessing.width={SIDE}", "model.weights=random")
PROTOCOL = ("protocol.folds=2", "protocol.inner_folds=2", "protocol.repeats=1")


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    """The record of a CLIP of four thin blocks, which open_clip builds by its name."""
    folder = tmp_path_factory.mktemp("clip")
    vision = {"image_size": SIDE, "layers": 4, "width": 16, "head_width": 8, "patch_size": 8}
    config = {"embed_dim": 8, "vision_cfg": vision, "text_cfg": TEXT}
    (folder / "evoca-tiny.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "evoca-tiny.json")
    blocks = [f"transformer.resblocks.{n}" for n in range(4)]
    stages = {"stem": ["conv1"]} | {f"stage{n + 1}": [blocks[n]] for n in range(4)}
    stages["stage4"].append("ln_post")
    record = {"extends": "clip_vit_b16", "name": "tiny", "architecture": "evoca-tiny"}
    record |= {"size": SIDE, "stages": stages, "tops": [[block] for block in reversed(blocks)]}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(record))
    return str(folder / "tiny.yaml")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    draw_pictures(folder, 5)
    draw_pictures(folder, 2, "val", seed=1)
    return load_labelled(folder)


def test_what_open_clip_computes_is_what_the_stages_compute(tiny_clip):
    record = find_backbone(tiny_clip)
    tower, trunk = network_and_trunk(record, SIDE)
    with torch.inference_mode():
        x = through_stages(trunk, PIXELS)
        embedding = tower(Pixels(record)(PIXELS))
        torch.testing.assert_close(x[:, 0] @ tower.proj, embedding)
        small = build_trunk(record, size=(16, 24), weights="random")
        assert small.shapes(16, 24)[-1] == (16, 2, 3)


@pytest.mark.parametrize(("name", "size"), [("dinov2_vit_s14", 28), ("dinov3_vit_s16", 32)])
def test_what_timm_computes_is_what_the_stages_compute(name, size):
    record = find_backbone(name)
    network, trunk = network_and_trunk(record, size)
    network.set_input_size(img_size=(size, size))
    image = PIXELS[:, :size, :size]
    with torch.inference_mode():
        x = through_stages(trunk, image)
        torch.testing.assert_close(x, network.forward_features(Pixels(record)(image)))


def test_a_probe_of_a_vector_becomes_a_bundle(tiny_clip, pictures, tmp_path):
    recipe = load_recipe("clip-probe", [*SMALL, *PROTOCOL, f"model.backbone={tiny_clip}"])
    measured = train(recipe, pictures, tmp_path / "run", cache=tmp_path / "cache")
    assert measured.features.shape == (len(pictures), 16)
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")
    assert (bundle.card.evidence_kind, bundle.card.deletion_test) == (None, None)
    answers = evoca.load(bundle.path).predict(list(pictures.paths))
    found = [MIKELS8.index(answer.emotion) for answer in answers]
    assert (np.array(found) == pictures.truth).mean() > 0.95


def test_zero_shot_is_what_open_clip_answers(tiny_clip, pictures, tmp_path):
    settings = [*SMALL, *PROTOCOL, f"model.backbone={tiny_clip}", "model.prompts=plain"]
    record = find_backbone(tiny_clip)
    model = create_clip(record, None)
    stored = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(stored, tmp_path / "both.safetensors")
    settings.append(f"model.weights={tmp_path / 'both.safetensors'}")
    recipe = load_recipe("clip-zero-shot", settings)
    head = zero_shot_head(recipe, MIKELS8)
    with torch.inference_mode():
        vectors = load_probe(recipe)(PIXELS)[:, :, 0, 0]
        texts = open_clip.get_tokenizer("evoca-tiny")([f"a photo of {e}." for e in MIKELS8])
        theirs = model.get_logits(Pixels(record)(PIXELS), texts)[0]
    np.testing.assert_allclose(head.logits(vectors.numpy()), theirs.numpy(), atol=1e-4)

    train(recipe, pictures, tmp_path / "run")
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")
    assert bundle.card.provenance.backbones == ("evoca-tiny (MIT, both.safetensors)",)
    answer = evoca.load(bundle.path).predict(pictures.paths[0])
    pixels = np.asarray(
        Image.open(pictures.paths[0]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    )
    own = head.logits(load_probe(recipe)(torch.tensor(pixels[None]))[:, :, 0, 0].numpy())
    expected = softmax(own, bundle.card.temperature)[0]
    np.testing.assert_allclose(list(answer.probabilities.values()), expected, atol=1e-3)

    save_file(
        {k: v for k, v in stored.items() if k.startswith("visual.")}, tmp_path / "v.safetensors"
    )
    one = [*settings[:-1], f"model.weights={tmp_path / 'v.safetensors'}"]
    load_probe(load_recipe("clip-zero-shot", one))
    with pytest.raises(EvocaError, match="not both towers of evoca-tiny"):
        zero_shot_head(load_recipe("clip-zero-shot", one), MIKELS8)


def test_sentences_are_data(tmp_path):
    prompts = load_prompts("evoked")
    assert set(prompts.words) == {str(emotion) for emotion in MIKELS8}
    assert len(prompts.sentences("awe")) == 9
    assert prompts.sentences("joy")[0] == "a photo that evokes joy in its viewers."
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump({"extends": "plain", "words": {"awe": ["wonder"]}}))
    assert load_prompts(str(mine)).sentences("awe") == ["a photo of wonder."]
    mine.write_text(yaml.safe_dump({"summary": "x", "templates": ["a photo"]}))
    with pytest.raises(RecipeError, match="to fill"):
        load_prompts(str(mine))


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("clip-zero-shot", ("model.backbone=dinov2_vit_s14",), "learnt beside no texts"),
        ("siglip-probe", ("model.backbone=vit_tiny_patch16_224",), "learnt beside no texts"),
        ("clip-zero-shot", ("preprocessing.height=64",), "pictures of 224 x 224 pixels alone"),
        ("dinov2-probe", ("model.backbone=squeezenet1_1",), "no class token to pool"),
    ],
)
def test_what_does_not_fit_is_one_line(name, settings, message):
    with pytest.raises(EvocaError, match=message) as caught:
        load_probe(load_recipe(name, ["model.weights=random", *settings]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("clip-zero-shot", "head={kind: linear, c_grid: [1]}", "neither a head nor steps"),
        ("dinov2-probe", "model.stages=all", "pool token is of the last stage"),
        ("clip-zero-shot", "model.prompts=nosuch", "nosuch: no such prompts; known"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_one_line(name, setting, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(name, [setting])


def test_a_hub_that_does_not_know_the_weights_is_one_line(tiny_clip):
    record = find_backbone(tiny_clip)
    with pytest.raises(EvocaError, match=r"the weights openai of evoca-tiny cannot be fetched"):
        build_network(record, "recorded")
    with pytest.raises(EvocaError, match="the text tower of evoca-tiny cannot be fetched"):
        OpenClip().text_tower(record, "recorded")


def lora(*settings):
    return load_recipe("lora-vit", [*SMALL, *settings])


def test_only_adapters_and_head_are_trained_and_the_export_adds_them():
    recipe = lora()
    system = build_system(recipe, MIKELS8, seed=0)
    plain = build_system(lora("model.rank=1"), MIKELS8, seed=0).for_export()
    trained = trainable_parameters(system, recipe.steps[0])
    assert all(".lora_" in name or name.startswith("head.") for name in trained)
    assert sum(".lora_" in name for name in trained) == 2 * 2 * 12
    freeze(system, trained)
    system(PIXELS).logits.sum().backward()
    assert {n for n, p in system.named_parameters() if p.grad is not None} == trained
    system.eval()
    with torch.no_grad():
        for name, parameter in system.named_parameters():
            if ".lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.05)
        before = system(PIXELS).logits
        merged = system.for_export()
        torch.testing.assert_close(merged(PIXELS).logits, before, atol=1e-4, rtol=1e-4)
    assert set(merged.state_dict()) == set(plain.state_dict())


def test_adapters_learn_and_their_bundle_predicts_what_was_measured(tiny_clip, pictures, tmp_path):
    recipe = lora(
        f"model.backbone={tiny_clip}",
        "model.targets=[mlp.c_fc, mlp.c_proj]",
        "steps.0.rate=0.02",
        "steps.0.batch_size=8",
        "steps.0.epochs=30",
        "steps.0.stop=null",
        "model.adapter_dropout=0",
    )
    run = tmp_path / "run"
    options = RunOptions(accelerator="cpu", workers=0)
    outcome = train_steps(
        recipe, lambda r, labels, seed: build_system(r, labels, seed=seed), pictures, run, options
    )
    bundle = export_bundle(run, tmp_path / "bundle")
    known = pictures.in_split("train")
    answers = evoca.load(bundle.path).predict(list(known.paths))
    assert np.mean([MIKELS8.index(a.emotion) for a in answers] == known.truth) > 0.95
    held_out = evoca.load(bundle.path).predict(list(pictures.in_split("val").paths))
    found = np.array([list(answer.probabilities.values()) for answer in held_out])
    np.testing.assert_allclose(found, outcome.predictions.probabilities[0], atol=1e-3)


def test_layers_that_are_not_there_are_one_line():
    with pytest.raises(EvocaError, match=r"vit_tiny_patch16_224 has no such layers; its last is"):
        build_system(lora("model.targets=[attn.q]"), MIKELS8, seed=0)


def test_a_tower_exports_its_evidence_and_onnx_agrees(tiny_clip, tmp_path):
    steps = "steps=[{name: all, rate: 1e-3, epochs: 1}]"
    settings = (*SMALL, f"model.backbone={tiny_clip}", "model.pool=mean", steps)
    system = build_system(load_recipe("najid2018-resnet101-fc", settings), MIKELS8, seed=0)
    export_system(system, SIDE, SIDE, tmp_path / "model.onnx")
    differences = parity(system, tmp_path / "model.onnx", PIXELS)
    assert "evidence" in differences
    assert max(differences.values()) < 1e-3
