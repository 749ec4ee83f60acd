"""Networks of our own: what their papers' equations say, drop-path, and that they learn."""

from dataclasses import replace

import pytest
import yaml

torch = pytest.importorskip("torch", reason="needs the extra train")
from torch import nn  # noqa: E402

from evoca.emotions import MIKELS8  # noqa: E402
from evoca.errors import EvocaError  # noqa: E402
from evoca.lab.backbones.architectures import build_architecture  # noqa: E402
from evoca.lab.backbones.architectures.fractalnet import DropPathJoin, Subnetworks  # noqa: E402
from evoca.lab.config.backbone import find_backbone  # noqa: E402
from evoca.lab.config.recipe import load_recipe  # noqa: E402
from evoca.lab.models import build_system  # noqa: E402
from evoca.lab.training import (  # noqa: E402
    RunOptions,
    fit,
)
from evoca.lab.training.data import PixelExamples  # noqa: E402
from evoca.lab.training.inference import logits_of, plain_batches  # noqa: E402
from tiny_system import PREPROCESSING, drawn_task  # noqa: E402

NARROW = {"filters": (4, 4, 4, 4, 4), "dropout": (0, 0, 0, 0, 0)}


def narrow(**options):
    torch.manual_seed(0)
    return build_architecture("fractalnet", NARROW | options)


def recursive(block, columns, x):
    """Equation 2, by recursion, of a block whose joins are unweighted means of two."""

    def expand(first, column, place):
        # f_{C+1}(z) = (f_C after f_C)(z) joined with conv(z); the shallowest column is conv.
        conv = block.columns[first][place]
        if first == column:
            return conv
        inner = [expand(first + 1, column, 2 * place + half) for half in (0, 1)]
        return lambda z: (inner[1](inner[0](z)) + conv(z)) / 2

    return block.pool(expand(0, columns - 1, 0)(x))


def test_two_columns_are_the_expansion_of_the_paper():
    block = narrow(columns=2).eval().block1
    x = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(block(x), recursive(block, 2, x))


def test_three_columns_join_all_that_end_at_one_depth():
    block = narrow(columns=3).eval().block1
    x = torch.randn(2, 3, 8, 8)
    (one,), (a, b), (p, q, r, s) = block.columns
    with torch.inference_mode():
        half = (a(x) + q(p(x))) / 2
        expected = block.pool((one(x) + b(half) + s(r(half))) / 3)
        torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_global_drop_path_is_a_single_column_of_the_whole_network(column, monkeypatch):
    network = narrow(global_share=1.0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    monkeypatch.setattr(torch, "randint", lambda *_: torch.tensor(column))
    x = torch.randn(6, 3, 32, 32)
    with torch.inference_mode():
        found = network(x)
        for block in network.children():
            for layer in block.columns[column]:
                x = layer(x)
            x = block.pool(x)
    torch.testing.assert_close(found, x)


def test_all_blocks_follow_one_draw_and_each_batch_draws_anew():
    torch.manual_seed(0)
    drawn, x = Subnetworks(3, 0.5), torch.zeros(2, 3, 8, 8)
    found = []
    for _ in range(400):
        own = []
        for block in (1, 2, 4):  # 0 and 3 are frozen
            column, whole = drawn.of(block, x)
            assert torch.equal(whole, x + (block == 2))  # what the block before has kept
            drawn.keep(block, whole + 1)
            own.append(column)
        assert len(set(own)) == 1
        found.append(own[0])
    assert set(found) == {None, 0, 1, 2}
    assert 0.4 < sum(column is not None for column in found) / 400 < 0.6
    drawn.of(1, x)
    assert len(drawn.of(2, x[:1])[1]) == 1  # a batch that never came to its end is forgotten


def test_a_frozen_block_may_stand_between_trained_ones():
    network = narrow(filters=(4, 6, 8, 8, 8))
    network.block2.eval().requires_grad_(requires_grad=False)
    network(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None for p in network.block1.parameters())


def test_local_drop_path_drops_its_share_and_never_all():
    torch.manual_seed(0)
    join = DropPathJoin(0.9, "mean")
    inputs = [torch.full((1, 1, 1, 1), float(v)) for v in (1, 3)]
    found = [float(join.of_alive(inputs, [0, 1], None)) for _ in range(2000)]
    assert set(found) == {1.0, 2.0, 3.0}
    assert 0.005 < found.count(2.0) / 2000 < 0.02  # both survive: 0.1 x 0.1


def test_evaluation_is_normalised_by_what_the_whole_network_showed():
    network = narrow(columns=3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches
    x = torch.randn(64, 3, 32, 32)
    whole = narrow(columns=3, local_drop=0, global_share=0)
    expected = whole(x)  # in training, dropping nothing: normalised by this very batch
    network(x)
    buffers = dict(network.named_buffers())
    for name, value in whole.named_buffers():
        if name.endswith("running_mean"):
            torch.testing.assert_close(buffers[name], 10 * value)  # its momentum is 0.1
    found = network.eval()(x)
    assert float((found - expected).detach().std() / expected.detach().std()) < 0.2
    assert float(found.detach().std()) > 0.3


def test_a_unit_carries_its_input_unchanged_where_the_shape_stays():
    torch.manual_seed(0)
    network = build_architecture("preact_resnet", {"width": 4})
    unit, changing = network.stage2[1], network.stage2[0]
    assert unit.shortcut is None
    assert changing.shortcut.stride == (2, 2)
    x = torch.randn(2, 8, 6, 6)
    with torch.inference_mode():
        unit.conv2.weight.zero_()
        assert torch.equal(unit(x), x)


@pytest.mark.parametrize(
    ("name", "differing"),
    [("preact_resnet18", {"width"}), ("fractalnet20", {"filters", "dropout"})],
)
def test_slim_ones_differ_in_what_they_say(name, differing):
    full, slim = find_backbone(name), find_backbone(f"{name}_slim")
    assert full.stages == slim.stages
    assert full.options.keys() == slim.options.keys()
    assert {key for key in full.options if full.options[key] != slim.options[key]} == differing


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("fractalnet", {"colums": 3}, "unknown key colums; did you mean columns"),
        ("fractalnet", {"columns": 0}, "columns: must be"),
        ("alexnet", {}, "evoca has no architecture alexnet"),
    ],
)
def test_what_does_not_fit_is_one_line(name, options, message):
    with pytest.raises(EvocaError) as caught:
        build_architecture(name, options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# Fewer columns and filters of the same graphs; drop-path stays on.
SMALL = {
    "jacobson2019-resnet32": ("preact_resnet18", {"blocks": [1, 1, 1, 1], "width": 16}),
    "jacobson2019-fractalnet": (
        "fractalnet20",
        {"columns": 2, "filters": [8, 16, 16, 32, 32], "dropout": [0] * 5},
    ),
}


@pytest.mark.parametrize(
    ("name", "epochs", "rate"),
    [("jacobson2019-resnet32", 16, 0.05), ("jacobson2019-fractalnet", 30, 0.02)],
)
def test_it_learns_a_drawn_set_and_its_gradients_stay_finite(name, epochs, rate, tmp_path):
    extends, options = SMALL[name]
    record = {"extends": extends, "name": "small", "options": options}
    if extends == "preact_resnet18":  # its stages have one unit each
        record["tops"] = [[f"stage{n}.0"] for n in (4, 3, 2, 1)]
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(record))
    settings = [
        f"model.backbone={tmp_path / 'small.yaml'}",
        f"steps.*.epochs={epochs}",
        "steps.*.batch_size=8",
        f"steps.*.rate={rate}",
        "steps.*.stop=null",
        "steps.*.augmentation=[{kind: mirror}]",
        "model.dropout=0",
    ]
    recipe = load_recipe(name, settings)
    system = build_system(recipe, MIKELS8, seed=0)
    task = replace(drawn_task(tmp_path / "data", *recipe.steps), validation=None)
    options = RunOptions(accelerator="cpu", workers=0, tensorboard=False)
    fitted = fit(system, task, tmp_path / "run", options)
    norms = [row["train_gradient_norm"] for row in fitted.history]
    assert all(0 < norm < 100 for norm in norms)
    examples = PixelExamples(task.train, PREPROCESSING, (), 0)
    batches = plain_batches(examples, len(task.train), 16, 0, (0, 1))
    logits = logits_of(system, batches, len(task.train), torch.device("cpu"), place=(0, 1))
    assert (logits.argmax(dim=1).numpy() == task.train.truth).mean() > 0.95
