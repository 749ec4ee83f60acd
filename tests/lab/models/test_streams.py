"""AlexNets with attention: the papers' sizes and equations, hidden layers, the bundle's map."""

import json
from dataclasses import replace

import pytest
import yaml

torch = pytest.importorskip("torch", reason="needs the extra train")
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

import evoca  # noqa: E402
from evoca.data.manifest.labelled import load_labelled  # noqa: E402
from evoca.emotions import MIKELS8  # noqa: E402
from evoca.errors import EvocaError  # noqa: E402
from evoca.lab.backbones.architectures import build_architecture  # noqa: E402
from evoca.lab.config.backbone import find_backbone  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402
from evoca.lab.experiments.finetune import train_steps  # noqa: E402
from evoca.lab.experiments.operating_point import predict_logits  # noqa: E402
from evoca.lab.export import export_bundle  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.models.layers import ContextAttention, PlaceAttention  # noqa: E402
from evoca.lab.training import (  # noqa: E402
    RunOptions,
    fit,
)
from evoca.lab.training.freezing import freeze, trainable_parameters  # noqa: E402
from tiny_system import draw_pictures, drawn_task  # noqa: E402

ATTENDING, CONTROL = "agarwal2019-attention-alexnet", "agarwal2019-alexnet"
SUMMING = "agarwal2019-hierarchical"
TINY = ("preprocessing.height=70", "preprocessing.width=70", "model.weights=random")
NARROW = "model.hidden=[12, 12]"
PIXELS = torch.randint(
    0, 256, (3, 70, 70, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
SQUEEZENET = "model.backbone=squeezenet1_1_caffe"


def system_of(name, *settings):
    recipe = load_recipe(name, [*TINY, *settings])
    return recipe, build_system(recipe, MIKELS8, seed=0)


def alexnet(**options):
    torch.manual_seed(0)
    return build_architecture("grouped_alexnet", options)


def test_the_network_has_the_sizes_of_the_report():
    network = alexnet()
    shapes = {name: tuple(getattr(network, name).weight.shape) for name in ("conv1", "conv2")}
    assert shapes == {"conv1": (96, 3, 11, 11), "conv2": (256, 48, 5, 5)}
    shapes = {name: tuple(getattr(network, name).weight.shape) for name in ("conv3", "conv4")}
    assert shapes == {"conv3": (384, 256, 3, 3), "conv4": (384, 192, 3, 3)}
    assert tuple(network.conv5.weight.shape) == (256, 192, 3, 3)
    assert (network.fc6.in_features, network.fc7.in_features) == (9216, 4096)
    sides = []
    for layer in (network.pool1, network.pool2, network.pool5):
        layer.register_forward_hook(lambda *found: sides.append(tuple(found[2].shape[1:])))
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 227, 227)).shape == (1, 4096)
    assert sides == [(96, 27, 27), (256, 13, 13), (256, 6, 6)]


def test_response_normalisation_is_the_formula_of_section_3_3():
    network, a = alexnet(k=2.0, alpha=1e-4), 100 * torch.rand(1, 9, 2, 2)
    squares = nn.functional.pad(a.square(), (0, 0, 0, 0, 2, 2))
    total = sum(squares[:, shift : shift + 9] for shift in range(5))
    torch.testing.assert_close(network.norm1(a), a / (2 + 1e-4 * total) ** 0.75)


def test_attention_is_the_equation_of_section_2_2_1():
    torch.manual_seed(0)
    x, layer = torch.randn(2, 5, 2, 3), PlaceAttention(5, 6, rescale=False)
    nn.init.normal_(layer.bias)
    for image, found in zip(x, layer(x), strict=True):
        columns = image.reshape(5, 6)
        h = (layer.weight @ columns + layer.bias).softmax(dim=0)
        torch.testing.assert_close(found.reshape(5, 6), columns * h)
    rescaled = PlaceAttention(5, 6, rescale=True)
    rescaled.load_state_dict(layer.state_dict())
    torch.testing.assert_close(rescaled(x), 6 * layer(x))


def test_word_attention_sums_places():
    torch.manual_seed(0)
    x, layer = torch.randn(2, 5, 2, 3), ContextAttention(5)
    for image, found in zip(x, layer(x), strict=True):
        words = image.reshape(5, 6).T
        u = torch.tanh(words @ layer.layer.weight.T + layer.layer.bias)
        a = (u @ layer.context).softmax(dim=0)
        torch.testing.assert_close(found.flatten(), (a[:, None] * words).sum(dim=0))


def test_the_literal_form_shrinks_features_by_the_number_of_places():
    """Why there is a rescaled form: even attention over 36 places is a factor of 1/36."""
    layer = PlaceAttention(4, 36, rescale=False)
    nn.init.zeros_(layer.weight)
    maps = torch.rand(1, 4, 6, 6)
    torch.testing.assert_close(layer(maps), maps / 36)


@pytest.mark.parametrize("backbone", ["alexnet_grouped", "squeezenet1_1_caffe", "vit_tiny"])
@pytest.mark.parametrize("name", [ATTENDING, SUMMING, CONTROL])
def test_every_form_works_on_another_backbones_map(name, backbone):
    side = ("preprocessing.height=64", "preprocessing.width=64") if backbone == "vit_tiny" else ()
    full = "vit_tiny_patch16_224" if backbone == "vit_tiny" else backbone
    _, system = system_of(name, NARROW, f"model.backbone={full}", *side)
    pixels = PIXELS[:, :64, :64] if side else PIXELS
    system.eval()
    with torch.inference_mode():
        outputs, value = system(pixels), pixels
        for module in system.chain():
            value = module(value)
    torch.testing.assert_close(value.logits, outputs.logits)
    streams = 1 if name == CONTROL else 2
    assert outputs.embedding.shape == (3, 12 * streams)
    if name == CONTROL:
        assert outputs.evidence is system.evidence_kind is None
    else:
        assert system.evidence_kind == "attention"
        assert outputs.evidence.shape[:2] == (3, 1)
        torch.testing.assert_close(outputs.evidence.sum(dim=(1, 2, 3)), torch.ones(3))


@pytest.mark.parametrize("name", [ATTENDING, SUMMING])
@pytest.mark.parametrize(
    ("trainable", "prefixes"),
    [
        ("[head]", ("head.",)),
        ("[head, attention]", ("head.", "attention.")),
        ("[hidden]", ("hidden.", "second_hidden.")),
        ("[stage4]", ("trunk.stage4.", "second.stage4.")),
        ("[conv5, top2]", ("trunk.stage4.", "second.stage4.", "trunk.stage3.", "second.stage3.")),
    ],
)
def test_a_part_is_frozen_in_both_streams(name, trainable, prefixes):
    small = "model.backbone=alexnet_grouped"
    recipe, system = system_of(
        name, NARROW, small, f"steps.0.trainable={trainable}", "steps.0.rates={}"
    )
    expected = {p for p, _ in system.named_parameters() if p.startswith(prefixes)}
    trained = trainable_parameters(system, recipe.steps[0])
    assert trained == expected
    freeze(system, trained)
    system(PIXELS).logits.square().sum().backward()
    assert {p for p, value in system.named_parameters() if value.grad is not None} == expected


def own_network(folder):
    """A narrow grouped AlexNet for 67 pixels, whose fc6 sees 1 x 1 places, and its weights."""
    options = find_backbone("alexnet_grouped").options | {"width": 12}
    network = alexnet(**options)
    state = network.state_dict()
    weights = folder / "own.safetensors"
    save_file(state, weights)
    record = folder / "own.yaml"
    record.write_text(
        yaml.safe_dump({"extends": "alexnet_grouped", "name": "own", "options": options})
    )
    settings = (f"model.backbone={record}", f"model.weights={weights}")
    return network, state, settings


def test_hidden_layers_come_with_the_backbone_and_are_never_replaced_silently(tmp_path):
    network, state, settings = own_network(tmp_path)
    recipe = load_recipe(
        CONTROL, [*settings, "preprocessing.height=227", "preprocessing.width=227"]
    )
    system = build_system(recipe, MIKELS8, seed=0).eval()
    pixels = torch.randint(0, 256, (1, 227, 227, 3), dtype=torch.uint8)
    with torch.inference_mode():
        expected = network(system.trunk.stem.pixels(pixels))
        torch.testing.assert_close(system(pixels).embedding, expected)
    pair = build_system(load_recipe(ATTENDING, [*settings]), MIKELS8, seed=0)
    own = {id(parameter) for parameter in pair.hidden.parameters()}
    assert not own & {id(parameter) for parameter in pair.second_hidden.parameters()}
    for mine, other in zip(pair.hidden.parameters(), pair.second_hidden.parameters(), strict=True):
        assert torch.equal(mine, other)

    small = ("preprocessing.height=70", "preprocessing.width=70")
    with pytest.raises(EvocaError, match=r"model.hidden: those of own see 1152 numbers"):
        build_system(load_recipe(CONTROL, [*settings, *small]), MIKELS8, seed=0)
    save_file({k: v for k, v in state.items() if "fc7" not in k}, tmp_path / "own.safetensors")
    with pytest.raises(EvocaError, match="lacks fc7"):
        build_system(recipe, MIKELS8, seed=0)
    build_system(load_recipe(CONTROL, [*settings, *small, NARROW]), MIKELS8, seed=0)


def test_a_larger_map_is_averaged_to_the_places_of_alexnet():
    _, system = system_of(ATTENDING, NARROW, SQUEEZENET, "model.places=3")
    system.eval()
    with torch.inference_mode():
        x = PIXELS
        for stage in system.second.stages():
            x = stage(x)
        assert x.shape[2:] == (4, 4)
        cells = system.last_map(x)
        evidence = system(PIXELS).evidence
    assert evidence.shape == (3, 1, 3, 3)
    torch.testing.assert_close(cells.mean(dim=(2, 3)), x.mean(dim=(2, 3)))
    torch.testing.assert_close(evidence, system.attention.attention(cells))


def test_without_hidden_layers_of_its_own_a_frozen_backbone_gets_none():
    _, system = system_of("you2016-imagenet-cnn", SQUEEZENET)
    assert list(system.hidden.parameters()) == []
    assert system.head.layers[0].in_features == 512 * 4 * 4


def test_a_grouped_alexnet_learns_a_drawn_set(tmp_path):
    _, _, settings = own_network(tmp_path)
    recipe = load_recipe(
        ATTENDING,
        [
            *TINY,
            settings[0],
            "model.hidden=[32, 32]",
            "steps.*.epochs=25",
            "steps.*.batch_size=8",
            "steps.*.rate=3e-3",
            "steps.*.rates.backbone=1e-3",
        ],
    )
    system = build_system(recipe, MIKELS8, seed=0)
    task = drawn_task(tmp_path / "data", *recipe.steps, each=4)
    task = replace(task, preprocessing=recipe.preprocessing, validation=None)
    options = RunOptions(accelerator="cpu", workers=0, tensorboard=False)
    fit(system, task, tmp_path / "run", options)
    logits = predict_logits(system, recipe.steps[-1], task.train, recipe.preprocessing, options)
    assert (logits.argmax(axis=1) == task.train.truth).mean() > 0.95


@pytest.mark.parametrize("name", [CONTROL, SUMMING])
def test_only_what_scales_its_places_is_rescaled(name):
    with pytest.raises(EvocaError, match=r"model: rescale: of attention: scale alone"):
        load_recipe(name, ["model.rescale=true"])


def test_the_bundles_map_is_attention_and_is_tested_by_deletion(tmp_path):
    for split, each, seed in (("train", 3, 0), ("val", 2, 1), ("test", 1, 2)):
        draw_pictures(tmp_path / "data", each, split, seed)
    data = load_labelled(tmp_path / "data")
    recipe = load_recipe(ATTENDING, [*TINY, NARROW, SQUEEZENET, "steps.*.epochs=1"])

    def build(recipe, labels, seed):
        return build_system(recipe, labels, seed=seed)

    options = RunOptions(accelerator="cpu", workers=0)
    train_steps(recipe, build, data, tmp_path / "run", options)
    bundle = export_bundle(tmp_path / "run", tmp_path / "bundle")
    card = json.loads((tmp_path / "bundle" / "model.json").read_text())
    assert (card["evidence_kind"], card["evidence_bias"]) == ("attention", None)
    assert card["deletion_test"]["images"] == 8
    assert "where it looks" in (tmp_path / "bundle" / "README.md").read_text()
    (answer,) = evoca.load(bundle.path).predict([data.paths[0]])
    assert answer.evidence.kind == "attention"
    assert answer.evidence.values.shape == (1, 4, 4)
    assert answer.evidence.values.sum() == pytest.approx(1, abs=1e-3)
