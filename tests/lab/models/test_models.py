"""Every recipe's system: shapes, freezing parameter by parameter, gradients, export."""

import json

import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")
from torch import nn  # noqa: E402

from evoca.emotions import MIKELS8  # noqa: E402
from evoca.errors import EvocaError  # noqa: E402
from evoca.lab.config.backbone import backbone_names, find_backbone  # noqa: E402
from evoca.lab.config.recipe import load_recipe, recipe_names  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.models.onnx_export import export_system, parity  # noqa: E402
from evoca.lab.training.freezing import freeze, parameter_groups, trainable_parameters  # noqa: E402
from tiny_system import write_resnet  # noqa: E402

TINY = ("preprocessing.height=64", "preprocessing.width=64", "model.weights=random")
# Captioners, CLIP, SigLIP and DINO have tests of their own; slim ones are the same graphs.
LARGE = ("clip", "siglip", "dino")
BACKBONES = [
    name
    for name in backbone_names()
    if find_backbone(name).library != "transformers"
    and not name.endswith(("_slim", "_plain"))
    and not name.startswith(LARGE)
]
RECIPES = [load_recipe(name) for name in recipe_names()]
PLAIN = "fractalnet20_plain"  # with every family it would be fractalnet20 once more
TRAINED = [r.name for r in RECIPES if r.steps and r.model.backbone in (*BACKBONES, PLAIN)]
FAMILIES = (
    "sreenivas2018-vgg19",
    "najid2018-resnet101-l4-dropout",
    "najid2018-resnet101-ensemble",
    "najid2018-resnet101-ensemble-dense",
    "najid2018-resnet101-skip",
)
PIXELS = torch.randint(
    0, 256, (3, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


# Hidden layers of 4096 would make files of hundreds of megabytes; sixteen patches of so small
# a picture are smaller than a filter.
SMALL_SECOND = "{backbone: squeezenet1_1, weights: random}"
NARROW = {
    "differential": (f"model.second={SMALL_SECOND}", f"model.supplement={SMALL_SECOND}"),
    "streams": ("model.hidden=[8, 8]",),
    "mldr": ("model.sides=[1, 2, 2]",),
}


# Networks that one recipe of a family has and the others have not.
FURTHER = {
    "rapolu2023-differential-three": (f"model.more=[{SMALL_SECOND}]",),
    "rapolu2023-differential-background": (f"model.background={SMALL_SECOND}",),
}


def system_of(name, *settings):
    narrow = (*NARROW.get(load_recipe(name).model.system, ()), *FURTHER.get(name, ()))
    recipe = load_recipe(name, [*TINY, *narrow, *settings])
    return recipe, build_system(recipe, MIKELS8, seed=0)


VGG = "trunk.stage4.conv5_"
HEAD = ("head.",)
RESNET = ("trunk.stem.", *(f"trunk.stage{n}." for n in range(1, 5)))
BRANCHES, STACKING = ("branches.layers.",), ("branches.stacking.",)
ALL = ("",)
FIRST, SECOND = ("trunk.", "first_head."), ("second.", "second_head.")
THIRD = ("more.0.", "more_heads.0.")
LORA = (
    *HEAD,
    *(
        f"trunk.stage{block // 3 + 1}.blocks_{block}.attn.{layer}.lora_"
        for block in range(12)
        for layer in ("qkv", "proj")
    ),
)
SEVEN = [
    HEAD,
    (*HEAD, f"{VGG}4"),
    (*HEAD, f"{VGG}4", f"{VGG}3"),
    (*HEAD, f"{VGG}4", f"{VGG}3", f"{VGG}2"),
    (*HEAD, f"{VGG}4", f"{VGG}3", f"{VGG}2", f"{VGG}1"),
    ALL,
]
STREAMS = (
    "agarwal2019-alexnet",
    "agarwal2019-attention-alexnet",
    "agarwal2019-attention-alexnet-noisy",
    "agarwal2019-attention-alexnet-rescaled",
    "agarwal2019-hierarchical",
    "you2016-alexnet",
    "you2016-alexnet-noisy",
)
# Recipe to what each step trains, as the beginnings of parameters' names, and its rates.
SCHEDULES = {
    "najid2018-resnet101-fc": [(HEAD, {1e-4})],
    "najid2018-resnet101-fc-shuffle": [(HEAD, {1e-4})],
    "najid2018-resnet101-l4": [((*HEAD, "trunk.stage4."), {1e-4})],
    "najid2018-resnet101-l4-dropout": [((*HEAD, "trunk.stage4."), {1e-4})],
    "najid2018-resnet101-full": [(ALL, {1e-4})],
    "najid2018-resnet101-skip": [((*HEAD, "skip.", "trunk.stage4."), {1e-4})],
    "najid2018-resnet101-ensemble": [
        ((*RESNET, *BRANCHES), {1e-4, 1e-3}),
        ((*BRANCHES, *STACKING), {1e-3}),
    ],
    "najid2018-resnet101-ensemble-dense": [
        ((*RESNET, *BRANCHES), {1e-4, 1e-3}),
        ((*BRANCHES, *STACKING), {1e-3}),
    ],
    **{
        name: list(zip(SEVEN, ({1e-4}, {1e-5}, {1e-6}, {1e-6}, {1e-6}, {1e-6}), strict=True))
        for name in (
            "sreenivas2018-vgg19",
            "sreenivas2018-search-dropout-40",
            "sreenivas2018-search-dropout-60",
        )
    },
    **{name: [(ALL, {1e-5, 1e-4})] for name in STREAMS},
    "rao2016-mldrnet": [(ALL, {1e-5, 1e-3})],
    "rao2016-mldrnet-max": [(ALL, {1e-5, 1e-3})],
    "zhu2017-cnn-rnn": [(ALL, {1e-3})],
    "you2016-imagenet-cnn": [(HEAD, {1e-3})],
    "yang2017-resnet": [(ALL, {1e-4, 1e-3})],
    "yang2017-resnet-scratch": [(ALL, {0.05})],
    **{name: [(ALL, {1e-3})] for name in ("rapolu2023-resnet101", "rapolu2023-densenet201")},
    **{
        f"rapolu2023-{name}": [(FIRST, {1e-3}), (SECOND, {1e-3}), (HEAD, {1e-3})]
        for name in ("differential", "supplementary", "differential-background")
    },
    "rapolu2023-differential-three": [
        *((one, {1e-3}) for one in (FIRST, SECOND, THIRD, HEAD)),
    ],
    **{
        f"rapolu2023-{name}-svm": [(FIRST, {1e-3}), (SECOND, {1e-3})]
        for name in ("differential", "supplementary")
    },
    "lora-vit": [(LORA, {5e-4})],
    **{name: [(("heads.",), {1e-3})] for name in ("affect", "emotions-and-affect")},
    "several-sources": [
        (("heads.",), {1e-3}),
        (("trunk.", "heads."), {3e-4, 2e-4, 1e-4, 6e-5, 4e-5, 2e-5}),
    ],
    **{name: [(HEAD, {1e-3})] for name in ("distribution-kl", "distribution-emd", "multi-hot")},
    "sreenivas2018-search": [(ALL, {1e-5})],
    "sreenivas2018-search-fc-8-8": [(ALL, {1e-5})],
    "sreenivas2018-search-fc-16-8": [(ALL, {1e-5})],
    "sreenivas2018-search-rate-1e-4": [(ALL, {1e-4})],
    "sreenivas2018-search-rate-1e-6": [(ALL, {1e-6})],
    "jacobson2019-resnet32": [(ALL, {0.05})],
    "jacobson2019-resnet32-plain": [(ALL, {0.05})],
    "jacobson2019-resnet64": [(ALL, {0.05})],
    "jacobson2019-fractalnet": [(ALL, {0.005})],
    "jacobson2019-fractalnet-plain": [(ALL, {0.005})],
}


def test_every_recipe_with_steps_has_its_schedule_here():
    assert set(SCHEDULES) == set(TRAINED)


@pytest.mark.parametrize("name", TRAINED)
def test_each_step_trains_exactly_what_its_paper_says(name):
    recipe, system = system_of(name)
    every = dict(system.named_parameters())
    assert len(recipe.steps) == len(SCHEDULES[name])
    for step, (prefixes, rates) in zip(recipe.steps, SCHEDULES[name], strict=True):
        expected = {p for p in every if p.startswith(prefixes)}
        trained = trainable_parameters(system, step)
        assert trained == expected
        assert {group["lr"] for group in parameter_groups(system, step)} == rates
        freeze(system, trained)
        assert {p for p, value in every.items() if value.requires_grad} == expected


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_reach_what_is_trained_and_frozen_statistics_stay(name):
    recipe, system = system_of(name, "model.backbone=efficientnet_lite0")
    before = {n: b.clone() for n, b in system.named_buffers() if n.endswith("running_mean")}
    trained = set()
    for step in recipe.steps:
        trained = trainable_parameters(system, step)
        freeze(system, trained)
        system.zero_grad(set_to_none=True)
        output = system(PIXELS)
        answers = output.logits if step.objective == "output" else output.branch_logits
        nn.functional.cross_entropy(
            answers.flatten(0, -2), torch.zeros(answers[..., 0].numel()).long()
        ).backward()
        reached = {n for n, p in system.named_parameters() if p.grad is not None}
        assert reached == trained
        norms = {n: m for n, m in system.named_modules() if isinstance(m, nn.BatchNorm2d)}
        for norm, module in norms.items():
            assert module.training == (f"{norm}.weight" in trained)
        for norm, mean in before.items():
            moved = not torch.equal(system.get_buffer(norm), mean)
            assert moved == (norm.replace("running_mean", "weight") in trained)
        before = {n: system.get_buffer(n).clone() for n in before}


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("name", FAMILIES)
def test_every_system_works_on_every_backbone(name, backbone):
    recipe, system = system_of(name, f"model.backbone={backbone}")
    for step in recipe.steps:
        assert trainable_parameters(system, step)
    system.eval()
    with torch.inference_mode():
        output = system(PIXELS)
        value = PIXELS
        for module in system.chain():
            value = module(value)
    assert output.logits.shape == (3, 8)
    torch.testing.assert_close(value.logits, output.logits)
    if output.evidence is not None:
        assert output.evidence.shape[:2] == (3, 8)
        total = output.evidence.mean(dim=(2, 3)) + system.evidence_bias
        torch.testing.assert_close(total, output.logits, atol=1e-3, rtol=1e-4)
    if output.branch_logits is not None:
        assert output.branch_logits.shape == (3, 5, 8)


def test_the_ensemble_averages_probabilities():
    _, system = system_of("najid2018-resnet101-ensemble", "model.backbone=squeezenet1_1")
    stacking = system.branches.stacking
    logits = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        even = stacking(logits)
        torch.testing.assert_close(even.exp(), logits.softmax(dim=2).mean(dim=1))
        stacking.balance.copy_(torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5]))
        weights = stacking.balance.softmax(dim=0)
        expected = (logits.softmax(dim=2) * weights[:, None]).sum(dim=1)
        torch.testing.assert_close(stacking(logits).exp(), expected)


def test_shortcuts_start_at_a_gain_of_one():
    _, skip = system_of("najid2018-resnet101-skip", "model.backbone=squeezenet1_1")
    norms = [one for one in skip.skip.modules() if isinstance(one, nn.BatchNorm2d)]
    assert norms
    assert all((norm.weight == 1).all() for norm in norms)


def test_shortcuts_at_no_gain_are_the_pretrained_network_and_strided_convolutions():
    small = "model.backbone=squeezenet1_1"
    _, plain = system_of("najid2018-resnet101-fc", small)
    _, skip = system_of("najid2018-resnet101-skip", small, "model.gain=0")
    skip.trunk.load_state_dict(plain.trunk.state_dict())
    skip.head.load_state_dict(plain.head.state_dict())
    with torch.inference_mode():
        torch.testing.assert_close(skip.eval()(PIXELS).logits, plain.eval()(PIXELS).logits)
    _, resnet = system_of("najid2018-resnet101-skip", "model.backbone=resnet50")
    assert [sample.stride for sample in resnet.samples] == [(4, 4), (4, 4), (2, 2)]
    with torch.inference_mode():
        maps = resnet.trunk.stem(PIXELS)
        convolution = resnet.skip.convolutions[0][0]
        ours = convolution(resnet.samples[0](maps))
        torch.testing.assert_close(ours, nn.functional.conv2d(maps, convolution.weight, stride=4))


def test_the_seed_decides_what_starts_at_random():
    recipe = load_recipe("najid2018-resnet101-fc", [*TINY, "model.backbone=squeezenet1_1"])
    state = torch.random.get_rng_state()
    one, same, other = (build_system(recipe, MIKELS8, seed=s).state_dict() for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["head.layers.0.weight"], other["head.layers.0.weight"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("steps.train.trainable=[stage5]",), "did you mean stage"),
        (("model.pool=token",), "resnet50 has no class token"),
        (("preprocessing.height=70", "model.backbone=vit_tiny_patch16_224"), "no multiple"),
        (("preprocessing.height=8", "model.backbone=alexnet"), "too small"),
    ],
)
def test_what_does_not_fit_is_one_line(settings, message):
    def train():
        recipe, system = system_of("najid2018-resnet101-fc", "model.backbone=resnet50", *settings)
        return trainable_parameters(system, recipe.steps[0])

    with pytest.raises(EvocaError) as caught:
        train()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# What decides the exported graph; recipes that share it are exported once.
GRAPHS = {
    json.dumps(load_recipe(name).model.model_dump(exclude={"dropout", "channel_dropout"})): name
    for name in TRAINED
    if load_recipe(name).model.no_bundle() is None
}
MORE = [(name, "vit_tiny_patch16_224") for name in FAMILIES[2:]]
# A hundred layers take a minute to export: once, and the systems above them on a small network
# of their kind.
DEEP = "rapolu2023-resnet101"


@pytest.mark.parametrize(("name", "backbone"), [*((n, None) for n in GRAPHS.values()), *MORE])
def test_every_recipe_exports_and_onnx_agrees(name, backbone, tmp_path):
    if backbone is None and name != DEEP and load_recipe(name).model.backbone == "resnet101":
        backbone = write_resnet(tmp_path)
    settings = () if backbone is None else (f"model.backbone={backbone}",)
    _, system = system_of(name, *settings)
    file = tmp_path / "model.onnx"
    export_system(system, 64, 64, file)
    differences = parity(system, file, PIXELS)
    assert {"logits", "embedding"} <= set(differences)
    assert ("evidence" in differences) == (system.evidence_kind is not None)
    assert max(differences.values()) < 1e-3
